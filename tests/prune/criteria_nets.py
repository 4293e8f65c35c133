"""Networks whose scores can be worked out by hand, images to score them on, and the call that scores."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.data.images import ImageSet
from compressor.data.preprocess import Normalised, parse_preprocess
from compressor.prune.coupling import trace_coupling
from compressor.prune.criteria import CRITERIA, Material


def score(name: str, model: nn.Module, shape: tuple[int, int, int], **material: object) -> Sequence:
    """Return the scores of all groups; what is given says what the criterion may look at."""
    graph = trace_coupling(model, shape)
    return CRITERIA[name].score(graph.groups, Material(model=model.eval(), **material))


def score_on(name: str, model: nn.Module, pixels: Tensor, labels: Sequence[int], *, seed: int = 0) -> Sequence:
    """Return the scores of all groups on images that are not normalised."""
    classifier = Normalised(model.eval(), parse_preprocess("none"))
    train = images_of(pixels, labels)
    return score(name, model, tuple(pixels.shape[1:]), classifier=classifier, train=train, seed=seed)


def images_of(pixels: Tensor, labels: Sequence[int]) -> ImageSet:
    """Return training images of as many classes as there are labels, at least two."""
    num_classes = max(2, *labels, 0) + 1
    return ImageSet(
        role="train",
        labels=np.array(labels, dtype=np.int64),
        names=tuple(str(number) for number in range(len(labels))),
        class_names=tuple(f"class {number}" for number in range(num_classes)),
        shape=tuple(pixels.shape[1:]),
        reader=lambda indices: pixels[list(indices)],
        hasher=str,
    )


class Linear(nn.Module):
    """logits = V (W x): gradients and masks have a closed form."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 3, bias=False)
        self.linear = nn.Linear(3, num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.hidden(images.flatten(1)))


class Maps(nn.Module):
    """Pointwise filters over two channels, an activation or none, and the mean of each map."""

    def __init__(self, filters: Sequence[Sequence[float]], *, activation: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, len(filters), 1, bias=False)
        self.conv.weight.data = torch.tensor(filters, dtype=torch.float32)[:, :, None, None]
        self.activation = activation
        self.linear = nn.Linear(len(filters), 3)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.activation(self.conv(images)).mean((2, 3)))


class Stream(nn.Module):
    """A residual stream without activations, normalised: linear in every map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.stem_norm = nn.BatchNorm2d(4)
        self.back = nn.Conv2d(4, 4, 1)
        self.back_norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        stream = self.stem_norm(self.stem(images))
        return self.linear((stream + self.back_norm(self.back(stream))).mean((2, 3)))


class Block(nn.Module):
    """A residual block with or without operations in place; both compute the same."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.back = nn.Conv2d(6, 6, 3, padding=1)
        self.linear = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        stream = F.relu(self.norm(self.stem(images)), inplace=self.in_place)
        branch = self.back(stream)
        if self.in_place:
            branch += stream
            branch.relu_()
        else:
            branch = F.relu(branch + stream)
        return self.linear(branch.mean((2, 3)))


class Product(nn.Module):
    """A hidden layer as a bare matrix product, whose maps nobody can see."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(48, 6))
        self.linear = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(F.relu(images.flatten(1) @ self.weight))
