"""Networks whose accuracy without a layer is known in advance, and images of one brightness each."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from compressor.data.images import Data, ImageSet
from compressor.data.preprocess import parse_preprocess
from compressor.files import sha256_of_bytes
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.types import Role

DARK, DIM, PALE, BRIGHT = 51, 115, 140, 204
"""0.2, 0.451, 0.549 and 0.8: two far from the boundary at a half, two within a tenth of it."""


class Brightness(nn.Module):
    """Answers 1 where the mean brightness is above a half.

    Of the four units of `first`, three are zero and leave first. Of those of `second`, the one that carries the answer
    has the smallest weights and leaves first; the others look at nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 1, bias=False)
        self.second = nn.Conv2d(4, 4, 1, stride=2, bias=False)
        self.linear = nn.Linear(4, 2)
        for layer in (self.first, self.second, self.linear):
            nn.init.zeros_(layer.weight)
        with torch.no_grad():
            self.first.weight[0] = 1.0
            self.second.weight[0, 0] = 1.0
            self.second.weight[1:, 1:] = 2.0
            self.linear.weight[:, 0] = torch.tensor([-4.0, 4.0])
            self.linear.bias.copy_(torch.tensor([2.0, -2.0]))

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features: Tensor = self.second(self.first(images))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


class Adding(nn.Module):
    """Adds `factor` times its input to its input."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(factor * torch.eye(2).reshape(2, 2, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, 2, H, W) -> the same shape."""
        return features + self.conv(features)


class Blocked(nn.Module):
    """Doubles the brightness in a block before it is compared with one; another block does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1, bias=False)
        self.blocks = nn.Sequential(Adding(0.0), Adding(1.0))
        self.linear = nn.Linear(2, 2)
        with torch.no_grad():
            self.stem.weight.fill_(1.0)
            self.linear.weight.copy_(torch.tensor([[-2.0, -2.0], [2.0, 2.0]]))
            self.linear.bias.copy_(torch.tensor([4.0, -4.0]))

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        logits: Tensor = self.linear(self.blocks(self.stem(images)).mean((2, 3)))
        return logits


def checkpoint_of(model: nn.Module, input_shape: tuple[int, int, int] = (1, 4, 4), num_classes: int = 2) -> Checkpoint:
    """Return a model as a checkpoint whose images need no normalisation."""
    return Checkpoint(
        model=model.eval(),
        architecture="memory:Test",
        input_shape=input_shape,
        num_classes=num_classes,
        preprocess=parse_preprocess("none"),
        sha256=sha256_of_weights(model.state_dict()),
    )


def image_set(pixels: Tensor, labels: Sequence[int], *, role: Role = "select", num_classes: int = 2) -> ImageSet:
    """Return images (N, C, H, W) uint8 with labels."""
    return ImageSet(
        role=role,
        labels=np.array(labels, dtype=np.int64),
        names=tuple(f"{role}/{number}" for number in range(len(pixels))),
        class_names=tuple(map(str, range(num_classes))),
        shape=(pixels.shape[1], pixels.shape[2], pixels.shape[3]),
        reader=lambda wanted: pixels[list(wanted)],
        hasher=lambda index: sha256_of_bytes(pixels[index].numpy().tobytes()),
    )


def data_of(select: ImageSet | None) -> Data:
    """Return data whose test images cannot be read: nobody may look at them."""

    def refuse(_: Sequence[int]) -> Tensor:
        raise AssertionError("test images were read")

    test = image_set(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), [0, 0, 0], role="test")
    forbidden = ImageSet(**{**{name: getattr(test, name) for name in test.__slots__}, "reader": refuse})
    return Data(spec="here", class_names=("0", "1"), train=None, select=select, test=forbidden, notes=())


def brightness_data() -> Data:
    """Return ten images: six labelled dark (one of them wrongly), four bright; four are near the boundary."""
    levels = [DARK, DARK, DIM, DIM, DIM, BRIGHT, PALE, BRIGHT, BRIGHT, BRIGHT]
    labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    pixels = torch.tensor(levels, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    return data_of(image_set(pixels, labels))
