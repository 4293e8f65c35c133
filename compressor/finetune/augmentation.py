"""What becomes of each training image in one epoch, batched where the images are.

Every choice belongs to the image, the seed and the epoch: an image becomes the same whatever batch it is in.

Legend: N images in the set, n in a batch, C channels, H x W pixels.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.finetune.operations import Operation, augmix, trivial_augment
from compressor.finetune.randomness import Draws, Noise, draw_augmentation, padding_of
from compressor.finetune.recipe import Recipe

WIDTH, DEPTH = 3, 3
"""Chains of AugMix, and most operations in each."""
ASPECT = 4 / 3
"""A random part is at most so much wider than high, or higher than wide, than the image."""


class Augmentation:
    """How the images of one epoch are augmented.

    Source: shift and mirror as in He et al., arXiv 1512.03385; a random part as in Szegedy et al., arXiv 1409.4842;
    TrivialAugment, arXiv 2103.10158; AugMix without its consistency loss, arXiv 1912.02781; Gaussian noise of a random
    strength as in Lopes et al., arXiv 1906.02611.
    """

    def __init__(self, recipe: Recipe, *, num_images: int, shape: tuple[int, int, int], epoch: int) -> None:
        """Draw what is drawn for the whole set.

        Args:
            recipe: resolved.
            num_images: N.
            shape: (C, H, W).
            epoch: from 0.
        """
        _, height, width = shape
        self.recipe = recipe
        self.epoch = epoch
        self.draws: Draws | None = None
        if recipe.augment not in ("none", "resized-crop"):
            self.draws = draw_augmentation(
                num_images,
                padding=padding_of(height, width),
                augment="crop-flip" if recipe.mirror else "crop",
                seed=recipe.seed,
                epoch=epoch,
            )
        self._space: Mapping[str, Operation] = {}
        if recipe.augment == "trivial-augment":
            self._space = trivial_augment()
        elif recipe.augment == "augmix":
            self._space = augmix(height, width)

    def __call__(self, raw: Tensor, indices: Tensor) -> Tensor:
        """Return augmented images in [0, 1]: (n, C, H, W) float32.

        Args:
            raw: (n, C, H, W) uint8 on any device.
            indices: (n,) int64 on the CPU, their places in the set.
        """
        device = raw.device
        if self.draws is not None:
            down, right, mirrored = (
                part[indices].to(device) for part in (self.draws.down, self.draws.right, self.draws.mirrored)
            )
            raw = shift_and_mirror(raw, down=down, right=right, mirrored=mirrored, padding=self.draws.padding)
        noise = Noise.of(self.recipe.augment, self.recipe.seed, self.epoch, indices=indices)
        match self.recipe.augment:
            case "resized-crop":
                return self._enlarge(raw, noise.uniform(5))
            case "trivial-augment":
                return as_floats(transformed(raw, self._space, noise.uniform(3)))
            case "augmix":
                return self._mix_chains(raw, noise.uniform(2 * WIDTH + 1 + 3 * WIDTH * DEPTH))
            case "noise":
                images = as_floats(raw)
                sigmas = _column(noise.uniform() * self.recipe.noise_sigma, raw)
                grains = Noise(seeds=noise.seeds.to(device)).normal(*images.shape[1:], stream=1)
                return images.add_(grains * sigmas).clamp_(0.0, 1.0)
        return as_floats(raw)

    def _enlarge(self, raw: Tensor, drawn: Tensor) -> Tensor:
        """Cut out a random part of each image, mirror it or not, and enlarge it to the whole size.

        Args:
            raw: (n, C, H, W) uint8.
            drawn: (n, 5) float32 in [0, 1): area, aspect, place across and down, mirrored.
        """
        share, bend, across, down, flip = drawn.to(raw.device).unbind(1)
        area = self.recipe.smallest_crop + share * (1 - self.recipe.smallest_crop)
        aspect = torch.pow(ASPECT, 2 * bend - 1)
        width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        sign = torch.where(flip < 0.5, -1.0, 1.0) if self.recipe.mirror else torch.ones_like(width)
        zero = torch.zeros_like(width)
        left, top = (2 * across - 1) * (1 - width), (2 * down - 1) * (1 - height)
        matrix = torch.stack([width * sign, zero, left, zero, height, top], dim=1).reshape(-1, 2, 3)
        grid = F.affine_grid(matrix, list(raw.shape), align_corners=False)
        return F.grid_sample(as_floats(raw), grid, padding_mode="border", align_corners=False).clamp_(0.0, 1.0)

    def _mix_chains(self, raw: Tensor, drawn: Tensor) -> Tensor:
        """Blend each image with a mixture of three chains of up to three operations.

        Args:
            raw: (n, C, H, W) uint8.
            drawn: (n, 7 + 27) float32 in [0, 1): weights, depths, how much, and three for each operation.
        """
        weights = -torch.log1p(-drawn[:, :WIDTH])  # exponential: normalised, they are uniform on the simplex
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)
        depths = (drawn[:, WIDTH : 2 * WIDTH] * DEPTH).long() + 1
        augmented = drawn[:, 2 * WIDTH]
        choices = drawn[:, 2 * WIDTH + 1 :].reshape(-1, WIDTH, DEPTH, 3)
        mixed = as_floats(raw) * _column(1 - augmented, raw)
        for chain in range(WIDTH):
            result = raw
            for place in range(DEPTH):
                rows = (depths[:, chain] > place).nonzero()[:, 0]
                where = rows.to(raw.device)
                changed = transformed(result[where], self._space, choices[rows, chain, place])
                result = result.index_copy(0, where, changed)
            mixed += as_floats(result) * _column(augmented * weights[:, chain], raw)
        return mixed.clamp_(0.0, 1.0)


def as_floats(raw: Tensor) -> Tensor:
    """Return bytes as numbers in [0, 1], channels last in memory."""
    return raw.to(torch.float32, memory_format=torch.channels_last).div_(255.0)


def transformed(raw: Tensor, space: Mapping[str, Operation], drawn: Tensor) -> Tensor:
    """Do one operation to each image.

    Args:
        raw: (n, C, H, W) uint8, on any device.
        space: what may be done.
        drawn: (n, 3) float32 in [0, 1) on the CPU: which operation, how strong, which sign.
    """
    operations: Sequence[Operation] = list(space.values())
    which = (drawn[:, 0] * len(operations)).long()
    result = raw.clone()
    for number, operation in enumerate(operations):
        rows = (which == number).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        levels = (drawn[rows, 1] * len(operation.magnitudes)).long()
        magnitudes = torch.tensor(operation.magnitudes)[levels]
        if operation.signed:
            magnitudes = torch.where(drawn[rows, 2] < 0.5, -magnitudes, magnitudes)
        where = rows.to(raw.device)
        result.index_copy_(0, where, operation.apply(raw[where], magnitudes.to(raw.device)))
    return result


def shift_and_mirror(images: Tensor, *, down: Tensor, right: Tensor, mirrored: Tensor, padding: int) -> Tensor:
    """Crop each image at its own place of its black-padded self, mirrored or not, in one gather.

    Args:
        images: (n, C, H, W), any dtype.
        down: (n,) int64 in [0, 2 * padding], the first row.
        right: (n,) int64 in [0, 2 * padding], the first column.
        mirrored: (n,) bool, left and right swapped after cropping.
        padding: pixels.

    Returns:
        (n, C, H, W), the same dtype, channels last in memory.
    """
    num, _, height, width = images.shape
    padded = F.pad(images, (padding, padding, padding, padding)).permute(0, 2, 3, 1)
    ascending = torch.arange(width, device=images.device)
    columns = torch.where(mirrored[:, None], width - 1 - ascending, ascending) + right[:, None]
    rows = torch.arange(height, device=images.device) + down[:, None]
    which = torch.arange(num, device=images.device)
    return padded[which[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _column(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device, torch.float32)[:, None, None, None]
