"""What is done to images of one size, and doing it: the corruptions of CIFAR-10-C and ImageNet-C by name.

Below 64 pixels the constants are those of the script that made CIFAR-10-C (32 pixels), from 64 on those of ImageNet-C
(224 pixels); lengths among them scale with the shorter side. Images are stored in 8 bits, as the published ones are.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.corruptions.kinds import CORRUPTIONS, Corruption
from compressor.corruptions.pixels import stored
from compressor.types import Skipped

Settings = dict[str, str | int | float | bool]

NUM_SEVERITIES = 5

FIRST_LARGE_SIDE = 64
CIFAR_SIDE, IMAGENET_SIDE = 32, 224

FROST = "frost"

NO_FROST = (
    "it lays photographs of frost over the image, which this tool does not hold; it is among the published arrays "
    "(--corruptions-from)"
)

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
