"""torch-pruning where it works on this network: only the convolutions inside blocks, until half the work is left."""

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
example = torch.randn(1, 3, 32, 32)
inner = [module for name, module in model.named_modules() if name.startswith("layer") and name.endswith("conv1")]
pruner = tp.pruner.BasePruner(
    model,
    example,
    importance=tp.importance.GroupMagnitudeImportance(p=2),
    pruning_ratio=0.8,
    iterative_steps=50,
    ignored_layers=[each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear) and each not in inner],
)
macs, _ = tp.utils.count_ops_and_params(model, example)
while tp.utils.count_ops_and_params(model, example)[0] > macs / 2:
    pruner.step()
tune(model, loaders(data)[0])
export(model, out / "model.onnx")
