"""The corruptions by the names of CIFAR-10-C and ImageNet-C, with the strength of each severity.

Below 64 pixels the constants are those of the script that made CIFAR-10-C (32 pixels), from 64 on those of ImageNet-C
(224 pixels); lengths among them scale with the shorter side. Images are stored in 8 bits, as the published ones are.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.corruptions import blur, digital, noise, weather
from compressor.corruptions.pixels import stored
from compressor.types import Skipped

Settings = dict[str, str | int | float | bool]

NUM_SEVERITIES = 5

FIRST_LARGE_SIDE = 64
CIFAR_SIDE, IMAGENET_SIDE = 32, 224

SMALLEST_SIDE = 8
"""Below this, lengths of the published sizes would come down to less than a quarter of themselves."""

FROST = "frost"

NO_FROST = (
    "it lays photographs of frost over the image, which this tool does not hold; it is among the published arrays "
    "(--corruptions-from)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One kind."""

    make: Callable[..., Tensor]
    """(image (C, H, W) float64, generator, **settings) -> the same shape, not yet in [0, 1]."""
    keys: tuple[str, ...]
    """Names of its settings."""
    cifar: tuple[tuple[float, ...], ...]
    """Their values at severities 1 to 5 for images of 32 pixels."""
    imagenet: tuple[tuple[float, ...], ...]
    """The same for images of 224 pixels."""
    lengths: frozenset[str] = frozenset()
    """Settings in pixels; they scale with the image."""
    held: frozenset[str] = frozenset()
    """Lengths that would do nothing below a pixel: they shrink to one, or to what was published, and no further."""
    whole: frozenset[str] = frozenset()
    """Settings that are whole numbers, at least 1."""
    any_channels: bool = True
    """No: it needs to know which channel is which colour."""
    smallest_side: int = SMALLEST_SIDE
    """1 for what knows no neighbours."""


def _shares(*values: float) -> tuple[tuple[float, ...], ...]:
    return tuple((value,) for value in values)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(
        make=noise.gaussian_noise,
        keys=("sigma",),
        cifar=_shares(0.04, 0.06, 0.08, 0.09, 0.10),
        imagenet=_shares(0.08, 0.12, 0.18, 0.26, 0.38),
        smallest_side=1,
    ),
    "shot_noise": Corruption(
        make=noise.shot_noise,
        keys=("rate",),
        cifar=_shares(500, 250, 100, 75, 50),
        imagenet=_shares(60, 25, 12, 5, 3),
        smallest_side=1,
    ),
    "impulse_noise": Corruption(
        make=noise.impulse_noise,
        keys=("share",),
        cifar=_shares(0.01, 0.02, 0.03, 0.05, 0.07),
        imagenet=_shares(0.03, 0.06, 0.09, 0.17, 0.27),
        smallest_side=1,
    ),
    "defocus_blur": Corruption(
        make=blur.defocus_blur,
        keys=("radius", "edge"),
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        lengths=frozenset({"radius", "edge"}),
        held=frozenset({"radius", "edge"}),
    ),
    "glass_blur": Corruption(
        make=blur.glass_blur,
        keys=("sigma", "reach", "num_rounds"),
        cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        lengths=frozenset({"sigma", "reach"}),
        whole=frozenset({"reach", "num_rounds"}),
    ),
    "motion_blur": Corruption(
        make=blur.motion_blur,
        keys=("radius", "sigma"),
        cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        lengths=frozenset({"radius", "sigma"}),
    ),
    "zoom_blur": Corruption(
        make=blur.zoom_blur,
        keys=("end", "step"),
        cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        smallest_side=16,  # where 1.06 times a side is a pixel more
    ),
    "snow": Corruption(
        make=weather.snow,
        keys=("mean", "spread", "flake", "threshold", "radius", "sigma", "keep"),
        cifar=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        imagenet=(
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        lengths=frozenset({"flake", "radius", "sigma"}),
        held=frozenset({"flake"}),
        any_channels=False,
    ),
    "fog": Corruption(
        make=weather.fog,
        keys=("strength", "decay"),
        cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": Corruption(
        make=digital.brightness,
        keys=("amount",),
        cifar=_shares(0.05, 0.1, 0.15, 0.2, 0.3),
        imagenet=_shares(0.1, 0.2, 0.3, 0.4, 0.5),
        any_channels=False,
        smallest_side=1,
    ),
    "contrast": Corruption(
        make=digital.contrast,
        keys=("share",),
        cifar=_shares(0.75, 0.5, 0.4, 0.3, 0.15),
        imagenet=_shares(0.4, 0.3, 0.2, 0.1, 0.05),
        smallest_side=1,
    ),
    "elastic_transform": Corruption(
        make=digital.elastic_transform,
        keys=("strength", "sigma", "jitter"),
        cifar=((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        imagenet=((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)),
        lengths=frozenset({"strength", "sigma", "jitter"}),
    ),
    "pixelate": Corruption(
        make=digital.pixelate,
        keys=("share",),
        cifar=_shares(0.95, 0.9, 0.85, 0.75, 0.65),
        imagenet=_shares(0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    "jpeg_compression": Corruption(
        make=digital.jpeg_compression,
        keys=("quality",),
        cifar=_shares(80, 65, 58, 50, 40),
        imagenet=_shares(25, 18, 15, 10, 7),
        whole=frozenset({"quality"}),
        any_channels=False,
    ),
}
"""In the order of the published sets, where frost stands between snow and fog."""

PUBLISHED = (*list(CORRUPTIONS)[:8], FROST, *list(CORRUPTIONS)[8:])
"""All fifteen names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One corruption at one severity, for images of one size."""

    name: str
    severity: int
    """1 to 5."""
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to images of one size, and what is not."""

    each: tuple[Planned, ...]
    skipped: tuple[tuple[str, Skipped], ...]
    """Names of what is undefined here, and why."""


def plan_for(shape: tuple[int, int, int]) -> Plan:
    """Return all corruptions that are defined for images of (C, H, W), all severities of each."""
    each: list[Planned] = []
    skipped: list[tuple[str, Skipped]] = []
    for name in PUBLISHED:
        reason = NO_FROST if name == FROST else _undefined(CORRUPTIONS[name], shape)
        if reason is not None:
            skipped.append((name, Skipped(reason=reason)))
            continue
        for severity in range(1, NUM_SEVERITIES + 1):
            settings = settings_of(name, severity, min(shape[1:]))
            each.append(Planned(name=name, severity=severity, settings=settings))
    return Plan(each=tuple(each), skipped=tuple(skipped))


def settings_of(name: str, severity: int, side: int) -> Settings:
    """Return a corruption's settings at one severity (1 to 5) for images whose shorter side has so many pixels."""
    kind = CORRUPTIONS[name]
    is_large = side >= FIRST_LARGE_SIDE
    values = (kind.imagenet if is_large else kind.cifar)[severity - 1]
    scale = side / (IMAGENET_SIDE if is_large else CIFAR_SIDE)
    settings: Settings = {}
    for key, value in zip(kind.keys, values, strict=True):
        scaled = value * scale if key in kind.lengths else value
        scaled = max(scaled, min(value, 1)) if key in kind.held else scaled
        settings[key] = max(1, round(scaled)) if key in kind.whole else float(scaled)
    return settings


def corrupt(planned: Planned, images: Tensor, seeds: list[int]) -> Tensor:
    """Corrupt images, each by itself: what becomes of one depends on its pixels and its seed only.

    Args:
        planned: what is done.
        images: (n, C, H, W) float32 in [0, 1].
        seeds: n, one per image.

    Returns:
        (n, C, H, W) float32, multiples of 1/255.
    """
    kind = CORRUPTIONS[planned.name]
    purpose = f"{planned.name} {planned.severity}"
    done = [
        stored(kind.make(image.to(torch.float64), _generator(seed, purpose), **planned.settings))
        for image, seed in zip(images, seeds, strict=True)
    ]
    return torch.stack(done)


def _generator(seed: int, purpose: str) -> torch.Generator:
    """Return random numbers of one image for one purpose; 32 bits are all that torch's generator takes in."""
    word = int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:4])
    return torch.Generator().manual_seed(word)


def _undefined(kind: Corruption, shape: tuple[int, int, int]) -> str | None:
    channels, height, width = shape
    if channels not in (1, 3) and not kind.any_channels:
        return f"it needs grey or red, green and blue, and the images have {channels} channels"
    if min(height, width) < kind.smallest_side:
        return f"it is defined from {kind.smallest_side} pixels on, and the images have {min(height, width)}"
    return None
