"""No pruning, the same training: the control."""

import sys
from pathlib import Path

import torch

from benchmarks.peers.scripts.network import resnet20
from benchmarks.peers.scripts.training import export, loaders, tune

checkpoint, data, out = (Path(each) for each in sys.argv[1:])
torch.manual_seed(0)
model = resnet20(checkpoint)
tune(model, loaders(data)[0])
export(model, out / "model.onnx")
