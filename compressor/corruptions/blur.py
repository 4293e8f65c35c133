"""Blur: out of focus, behind frosted glass, in motion, zooming.

Source: Hendrycks and Dietterich, arXiv 1903.12261, and the scripts that made CIFAR-10-C and ImageNet-C.
"""

import math

import numpy as np
import torch
from torch import Tensor

from compressor.corruptions.pixels import SLACK, bell, between, clamped, filtered, magnified, mirrored, smoothed

LARGE_RADIUS = 8
"""Up to this the edge of the disk is smoothed over 3 pixels, above over 5."""


def defocus_blur(image: Tensor, _: torch.Generator, *, radius: float, edge: float) -> Tensor:
    """Spread each point over a disk whose edge is smoothed, as a lens out of focus does."""
    return filtered(image, disk(radius, edge), mirrored)


def disk(radius: float, edge: float) -> Tensor:
    """Return a filled disk as a kernel (odd, odd) that sums to 1.

    Args:
        radius: in pixels.
        edge: sigma of the Gaussian that smooths it, in pixels.
    """
    soft = 1 if radius <= LARGE_RADIUS else 2
    reach = math.ceil(radius) + soft
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    inside = (places[:, None] ** 2 + places[None, :] ** 2 <= radius**2).to(torch.float64)
    weights = bell(edge, soft)
    return filtered((inside / inside.sum())[None], weights[:, None] * weights[None, :])[0]


def glass_blur(image: Tensor, generator: torch.Generator, *, sigma: float, reach: int, num_rounds: int) -> Tensor:
    """Smooth, let pixels take the place of near ones, and smooth again.

    In the published script the swap of two pixels is a copy, because its two sides are views of one array; so it is
    here.
    """
    image = torch.floor(smoothed(image, sigma).clamp(0, 1) * 255 + SLACK) / 255
    height, width = image.shape[-2:]
    rows = torch.arange(height - reach, reach, -1)
    columns = torch.arange(width - reach, reach, -1)
    places = rows[:, None] * width + columns[None, :]
    source = list(range(height * width))
    for _ in range(num_rounds):
        steps = torch.randint(-reach, reach, (2, *places.shape), generator=generator)
        near = places + steps[0] * width + steps[1]
        for place, taken in zip(places.flatten().tolist(), near.flatten().tolist(), strict=True):
            source[place] = source[taken]
    moved = image.flatten(1)[:, torch.tensor(source)].reshape(image.shape)
    return smoothed(moved, sigma)


def motion_blur(image: Tensor, generator: torch.Generator, *, radius: float, sigma: float) -> Tensor:
    """Smear the image along a line within 45 degrees of the horizontal, fading out with `sigma`."""
    return smeared(image, radius, sigma, between(-45, 45, generator))


def smeared(image: Tensor, radius: float, sigma: float, degrees: float) -> Tensor:
    """Return each pixel averaged with those behind it along a line, weighted by half a Gaussian.

    Args:
        image: (C, H, W) float64.
        radius: of the filter in pixels; it is 2 x radius + 1 long.
        sigma: of the Gaussian, in pixels.
        degrees: of the line, from the horizontal downward.

    Source: the operation of the same name in ImageMagick.
    """
    length = 2 * math.ceil(radius) + 1
    weights = bell(sigma, length - 1)[length - 1 :]
    weights = weights / weights.sum()
    height, width = image.shape[-2:]
    down, right = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    found = torch.zeros_like(image)
    for number, weight in enumerate(weights.tolist()):
        rows = clamped(torch.arange(height) + math.ceil(number * down - 0.5), height)
        columns = clamped(torch.arange(width) + math.ceil(number * right - 0.5), width)
        found = found + weight * image[:, rows][:, :, columns]
    return found


def zoom_blur(image: Tensor, _: torch.Generator, *, end: float, step: float) -> Tensor:
    """Average the image with itself magnified by 1 up to `end`, as when a camera moves towards it."""
    factors = np.arange(1, end, step).tolist()
    return (image + sum(magnified(image, factor) for factor in factors)) / (len(factors) + 1)
