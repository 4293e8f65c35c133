"""Small networks, each with one trait that pruning has to understand, and checkpoints made of them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.data.preprocess import Preprocess, parse_preprocess
from compressor.load.checkpoint import Checkpoint, sha256_of_weights


def in_memory(
    model: nn.Module,
    input_shape: tuple[int, int, int] = (3, 8, 8),
    *,
    architecture: str = "memory:Test",
    preprocess: Preprocess | None = None,
) -> Checkpoint:
    """Return a model as a checkpoint, with normalisations that do something."""
    shake_norms(model)
    return Checkpoint(
        model=model.eval(),
        architecture=architecture,
        input_shape=input_shape,
        num_classes=10,
        preprocess=preprocess or parse_preprocess("none"),
        sha256=sha256_of_weights(model.state_dict()),
    )


def shake_norms(model: nn.Module) -> None:
    """Give every batch normalisation a scale, shift and statistics of its own."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)


class Chain(nn.Module):
    """conv 3->8, norm, conv 8->12, flatten, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.linear = nn.Linear(12 * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(F.relu(self.conv2(F.relu(self.norm(self.conv1(images))))).flatten(1))


class Residual(nn.Module):
    """A stream of 8 channels that two layers write, with an inner layer of 6."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 6, 3, padding=1)
        self.back = nn.Conv2d(6, 8, 3, padding=1)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        stream = self.stem(images)
        stream = stream + self.back(F.relu(self.inner(stream)))
        return self.linear(stream.mean((2, 3)))


class Concat(nn.Module):
    """Two branches of 4 and 6 channels side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 1)
        self.right = nn.Conv2d(3, 6, 1)
        self.head = nn.Conv2d(10, 10, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.head(torch.cat([self.left(images), self.right(images)], dim=1)).mean((2, 3))


class Grouped(nn.Module):
    """8 channels through a convolution with 4 groups, then depthwise."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.grouped = nn.Conv2d(8, 16, 3, padding=1, groups=4)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.linear = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.depthwise(F.relu(self.grouped(self.stem(images)))).mean((2, 3)))


class Shuffle(nn.Module):
    """8 channels, shuffled between 2 groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.mixed = nn.Conv2d(8, 6, 1)
        self.linear = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.stem(images)
        num, channels, height, width = features.shape
        features = features.view(num, 2, channels // 2, height, width).transpose(1, 2).reshape(features.shape)
        return self.linear(self.mixed(features).mean((2, 3)))


class HardCoded(nn.Module):
    """A flatten whose size is written into the code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 4, 3, stride=2, padding=1)
        self.linear = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.conv2(F.relu(self.conv1(images))).view(-1, 16))


class LambdaShortcut(nn.Module):
    """An option-A shortcut as everybody writes it: the zero channels are a number in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.conv = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.shortcut = lambda images: F.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))
        self.linear = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        stream = self.stem(images)
        return self.linear((self.conv(stream) + self.shortcut(stream)).mean((2, 3)))


class AuxHead(nn.Module):
    """A head that answers in train mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.aux = nn.Linear(8, 10)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Answer logits."""
        features = F.relu(self.conv(images)).mean((2, 3))
        return (self.linear(features), self.aux(features)) if self.training else self.linear(features)


class OneFilter(nn.Module):
    """8 channels, then one, then 6: the middle convolution has a single filter over all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.one = nn.Conv2d(8, 1, 3, padding=1)
        self.conv2 = nn.Conv2d(1, 6, 3, padding=1)
        self.linear = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(F.relu(self.conv2(self.one(F.relu(self.conv1(images))))).mean((2, 3)))


class Sorted(nn.Module):
    """An operation nobody wrote a rule for, over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 1)
        self.conv2 = nn.Conv2d(8, 8, 1)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.conv2(self.conv1(images)).mean((2, 3)).sort(dim=1).values)


class Shared(nn.Module):
    """One convolution used twice: its input and output channels are one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(self.twice(F.relu(self.twice(self.stem(images)))).mean((2, 3)))


class Norms(nn.Module):
    """Group norm, a functional layer norm with a bare parameter, a transposed convolution, PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.norm = nn.GroupNorm(4, 16)
        self.second = nn.Conv2d(16, 12, 3)
        self.scale = nn.Parameter(torch.ones(12))
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.slope = nn.PReLU(8)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.second(F.relu(self.norm(self.first(images)))).permute(0, 2, 3, 1)
        features = F.layer_norm(features, self.scale.shape, self.scale).permute(0, 3, 1, 2)
        return self.linear(self.slope(self.up(features)).mean((2, 3)))


class BareNorms(nn.Module):
    """Norms over channels that have no scale by which one could recognise them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.norm = nn.GroupNorm(4, 16, affine=False)
        self.second = nn.Conv2d(16, 12, 3)
        self.linear = nn.Linear(12, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        features = self.second(F.relu(self.norm(self.first(images)))).mean((2, 3))
        return self.linear(F.layer_norm(features, features.shape[-1:]))


class Mixer(nn.Module):
    """A linear layer over the four patches, the same for each of 8 channels, and one over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.mix = nn.Linear(4, 4)
        self.up = nn.Linear(8, 6)
        self.linear = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(F.relu(self.up(self.mix(self.embed(images).flatten(2)).transpose(1, 2))).mean(1))


class Tokens(nn.Module):
    """A tiny vision transformer: class token, positions, attention, two layers in the residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        patches = self.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), patches], dim=1) + self.positions
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        tokens = tokens + self.down(F.gelu(self.up(tokens)))
        return self.linear(tokens[:, 0])
