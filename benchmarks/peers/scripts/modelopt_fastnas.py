"""NVIDIA ModelOpt's FastNAS as its ResNet-20 notebook does it, with two values changed.

Steps of eight channels, because those of 16 leave 60 % of this network; and 500 images to rank by, as its guide advises
where ranking is slow, with 10 batches for the norms: with 2,000 and its 50 the search alone would take ten minutes of
processor time.
"""

import sys
from pathlib import Path

import modelopt.torch.opt as mto
import modelopt.torch.prune as mtp
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from benchmarks.peers.scripts.network import resnet20
from benchmarks.peers.scripts.training import accuracy, export, loaders, tune

checkpoint, data, out = (Path(each) for each in sys.argv[1:])
torch.manual_seed(0)
train, val = loaders(data)
few = DataLoader(Subset(val.dataset, range(0, 2000, 4)), 250)
config = mtp.fastnas.FastNASConfig()
config["nn.Conv2d"]["*"]["channel_divisor"] = 8
config["nn.BatchNorm2d"]["*"]["feature_divisor"] = 8


def score(model: nn.Module) -> float:
    """Rank subnets by accuracy on the images to choose by."""
    return accuracy(model, few)


model, _ = mtp.prune(
    model=resnet20(checkpoint),
    mode=[("fastnas", config)],
    constraints={"flops": "50%"},
    dummy_input=torch.randn(1, 3, 32, 32),
    config={
        "data_loader": train,
        "score_func": score,
        "max_iter_data_loader": 10,
        "checkpoint": str(out / "search.pth"),
    },
)
tune(model, train)
mto.save(model, out / "slim.pth")
export(model, out / "model.onnx")
