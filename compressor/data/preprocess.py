"""What happens to an image before the model sees it: normalisation, and how it is brought to the input size."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from compressor.errors import OptionError
from compressor.records import strict

INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest")

NAMED: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((), ()),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
"""Names for a mean and a standard deviation on images in [0, 1], measured over the training set of that name."""

ADVICE = (
    "write --preprocess as none, imagenet, cifar10 or mean=a,b,c;std=d,e,f (for images in [0, 1]), "
    "each optionally with ;resize=184;crop=160;interp=bilinear"
)


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """Normalisation, and how images of another size become the input size.

    Raises:
        OptionError: values that no image can be preprocessed by.
    """

    mean: tuple[float, ...]
    """Per channel, subtracted from images in [0, 1]; empty means no normalisation."""

    std: tuple[float, ...]
    """Per channel, above 0; what is left is divided by it. As long as `mean`."""

    resize: int | None = None
    """Pixels of the short side before cropping; None: the smallest that covers the crop."""

    crop: int | None = None
    """Pixels of the centre crop's side; None: the input size."""

    interp: str = "bilinear"
    """How a resized pixel is computed: one of `INTERPOLATIONS`, antialiased (except nearest)."""

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise OptionError(
                f"preprocess has {len(self.mean)} values of mean but {len(self.std)} of std", advice=ADVICE
            )
        if not all(math.isfinite(value) and value > 0 for value in self.std):
            raise OptionError(f"preprocess: std {_numbers(self.std)} must be above 0", advice=ADVICE)
        if not all(0 <= value <= 1 for value in self.mean):
            raise OptionError(
                f"preprocess: mean {_numbers(self.mean)} must lie in [0, 1]",
                advice="images are in [0, 1] here: divide values made for 0 to 255 by 255, for example mean=125.3/255",
            )
        for name, pixels in (("resize", self.resize), ("crop", self.crop)):
            if pixels is not None and pixels < 1:
                raise OptionError(f"preprocess: {name}={pixels} must be at least 1 pixel", advice=ADVICE)
        if self.resize is not None and self.crop is not None and self.resize < self.crop:
            raise OptionError(
                f"preprocess: resize={self.resize} is smaller than crop={self.crop}",
                advice="the crop is cut out of the resized image: make resize at least as large",
            )
        if self.interp not in INTERPOLATIONS:
            raise OptionError(
                f"preprocess: interp={self.interp!r} is unknown", advice=f"known: {', '.join(INTERPOLATIONS)}"
            )

    def text(self) -> str:
        """Return the canonical spec: `parse_preprocess(p.text()) == p`."""
        name = next((name for name, values in NAMED.items() if values == (self.mean, self.std)), None)
        parts = [name] if name else [f"mean={_numbers(self.mean)}", f"std={_numbers(self.std)}"]
        if self.resize is not None:
            parts.append(f"resize={self.resize}")
        if self.crop is not None:
            parts.append(f"crop={self.crop}")
        if self.interp != "bilinear":
            parts.append(f"interp={self.interp}")
        return ";".join(parts)

    def check_channels(self, channels: int) -> None:
        """Refuse images of `channels` channels if the mean has another number of values.

        Raises:
            OptionError: the numbers differ.
        """
        if self.mean and len(self.mean) != channels:
            raise OptionError(
                f"--preprocess {self.text()} has {len(self.mean)} values of mean and std, but images have "
                f"{channels} channel{'s' if channels > 1 else ''}",
                advice="give one value of mean and std per channel",
            )


def parse_preprocess(text: str) -> Preprocess:
    """Read `none`, `imagenet`, `cifar10` or `mean=a,b,c;std=d,e,f`, each optionally `;resize=;crop=;interp=`.

    A value is a decimal number or a fraction such as `125.3/255`.

    Raises:
        OptionError: not of that form, or impossible values.
    """
    first, *others = [part.strip() for part in text.strip().lower().split(";")]
    given: dict[str, str] = {}
    if "=" in first:
        others.insert(0, first)
    elif first not in NAMED:
        raise OptionError(f"--preprocess {text!r} is neither a name nor mean=...;std=...", advice=ADVICE)
    for part in others:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in ("mean", "std", "resize", "crop", "interp") or key in given:
            raise OptionError(f"--preprocess {text!r}: cannot read {part!r}", advice=ADVICE)
        given[key] = value
    if "=" in first:
        if "mean" not in given or "std" not in given:
            raise OptionError(f"--preprocess {text!r} needs both mean= and std=", advice=ADVICE)
        mean, std = _values(given["mean"], text), _values(given["std"], text)
    elif "mean" in given or "std" in given:
        raise OptionError(f"--preprocess {text!r} gives both a name and mean= or std=", advice=ADVICE)
    else:
        mean, std = NAMED[first]
    return Preprocess(
        mean=mean,
        std=std,
        resize=_pixels(given.get("resize"), text),
        crop=_pixels(given.get("crop"), text),
        interp=given.get("interp", "bilinear"),
    )


class Normalised(nn.Module):
    """A model that takes images in [0, 1] and normalises them itself.

    Args:
        model: takes normalised images (N, C, H, W) float32, answers logits (N, K).
        preprocess: its mean and std; resizing happens where images are read, never here.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(preprocess.mean or (0.0,), dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std or (1.0,), dtype=torch.float32).view(1, -1, 1, 1))
        self.is_identity = not preprocess.mean
        self.train(model.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, K) of `images` (N, C, H, W) float32 in [0, 1]."""
        answer: Tensor = self.model(images if self.is_identity else (images - self.mean) / self.std)
        return answer


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(repr(value) for value in values)


def _values(text: str, whole: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    try:
        return tuple(
            float(Fraction(over[0]) / Fraction(over[1])) if len(over := part.split("/")) == 2 else float(part)
            for part in parts
        )
    except (ValueError, ZeroDivisionError):
        raise OptionError(f"--preprocess {whole!r}: {text!r} is not a list of numbers", advice=ADVICE) from None


def _pixels(text: str | None, whole: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,6}", text):
        raise OptionError(f"--preprocess {whole!r}: {text!r} is not a number of pixels", advice=ADVICE)
    return int(text)
