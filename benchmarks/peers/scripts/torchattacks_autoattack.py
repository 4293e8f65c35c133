"""torchattacks' AutoAttack as its documentation shows it, on our slim network."""

import sys
from pathlib import Path

import numpy as np
import torch
import torchattacks

import compressor

checkpoint, images, out = (Path(each) for each in sys.argv[1:])
torch.manual_seed(0)
model = compressor.load(checkpoint).classifier().eval()
arrays = np.load(images)
x = torch.from_numpy(arrays["x_test"]).permute(0, 3, 1, 2).contiguous().float() / 255
y = torch.from_numpy(arrays["y_test"])
attack = torchattacks.AutoAttack(model, norm="Linf", eps=1 / 255, version="standard", n_classes=10, seed=0)
stands = model(attack(x, y)).argmax(1) == y
np.save(out / "stands.npy", stands.numpy())
