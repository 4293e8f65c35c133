"""The operations of TrivialAugment and AugMix on many images at once, each image with a magnitude of its own.

Images are bytes on any device. What the operations are, and how strong, is torchvision's (`transforms.v2`, the classes
`TrivialAugmentWide` and `AugMix`); those take one magnitude for a whole batch, which would tie images to their company.

Legend: n images, C channels, H x W pixels.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

Apply = Callable[[Tensor, Tensor], Tensor]
"""(n, C, H, W) uint8 and magnitudes (n,) float32 to (n, C, H, W) uint8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of an augmentation and how strong it may be."""

    apply: Apply
    """What it does."""
    magnitudes: tuple[float, ...] = (0.0,)
    """The choices, from weak to strong."""
    signed: bool = False
    """Whether half of the magnitudes are negated."""


def trivial_augment() -> Mapping[str, Operation]:
    """Return the wide space of TrivialAugment (Mueller, Hutter, arXiv 2103.10158)."""
    bends = {"shear-x": shear_x, "shear-y": shear_y}
    moves = {"translate-x": translate_x, "translate-y": translate_y}
    colours = {"brightness": brightness, "colour": colour, "contrast": contrast, "sharpness": sharpness}
    return {
        "identity": Operation(apply=lambda images, _: images),
        **{name: Operation(apply=apply, magnitudes=_steps(0.99), signed=True) for name, apply in bends.items()},
        **{name: Operation(apply=apply, magnitudes=_steps(32.0), signed=True) for name, apply in moves.items()},
        "rotate": Operation(apply=rotate, magnitudes=_steps(135.0), signed=True),
        **{name: Operation(apply=apply, magnitudes=_steps(0.99), signed=True) for name, apply in colours.items()},
        "posterize": Operation(apply=posterize, magnitudes=tuple(float(round(8 - step / 5)) for step in range(31))),
        "solarize": Operation(apply=solarize, magnitudes=tuple(1 - step / 30 for step in range(31))),
        "auto-contrast": Operation(apply=auto_contrast),
        "equalize": Operation(apply=equalize),
    }


def augmix(height: int, width: int) -> Mapping[str, Operation]:
    """Return the operations of AugMix (Hendrycks et al., arXiv 1912.02781) at its severity 3.

    Those that resemble a test corruption (brightness, contrast, colour, sharpness) are left out, as in the paper.
    """
    return {
        "shear-x": Operation(apply=shear_x, magnitudes=_weak(0.3), signed=True),
        "shear-y": Operation(apply=shear_y, magnitudes=_weak(0.3), signed=True),
        "translate-x": Operation(apply=translate_x, magnitudes=_weak(width / 3), signed=True),
        "translate-y": Operation(apply=translate_y, magnitudes=_weak(height / 3), signed=True),
        "rotate": Operation(apply=rotate, magnitudes=_weak(30.0), signed=True),
        "posterize": Operation(apply=posterize, magnitudes=(4.0, 4.0, 3.0)),
        "solarize": Operation(apply=solarize, magnitudes=(1.0, 8 / 9, 7 / 9)),
        "auto-contrast": Operation(apply=auto_contrast),
        "equalize": Operation(apply=equalize),
    }


def _steps(most: float) -> tuple[float, ...]:
    """Return 31 steps from nothing to `most`."""
    return tuple(most * step / 30 for step in range(31))


def _weak(most: float) -> tuple[float, ...]:
    """Return the three weakest of ten steps from nothing to `most`."""
    return tuple(most * step / 9 for step in range(3))


def shear_x(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Move each row by its distance from the top."""
    one, zero = torch.ones_like(magnitudes), torch.zeros_like(magnitudes)
    offset = magnitudes * images.shape[2] / 2
    return _moved(images, [one, magnitudes, offset, zero, one, zero])


def shear_y(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Move each column by its distance from the left."""
    one, zero = torch.ones_like(magnitudes), torch.zeros_like(magnitudes)
    offset = magnitudes * images.shape[3] / 2
    return _moved(images, [one, zero, zero, magnitudes, one, offset])


def translate_x(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Move to the right by whole pixels."""
    one, zero = torch.ones_like(magnitudes), torch.zeros_like(magnitudes)
    return _moved(images, [one, zero, -magnitudes.trunc(), zero, one, zero])


def translate_y(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Move down by whole pixels."""
    one, zero = torch.ones_like(magnitudes), torch.zeros_like(magnitudes)
    return _moved(images, [one, zero, zero, zero, one, -magnitudes.trunc()])


def rotate(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Turn about the centre, counter-clockwise, by degrees."""
    angles = magnitudes * (math.pi / 180)
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    return _moved(images, [cosine, -sine, zero, sine, cosine, zero])


def brightness(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Blend with black, or away from it."""
    return _blended(images, torch.zeros_like(images), magnitudes)


def colour(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Blend with its greys, or away from them."""
    return _blended(images, functional.adjust_saturation(images, 0.0), magnitudes)


def contrast(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Blend with its mean grey, or away from it."""
    return _blended(images, functional.adjust_contrast(images, 0.0), magnitudes)


def sharpness(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Blend with its blurred self, or away from it."""
    return _blended(images, functional.adjust_sharpness(images, 0.0), magnitudes)


def posterize(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Keep so many of the upper bits."""
    masks = torch.tensor([0, 128, 192, 224, 240, 248, 252, 254, 255], dtype=torch.uint8, device=images.device)
    return images & masks[magnitudes.long()][:, None, None, None]


def solarize(images: Tensor, magnitudes: Tensor) -> Tensor:
    """Invert what is at least as light as a share of white."""
    return torch.where(images >= 255 * magnitudes[:, None, None, None], 255 - images, images)


def auto_contrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretch each channel from black to white."""
    stretched: Tensor = functional.autocontrast(images)
    return stretched


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Give each channel all levels equally often."""
    levelled: Tensor = functional.equalize(images)
    return levelled


def _blended(images: Tensor, other: Tensor, magnitudes: Tensor) -> Tensor:
    factors = (1 + magnitudes)[:, None, None, None]
    return (other + factors * (images.float() - other)).clamp_(0, 255).to(torch.uint8)


def _moved(images: Tensor, matrix: list[Tensor]) -> Tensor:
    """Take each pixel from the nearest place that an affine map of its own leads to, from the centre; black outside.

    Args:
        images: (n, C, H, W) uint8.
        matrix: a, b, c, d, e, f, each (n,) float32: source x = a x + b y + c, source y = d x + e y + f.
    """
    num, _, height, width = images.shape
    a, b, c, d, e, f = (value[:, None, None] for value in matrix)
    across = torch.arange(width, device=images.device) - (width - 1) / 2
    down = (torch.arange(height, device=images.device) - (height - 1) / 2)[:, None]
    columns = (a * across + b * down + c + (width - 1) / 2).round().long()
    rows = (d * across + e * down + f + (height - 1) / 2).round().long()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    which = torch.arange(num, device=images.device)[:, None, None]
    found = images.permute(0, 2, 3, 1)[which, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return (found * inside[..., None]).permute(0, 3, 1, 2)
