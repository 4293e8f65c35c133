"""Shifts that keep the meaning, in the worst place: a covered part, a translation, a rotation. Adversaries over a grid.

Source: Engstrom et al., arXiv 1712.02779: rotations by up to 30 degrees, 31 of them, and a grid of translations, what
comes in from outside being black. Rotation and translation are tried apart here, and translations reach a little
farther (4 pixels of 32, not 3).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.corruptions.pixels import sampled
from compressor.types import Skipped

SMALLEST_SIDE = 8
"""Below this a translation by an eighth of the side is less than a pixel."""

PATCH_STEPS, SHIFT_STEPS = 17, 9
"""Places each way: at 32 pixels every place of the patch, and every translation."""
MOST_DEGREES = 30
NUM_ROTATIONS = 31
FILL = 0.0
"""Black."""

Position = tuple[float, ...]
"""(row, column) of a patch, (down, right) of a translation, or (degrees,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """One adversary over a grid: an image is right if it is right everywhere on it."""

    name: str
    """`occlusion`, `translation` or `rotation`."""
    settings: dict[str, str | int | float | bool]
    positions: tuple[Position, ...]

    def at(self, images: Tensor, position: Position) -> Tensor:
        """Return images (n, C, H, W) float32 in [0, 1] at one place of the grid."""
        if self.name == "occlusion":
            return occluded(images, int(position[0]), int(position[1]), int(self.settings["patch"]))
        if self.name == "translation":
            return translated(images, int(position[0]), int(position[1]))
        return rotated(images, position[0])


def worst_cases(shape: tuple[int, int, int]) -> tuple[tuple[WorstCase, ...], tuple[tuple[str, Skipped], ...]]:
    """Return the adversaries for images of (C, H, W), and the names of those that are undefined there, with why.

    At 32 pixels: a patch of 16 at every place (17 x 17), every translation by up to 4 pixels (9 x 9), and every second
    degree up to 30 (31). Elsewhere sizes scale with the shorter side, and the grids have at most as many places.
    """
    height, width = shape[1:]
    side = min(height, width)
    if side < SMALLEST_SIDE:
        why = Skipped(reason=f"it is defined from {SMALLEST_SIDE} pixels on, and the images have {side}")
        return (), tuple((name, why) for name in ("occlusion", "translation", "rotation"))
    patch, most = side // 2, side // 8
    rows, columns = _spread(0, height - patch, PATCH_STEPS), _spread(0, width - patch, PATCH_STEPS)
    shifts = _spread(-most, most, SHIFT_STEPS)
    angles = tuple((float(angle),) for angle in torch.linspace(-MOST_DEGREES, MOST_DEGREES, NUM_ROTATIONS).tolist())
    return (
        _grid(
            "occlusion",
            {"patch": patch, "fill": FILL, "stride": max(1.0, (side - patch) / (PATCH_STEPS - 1))},
            tuple((float(row), float(column)) for row in rows for column in columns),
        ),
        _grid(
            "translation",
            {"most_pixels": most, "fill": FILL, "stride": max(1.0, 2 * most / (SHIFT_STEPS - 1))},
            tuple((float(down), float(right)) for down in shifts for right in shifts),
        ),
        _grid(
            "rotation",
            {"most_degrees": MOST_DEGREES, "fill": FILL, "stride": 2 * MOST_DEGREES / (NUM_ROTATIONS - 1)},
            angles,
        ),
    ), ()


def occluded(images: Tensor, row: int, column: int, patch: int) -> Tensor:
    """Cover a square: (n, C, H, W) with `patch` x `patch` pixels black from (row, column) on."""
    images = images.clone()
    images[..., row : row + patch, column : column + patch] = FILL
    return images


def translated(images: Tensor, down: int, right: int) -> Tensor:
    """Move images (n, C, H, W) by whole pixels, fewer than they have; black comes in."""
    height, width = images.shape[-2:]
    moved = torch.full_like(images, FILL)
    moved[..., max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = images[
        ..., max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
    ]
    return moved


def rotated(images: Tensor, degrees: float) -> Tensor:
    """Turn images (n, C, H, W) about their middle, anticlockwise, bilinearly; black comes in."""
    height, width = images.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2,
        indexing="ij",
    )
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    down = cosine * rows + sine * columns + (height - 1) / 2
    across = cosine * columns - sine * rows + (width - 1) / 2
    return sampled(images, down, across, None).clamp(0, 1)


def _spread(first: int, last: int, num: int) -> list[int]:
    """Return up to `num` whole numbers from first to last, evenly."""
    return sorted({round(first + (last - first) * step / (num - 1)) for step in range(num)})


def _grid(name: str, settings: dict[str, str | int | float | bool], positions: tuple[Position, ...]) -> WorstCase:
    return WorstCase(name=name, settings={**settings, "num_positions": len(positions)}, positions=positions)
