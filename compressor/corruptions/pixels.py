"""What the corruptions are built of: borders, filters, resampling, and how a picture is stored.

Legend: (C, H, W) one image, float64 in [0, 1]. One image at a time, so that no value depends on its company.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Border = Callable[[Tensor, int], Tensor]
"""Integer places, some outside of [0, size), and the size: the places inside that stand for them."""

SLACK = 1e-3
"""Of a level of 255: what rounding may have taken from a value that stands exactly on a level."""


def clamped(places: Tensor, size: int) -> Tensor:
    """Repeat the edge: a a | a b c | c c."""
    return places.clamp(0, size - 1)


def mirrored(places: Tensor, size: int) -> Tensor:
    """Mirror at the middle of the edge pixel: c b | a b c | b a."""
    period = max(1, 2 * (size - 1))
    places = places % period
    return torch.minimum(places, period - places)


def doubled(places: Tensor, size: int) -> Tensor:
    """Mirror at the edge itself: b a | a b c | c b."""
    places = places % (2 * size)
    return torch.minimum(places, 2 * size - 1 - places)


def stored(image: Tensor) -> Tensor:
    """Return a picture as 8 bits hold it, cut off and not rounded, as the published sets are: float32 in [0, 1]."""
    levels = torch.floor(image.clamp(0, 1) * 255 + SLACK).to(torch.uint8)
    return levels.to(torch.float32).div_(255)


def filtered(image: Tensor, kernel: Tensor, border: Border = clamped) -> Tensor:
    """Return each pixel's neighbours weighted by `kernel` (odd, odd), each channel for itself."""
    height, width = image.shape[-2:]
    down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
    rows = border(torch.arange(-down, height + down), height)
    columns = border(torch.arange(-right, width + right), width)
    padded = image[:, rows][:, :, columns]
    size = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel, s=size).conj()
    found: Tensor = torch.fft.irfft2(spectrum, s=size)[:, :height, :width]
    return found


def bell(sigma: float, reach: int) -> Tensor:
    """Return the weights of a Gaussian at -reach to reach; they sum to 1."""
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    return weights / weights.sum()


def smoothed(image: Tensor, sigma: float, *, truncate: float = 4.0, border: Border = clamped) -> Tensor:
    """Return the image under a Gaussian filter that ends at `truncate` sigmas; one narrower than a pixel does nothing.

    Args:
        image: (C, H, W) float64.
        sigma: in pixels, not negative.
        truncate: where the filter ends, in sigmas.
        border: what lies outside of the image.
    """
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return image
    weights = bell(sigma, reach)
    return _band(image.shape[-2], weights, border) @ image @ _band(image.shape[-1], weights, border).T


def _band(size: int, weights: Tensor, border: Border) -> Tensor:
    """Return the matrix (size, size) that gives each place the weighted sum of its neighbours."""
    reach = len(weights) // 2
    places = border(torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)[None, :], size)
    return torch.zeros((size, size), dtype=weights.dtype).scatter_add_(1, places, weights.expand(size, -1))


def sampled(images: Tensor, rows: Tensor, columns: Tensor, border: Border | None) -> Tensor:
    """Return what lies at fractional places, bilinearly.

    Args:
        images: (..., H, W).
        rows: (h, w) places from top to bottom, 0 is the middle of the first row.
        columns: (h, w) places from left to right.
        border: what lies outside of the image; None: black.

    Returns:
        (..., h, w).
    """
    height, width = images.shape[-2:]
    top, left = rows.floor(), columns.floor()
    found = torch.zeros((*images.shape[:-2], *rows.shape), dtype=images.dtype)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (rows - top - down).abs()) * (1 - (columns - left - right).abs())
            row, column = (top + down).long(), (left + right).long()
            if border is None:
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                weight = torch.where(inside, weight, 0.0)
            fold = border or clamped
            found = found + images[..., fold(row, height), fold(column, width)] * weight.to(images.dtype)
    return found


def magnified(image: Tensor, factor: float) -> Tensor:
    """Return the middle of the image, magnified to its whole size: (C, H, W).

    The corners of what is cut out fall on the corners of what it becomes, as in `scipy.ndimage.zoom`.
    """
    height, width = image.shape[-2:]
    cut = [-int(-size // factor) for size in (height, width)]
    top, left = (height - cut[0]) // 2, (width - cut[1]) // 2
    inner = image[:, top : top + cut[0], left : left + cut[1]]
    size = [max(whole, round(part * factor)) for part, whole in zip(cut, (height, width), strict=True)]
    large = F.interpolate(inner[None], size=size, mode="bilinear", align_corners=True)[0]
    top, left = (large.shape[-2] - height) // 2, (large.shape[-1] - width) // 2
    return large[:, top : top + height, left : left + width]


def between(low: float, high: float, generator: torch.Generator) -> float:
    """Draw one number."""
    return low + (high - low) * float(torch.rand(1, generator=generator, dtype=torch.float64))
