"""Every random number of training, as a pure function of the seed and of where training stands.

Nothing here has a state that could be lost: training that is taken up again after any step draws the same numbers.
Order and augmentation belong to the image and the epoch, not to the step or the process that handles it.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.finetune.recipe import Augment


def generator(*parts: int | str, device: torch.device | None = None) -> torch.Generator:
    """Return a generator seeded by a digest of `parts`: other parts, unrelated numbers."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    seeded = torch.Generator(device=device or torch.device("cpu"))
    seeded.manual_seed(int.from_bytes(digest[:7], "big"))
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
