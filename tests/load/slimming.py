"""Cut a `cifar:resnet8` by hand: half of the middle of its second stage, and shortcut integers that follow."""

import torch
from torch import nn


def keep(layer: nn.Module, *, out: list[int] | None = None, into: list[int] | None = None) -> None:
    """Keep listed output and input channels of a convolution, norm or linear layer, in place."""
    for table in (layer._parameters, layer._buffers):
        for key, tensor in table.items():
            if tensor is None or tensor.ndim == 0:
                continue
            cut = tensor.detach()
            if out is not None:
                cut = cut[out]
            if into is not None and cut.ndim > 1:
                cut = cut[:, into]
            table[key] = nn.Parameter(cut.clone()) if isinstance(tensor, nn.Parameter) else cut.clone()
    if isinstance(layer, nn.Conv2d):
        layer.out_channels, layer.in_channels = layer.weight.shape[0], layer.weight.shape[1]
    if isinstance(layer, nn.BatchNorm2d):
        layer.num_features = layer.weight.shape[0]
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape


def slim_by_hand(model: nn.Module) -> None:
    """Cut the last stage's output to channels 0..29 and the inner channels of the second stage to half."""
    inner = list(range(0, 32, 2))
    keep(model.layer2[0].conv1, out=inner)
    keep(model.layer2[0].bn1, out=inner)
    keep(model.layer2[0].conv2, into=inner)
    outer = list(range(56))
    keep(model.layer3[0].conv2, out=outer)
    keep(model.layer3[0].bn2, out=outer)
    keep(model.linear, into=outer)
    model.layer3[0].shortcut.after -= 8
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
