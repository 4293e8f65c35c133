"""torchattacks' PGD as its documentation shows it, on our slim network: 40 steps of a quarter of 1/255."""

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
x = torch.from_numpy(arrays["x_test"]).permute(0, 3, 1, 2).float() / 255
y = torch.from_numpy(arrays["y_test"])
attack = torchattacks.PGD(model, eps=1 / 255, alpha=1 / 255 / 4, steps=40, random_start=True)
stands = model(attack(x, y)).argmax(1) == y
np.save(out / "stands.npy", stands.numpy())
