"""The CIFAR ResNets of He et al. (arXiv 1512.03385, section 4.2), with the parameter-free option-A shortcut.

Parameter names are those of the akamaster/pytorch_resnet_cifar10 checkpoints. What differs from that code: the shortcut
is a module with two integers instead of a lambda, so that a slimmed network can be described by its integers;
number of classes, channels and width are arguments; any input size works (global average pooling).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from compressor.errors import LoadError

MAX_DEPTH = 1202
"""The deepest network of the paper."""
MAX_WIDTH = 256


class PadShortcut(nn.Module):
    """Every `stride`-th pixel, with zero channels put in front and behind. No parameters.

    Args:
        before: number of zero channels in front. Slimming changes both numbers.
        after: number of zero channels behind.
        stride: pixels that one step covers.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, before + C + after, H / stride, W / stride), rounded up."""
        return F.pad(images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        """Show the integers in the printed model."""
        return f"before={self.before}, after={self.after}, stride={self.stride}"


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut.

    Args:
        in_channels: channels that come in.
        channels: channels that go out.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        extra = channels - in_channels
        same = stride == 1 and extra == 0
        self.shortcut = nn.Identity() if same else PadShortcut(extra // 2, extra - extra // 2, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, H / stride, W / stride)."""
        residual = F.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        return F.relu(residual + self.shortcut(features))


class CifarResNet(nn.Module):
    """A network of 6n + 2 layers: a stem, three stages of n blocks, global average pooling, one linear layer.

    Args:
        depth: 6n + 2: 8, 14, 20, 32, 44, 56, 110, ...
        num_classes: of the last layer.
        in_channels: 3 for colour, 1 for grey.
        width: channels of the first stage; the next two have twice and four times as many. 16 in the paper.

    Raises:
        LoadError: a number that no such network has.

    Source: arXiv 1512.03385, section 4.2.
    """

    def __init__(self, depth: int, num_classes: int = 10, in_channels: int = 3, width: int = 16) -> None:
        super().__init__()
        num_blocks, rest = divmod(depth - 2, 6)
        if rest or not 1 <= num_blocks <= (MAX_DEPTH - 2) // 6:
            raise LoadError(
                f"cifar:resnet{depth}: the depth must be 6n + 2, at most {MAX_DEPTH}",
                advice="known from the paper: cifar:resnet20, 32, 44, 56, 110; small: cifar:resnet8, cifar:resnet14",
            )
        if not 1 <= width <= MAX_WIDTH:
            raise LoadError(f"cifar:resnet{depth}: width {width} must be 1 to {MAX_WIDTH}", advice="the paper has 16")
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, num_blocks, stride=1)
        self.layer2 = _stage(width, 2 * width, num_blocks, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, num_blocks, stride=2)
        self.linear = nn.Linear(4 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, in_channels, H, W) -> logits (N, num_classes)."""
        features = F.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.linear(features.mean(dim=(2, 3)))
        return logits


def _stage(in_channels: int, channels: int, num_blocks: int, *, stride: int) -> nn.Sequential:
    """Return `num_blocks` blocks, the first of which changes the size."""
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels, 1) for _ in range(num_blocks - 1)))
