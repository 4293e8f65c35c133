"""torch-pruning as its README sets it up: everything but the classifier, 30 % of the channels, widths of eight."""

import sys
from pathlib import Path

import torch
import torch_pruning as tp
from torch import nn

from benchmarks.peers.scripts.network import resnet20
from benchmarks.peers.scripts.training import export, loaders, tune

checkpoint, data, out = (Path(each) for each in sys.argv[1:])
torch.manual_seed(0)
model = resnet20(checkpoint)
pruner = tp.pruner.BasePruner(
    model,
    torch.randn(1, 3, 32, 32),
    importance=tp.importance.GroupMagnitudeImportance(p=2),
    pruning_ratio=0.3,
    ignored_layers=[module for module in model.modules() if isinstance(module, nn.Linear)],
    round_to=8,
)
pruner.step()
tune(model, loaders(data)[0])
export(model, out / "model.onnx")
