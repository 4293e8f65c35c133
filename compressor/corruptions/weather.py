"""Weather: snow and fog. Frost needs photographs of frost, which this tool does not hold.

Source: Hendrycks and Dietterich, arXiv 1903.12261, and the scripts that made CIFAR-10-C and ImageNet-C. Between its
steps the published snow is rounded to 8 bits; here it is not.
"""

import torch
from torch import Tensor

from compressor.corruptions.blur import smeared
from compressor.corruptions.pixels import between, magnified

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to how bright a pixel is; ITU-R BT.601."""

FIRST_WIBBLE = 100.0
"""Amplitude of the largest bumps of the fog, before it is scaled to [0, 1]."""


def snow(
    image: Tensor,
    generator: torch.Generator,
    *,
    mean: float,
    spread: float,
    flake: float,
    threshold: float,
    radius: float,
    sigma: float,
    keep: float,
) -> Tensor:
    """Whiten the image, and let flakes fall over it in two directions.

    Args:
        image: (C, H, W) float64, C 1 or 3.
        generator: of the flakes.
        mean: of the normal numbers that flakes are cut from.
        spread: of those numbers.
        flake: size of a flake in pixels, at least 1.
        threshold: what is below is no flake.
        radius: how far flakes are smeared, in pixels.
        sigma: how the smear fades, in pixels.
        keep: share of the image's own colours.
    """
    layer = mean + spread * torch.randn((1, *image.shape[1:]), generator=generator, dtype=torch.float64)
    layer = magnified(layer, flake)
    layer = torch.where(layer < threshold, 0.0, layer).clamp(0, 1)
    layer = smeared(layer, radius, sigma, between(-135, -45, generator))
    pale = keep * image + (1 - keep) * torch.maximum(image, grey(image) * 1.5 + 0.5)
    return pale + layer + layer.flip((1, 2))


def grey(image: Tensor) -> Tensor:
    """Return how bright each pixel is: (1, H, W), from one or three channels."""
    if len(image) == 1:
        return image
    return (image * torch.tensor(LUMA, dtype=image.dtype)[:, None, None]).sum(0, keepdim=True)


def fog(image: Tensor, generator: torch.Generator, *, strength: float, decay: float) -> Tensor:
    """Lay a cloud over the image, and scale it so that what was brightest stays as bright."""
    height, width = image.shape[-2:]
    cloud = plasma(max(height, width), decay, generator)[:height, :width]
    brightest = image.max()
    return (image + strength * cloud) * brightest / (brightest + strength)


def plasma(least: int, decay: float, generator: torch.Generator) -> Tensor:
    """Return a cloud in [0, 1] by the diamond-square algorithm on a torus: (size, size), a power of two.

    Args:
        least: its side is the next power of two.
        decay: each octave's amplitude is that of the one before over `decay`, squared.
        generator: of the bumps.
    """
    size = max(2, 1 << (least - 1).bit_length())
    cloud = torch.zeros((size, size), dtype=torch.float64)
    stride, wibble = size, FIRST_WIBBLE

    def bumped(total: Tensor) -> Tensor:
        bumps = 2 * torch.rand(total.shape, generator=generator, dtype=torch.float64) - 1
        return total / 4 + wibble * wibble * bumps

    while stride >= 2:
        half = stride // 2
        corners = cloud[::stride, ::stride]
        pairs = corners + corners.roll(-1, 0)
        cloud[half::stride, half::stride] = bumped(pairs + pairs.roll(-1, 1))
        middles = cloud[half::stride, half::stride]
        beside = corners + corners.roll(-1, 1)
        cloud[::stride, half::stride] = bumped(middles + middles.roll(1, 0) + beside)
        above = corners + corners.roll(-1, 0)
        cloud[half::stride, ::stride] = bumped(middles + middles.roll(1, 1) + above)
        stride, wibble = half, wibble / decay
    cloud = cloud - cloud.min()
    return cloud / cloud.max()
