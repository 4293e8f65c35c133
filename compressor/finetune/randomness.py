"""Every random number of training, as a pure function of the seed and of where training stands.

Nothing here has a state that could be lost: training that is taken up again after any step draws the same numbers.
Order, augmentation and the start of the inner attack belong to the image and the epoch, not to the step, the company
or the process in which it is handled.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.finetune.recipe import Augment


def seed_of(*parts: int | str) -> int:
    """Return a digest of `parts` as a seed, 56 bits: other parts, an unrelated seed."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:7], "big")


def generator(*parts: int | str, device: torch.device | None = None) -> torch.Generator:
    """Return a generator seeded by a digest of `parts`: other parts, unrelated numbers."""
    seeded = torch.Generator(device=device or torch.device("cpu"))
    seeded.manual_seed(seed_of(*parts))
    return seeded


def order(num_images: int, *, seed: int, epoch: int) -> Tensor:
    """Return the order of the images in this epoch: (N,) int64, a permutation."""
    return torch.randperm(num_images, generator=generator("order", seed, epoch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How each image of the training set is augmented in one epoch; in the order of the set."""

    down: Tensor
    """(N,) int64: first row of the crop in the padded image, 0 to twice the padding."""
    right: Tensor
    """(N,) int64: its first column."""
    mirrored: Tensor
    """(N,) bool."""
    padding: int
    """Pixels of black around each image."""


def padding_of(height: int, width: int) -> int:
    """Return an eighth of the shorter side, at least 1: 4 at 32 x 32, 1 at 8 x 8."""
    return max(1, round(min(height, width) / 8))


def draw_augmentation(num_images: int, *, padding: int, augment: Augment, seed: int, epoch: int) -> Draws | None:
    """Draw for all images at once; None where images stay as they are."""
    if augment == "none":
        return None
    source = generator("augment", seed, epoch)
    down, right = torch.randint(0, 2 * padding + 1, (2, num_images), generator=source)
    mirrored = torch.rand(num_images, generator=source) < (0.5 if augment == "crop-flip" else 0.0)
    return Draws(down=down, right=right, mirrored=mirrored, padding=padding)


GOLDEN, FIRST, SECOND = (value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""The constants of SplitMix64, as signed 64-bit numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Random numbers of some images: an image draws the same ones in whatever batch it stands.

    Source: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014), as a function of
    seed and place, so that a whole batch is drawn at once, to the same bits on every device.
    """

    seeds: Tensor
    """(n,) int64, one of each image."""

    @classmethod
    def of(cls, *parts: int | str, indices: Tensor) -> "Noise":
        """Return the noise of the images at `indices` (n,) int64, for what `parts` name; on the device of `indices`."""
        return cls(seeds=_mixed(_mixed(indices + 1) + seed_of(*parts)))

    def __getitem__(self, which: slice) -> "Noise":
        """Return the noise of some of the images."""
        return Noise(seeds=self.seeds[which])

    def uniform(self, *shape: int, stream: int = 0) -> Tensor:
        """Return numbers in [0, 1): (n, *shape) float32, another independent set for each stream."""
        places = torch.arange(1, math.prod(shape) + 1, device=self.seeds.device)
        bits = _mixed(_mixed(self.seeds + stream)[:, None] + places * GOLDEN)
        drawn: Tensor = _shifted(bits, 40).to(torch.float32) / 2**24
        return drawn.reshape(-1, *shape)

    def normal(self, *shape: int, stream: int = 0) -> Tensor:
        """Return standard normal numbers (Box and Muller, 1958): (n, *shape) float32. Takes two streams."""
        length = (-2 * (1 - self.uniform(*shape, stream=stream)).log()).sqrt()
        return length * (2 * math.pi * self.uniform(*shape, stream=stream + 1)).cos()


def _mixed(bits: Tensor) -> Tensor:
    """Return the output of SplitMix64 for a state: every bit depends on all of them."""
    bits = (bits ^ _shifted(bits, 30)) * FIRST
    bits = (bits ^ _shifted(bits, 27)) * SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shift to the right and fill up with zeros; torch fills up with the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
