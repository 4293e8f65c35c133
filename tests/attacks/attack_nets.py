"""Small classifiers of known behaviour."""

from fractions import Fraction

import torch
from torch import Tensor, nn

from compressor.attacks.threat import Threat
from compressor.types import Norm

LINF, L2 = Norm.LINF, Norm.L2


def threat(norm: Norm, epsilon: float) -> Threat:
    """Return a threat whose epsilon is the float, exactly."""
    return Threat(norm=norm, epsilon=Fraction(epsilon))


class LinearCase:
    """A linear classifier, images it answers right, and the exact distance of each to the nearest wrong answer."""

    def __init__(self, *, num: int = 24, num_classes: int = 5, shape: tuple[int, int, int] = (3, 5, 5)) -> None:
        generator = torch.Generator().manual_seed(1)
        inputs = shape[0] * shape[1] * shape[2]
        layer = nn.Linear(inputs, num_classes)
        layer.weight.data = torch.randn(num_classes, inputs, generator=generator)
        layer.bias.data = torch.randn(num_classes, generator=generator)
        self.shape = shape
        self.net = nn.Sequential(nn.Flatten(), layer)
        # Far from 0 and 1, so that the box does not come into it.
        self.images = 0.4 + 0.2 * torch.rand(num, *shape, generator=generator)
        with torch.no_grad():
            self.logits = self.net(self.images)
        self.labels = self.logits.argmax(1)
        self.seeds = torch.arange(num) * 977
        self._weight = layer.weight.detach().double()

    def distances(self, norm: Norm) -> Tensor:
        """Return (n,) float64: logit gap over the dual norm of the difference of weights, smallest over classes."""
        gaps = (self.logits.gather(1, self.labels[:, None]) - self.logits).double()
        weights = self._weight[None] - self._weight[self.labels][:, None]
        size = weights.abs().sum(2) if norm is LINF else weights.norm(dim=2)
        own = torch.zeros_like(gaps, dtype=torch.bool).scatter_(1, self.labels[:, None], True)
        return (gaps / size).masked_fill(own, torch.inf).amin(1)


def pruned_like() -> nn.Sequential:
    """Return a network with the odd widths that pruning leaves, where the place in a batch changes the last bits."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 13, 3, padding=1),
        nn.BatchNorm2d(13),
        nn.SiLU(),
        nn.Conv2d(13, 11, 1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(11 * 16, 37),
        nn.GELU(),
        nn.Linear(37, 7),
    )


def sizes(found: Tensor, images: Tensor, norm: Norm) -> Tensor:
    """Return how far each image was moved (n,), in float64."""
    delta = (found.double() - images.double()).flatten(1)
    return delta.abs().amax(1) if norm is LINF else delta.norm(dim=1)
