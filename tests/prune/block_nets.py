"""Small networks, each with one trait that finding and leaving out blocks has to understand, and images for them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from compressor.data.images import ImageSet

SHAPE = (3, 32, 32)


def random_images(num: int = 40, shape: tuple[int, int, int] = SHAPE) -> ImageSet:
    """Return noise as training images of ten classes."""
    pixels = torch.rand(num, *shape, generator=torch.Generator().manual_seed(3))
    return ImageSet(
        role="train",
        labels=np.arange(num, dtype=np.int64) % 10,
        names=tuple(str(number) for number in range(num)),
        class_names=tuple("abcdefghij"),
        shape=shape,
        reader=lambda indices: pixels[list(indices)],
        hasher=str,
    )


class Block(nn.Module):
    """x + conv(x), with what training adds: dropout and stochastic depth."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.dropout = nn.Dropout(0.9)
        self.depth = StochasticDepth(0.9, "row")

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, C, H, W)."""
        return images + self.depth(self.dropout(self.conv(images)))


class Residuals(nn.Module):
    """A stem, blocks that are attributes and not in a row, and a linear layer."""

    def __init__(self, num: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        for number in range(num):
            setattr(self, f"block{number}", Block())
        self.num = num
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.stem(images)
        for number in range(self.num):
            features = getattr(self, f"block{number}")(features)
        return self.linear(features.mean((2, 3)))


class Scaled(Block):
    """RepVGG's block while it is trained: the shortcut is batch-normalised."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__(channels)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, C, H, W)."""
        return F.relu(self.conv(images) + self.norm(images))


class TwoArguments(Block):
    """A block that is told the size of the image."""

    def forward(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Return (N, C, H, W)."""
        return super().forward(images) * size[0]


class Told(nn.Module):
    """One block that can go and one that takes two arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.block0 = Scaled()
        self.block1 = TwoArguments()
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.block1(self.block0(self.stem(images)), (1, 1)).mean((2, 3)))


class SharedBlock(Residuals):
    """The second block runs twice."""

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.block1(self.block0(self.block1(self.stem(images)))).mean((2, 3)))


class TwoNames(Residuals):
    """The second block has another name, by which it is called."""

    def __init__(self) -> None:
        super().__init__(2)
        self.alias = self.block1

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.alias(self.block0(self.stem(images))).mean((2, 3)))


class ReadsABlock(Residuals):
    """The forward pass looks into the second block."""

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        scale = self.block1.conv.weight.mean()
        return super().forward(images) * scale


class AddedOutside(nn.Module):
    """The shortcut stands outside of the block, as in ResNet9."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.stem(images)
        return self.linear((self.branch(features) + features).mean((2, 3)))


class Plain(nn.Module):
    """A VGG-like row: three layers of 8 channels, the last of which shares its activation, and a head of 10 to 10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0, self.norm0, self.act0 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.conv1, self.norm1, self.act1 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU(inplace=True)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 10, 3, padding=1, groups=2)
        self.head = nn.Conv2d(10, 10, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.act0(self.norm0(self.conv0(images)))
        features = self.act1(self.norm1(self.conv1(features)))
        features = self.act0(self.norm2(self.conv2(features)))
        return self.head(F.relu(self.conv3(features))).mean((2, 3))


class InPlace(Residuals):
    """Code that writes to what modules answered, between blocks and through a long shortcut."""

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        early = self.stem(images)
        features = self.block0(early)
        features += 1
        features = self.block1(features).mul_(0.5)
        features = self.block2(features)
        early += features
        return self.linear(early.mean((2, 3)))
