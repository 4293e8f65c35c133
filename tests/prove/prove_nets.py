"""Small networks for the tests of proofs, and random points within a threat."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.attacks.threat import Threat, parse_threat
from compressor.types import Norm

THREATS = [parse_threat("linf:0.03"), parse_threat("l2:0.2")]


class Residual(nn.Module):
    """Everything that bounds are known for: strides, groups, norms, shortcuts of both kinds, pooling, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5]).view(1, 2, 1, 1))
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.down = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.wide = nn.BatchNorm2d(6, affine=False)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)
        self.end = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.same = nn.Identity()
        self.head = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 2, 8, 8) in [0, 1] to (N, 5)."""
        first = F.relu(self.norm(self.stem((images - self.mean) / 0.25)))
        first = self.same(self.grouped(first)) + first
        second = self.wide(self.down(F.relu(first)))
        second = second + F.pad(first[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        second = self.end(self.pool(self.relu(second)) * 2.0)
        logits: Tensor = self.head(self.drop(second.view(second.size(0), -1)))
        return logits


def residual(seed: int = 0) -> nn.Module:
    """Return the network with norms that do something."""
    torch.manual_seed(seed)
    model = Residual()
    for norm in (model.norm, model.wide):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(model.norm.weight)  # negative factors too
    return model.eval()


def plain(seed: int = 0) -> nn.Module:
    """Return two layers of convolution and two of neurons, 2 x 6 x 6 images to 5 classes."""
    torch.manual_seed(seed)
    first, second = nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Conv2d(4, 6, 3)
    head = (nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), *head).eval()


def points(image: Tensor, threat: Threat, num: int = 1000) -> Tensor:
    """Return random images within a threat, half of them on its surface: (num, C, H, W) float64."""
    shift = torch.rand(num, *image.shape, dtype=torch.float64) * 2 - 1
    if threat.norm is Norm.L2:
        shift = shift / shift.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    else:
        shift[: num // 2] = shift[: num // 2].sign()
    shift = shift * threat.radius
    shift[num // 2 :] *= torch.rand(num - num // 2, 1, 1, 1, dtype=torch.float64)
    return (image.double() + shift).clamp(0, 1)
