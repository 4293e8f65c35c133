"""NNCF's `nncf.prune` as its documentation shows it: half of all weights become zeros. It has no filter pruning now."""

import sys
from pathlib import Path

import nncf
import torch

from benchmarks.peers.scripts.network import resnet20
from benchmarks.peers.scripts.training import export, loaders, tune

checkpoint, data, out = (Path(each) for each in sys.argv[1:])
torch.manual_seed(0)
model = nncf.prune(
    resnet20(checkpoint),
    mode=nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_GLOBAL,
    ratio=0.5,
    examples_inputs=torch.randn(1, 3, 32, 32),
)
tune(model, loaders(data)[0])
model = nncf.strip(model, strip_format=nncf.StripFormat.IN_PLACE)
export(model, out / "model.onnx")
