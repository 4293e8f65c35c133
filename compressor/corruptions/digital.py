"""What processing does: brightness, contrast, elastic stretching, coarse pixels, JPEG.

Source: Hendrycks and Dietterich, arXiv 1903.12261, and the scripts that made CIFAR-10-C and ImageNet-C.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from compressor.corruptions.pixels import doubled, mirrored, sampled, smoothed


def brightness(image: Tensor, _: torch.Generator, *, amount: float) -> Tensor:
    """Raise the value of each pixel's colour; hue and saturation stay. Black becomes grey."""
    value = image.amax(0, keepdim=True)
    raised = (value + amount).clamp(0, 1)
    return torch.where(value > 0, image * (raised / value.clamp_min(1e-12)), raised)


def contrast(image: Tensor, _: torch.Generator, *, share: float) -> Tensor:
    """Draw each value towards the mean of its channel, so that `share` of the distance is left."""
    means = image.mean((1, 2), keepdim=True)
    return (image - means) * share + means


def elastic_transform(
    image: Tensor, generator: torch.Generator, *, strength: float, sigma: float, jitter: float
) -> Tensor:
    """Shear the image a little as a whole, and stretch it smoothly from place to place.

    Args:
        image: (C, H, W) float64, sides of at least 3.
        generator: of both.
        strength: of the stretching before it is smoothed, in pixels.
        sigma: how smooth it is, in pixels.
        jitter: how far three points are moved that carry the whole image along, in pixels.
    """
    height, width = image.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    middle, third = torch.tensor([width // 2, height // 2], dtype=torch.float64), min(height, width) // 3
    points = middle + third * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    moved = points + jitter * (2 * torch.rand((3, 2), generator=generator, dtype=torch.float64) - 1)
    back = torch.linalg.solve(torch.cat([moved, torch.ones(3, 1, dtype=torch.float64)], 1), points)
    across = columns * back[0, 0] + rows * back[1, 0] + back[2, 0]
    down = columns * back[0, 1] + rows * back[1, 1] + back[2, 1]
    image = sampled(image, down, across, mirrored)
    noise = 2 * torch.rand((2, height, width), generator=generator, dtype=torch.float64) - 1
    shift = strength * smoothed(noise, sigma, truncate=3.0, border=doubled)
    return sampled(image, rows + shift[1], columns + shift[0], doubled)


def pixelate(image: Tensor, _: torch.Generator, *, share: float) -> Tensor:
    """Shrink the image to a share of its sides by averaging, and blow it up again without smoothing."""
    height, width = image.shape[-2:]
    down, across = boxes(height, int(height * share)), boxes(width, int(width * share))
    small = torch.round(down @ image @ across.T * 255) / 255
    return boxes(int(height * share), height) @ small @ boxes(int(width * share), width).T


def boxes(before: int, after: int) -> Tensor:
    """Return the matrix (after, before) that averages the pixels whose middles fall into each new pixel.

    Going up, where none or one does, each new pixel takes the one that its own middle falls into.
    """
    scale = before / after
    matrix = torch.zeros((after, before), dtype=torch.float64)
    for place in range(after):
        middle, support = (place + 0.5) * scale, max(scale, 1.0) / 2
        first = max(0, int(middle - support + 0.5))
        last = min(before, max(first + 1, int(middle + support + 0.5)))
        matrix[place, first:last] = 1 / (last - first)
    return matrix


def jpeg_compression(image: Tensor, _: torch.Generator, *, quality: int) -> Tensor:
    """Write the image as JPEG and read it back; colours at half the resolution, as most files have them."""
    levels = torch.round(image.clamp(0, 1) * 255).to(torch.uint8).numpy()
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    read = np.asarray(Image.open(content), dtype=np.float64) / 255
    return torch.from_numpy(read[None] if read.ndim == 2 else read.transpose(2, 0, 1).copy())
