"""Each kind of corruption with the strength of each severity, as the published sets have them.

Source: Hendrycks and Dietterich, arXiv 1903.12261; the constants are those of the scripts that made CIFAR-10-C (images
of 32 pixels) and ImageNet-C (224 pixels).
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from compressor.corruptions import blur, digital, noise, weather

SMALLEST_SIDE = 8
"""Below this, lengths of the published sizes would come down to less than a quarter of themselves."""


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
