"""What image files say before they are decoded, and what all of a set are brought to."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from compressor.data.splits import Wanted
from compressor.errors import DataError

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")
"""PIL's modes of more than 8 bits begin so; converting them would clip."""

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What PIL raises for a broken file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Image files of one split, not opened yet."""

    root: Path
    """The folder that names are relative to."""

    names: tuple[str, ...]
    """Paths below `root`, with forward slashes."""

    labels: tuple[int, ...]
    """One per name."""

    may_skip: bool = False
    """Whether those that cannot be read will be left out: training images are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What every image is brought to."""

    channels: int
    """1 (grey) or 3 (red, green, blue)."""

    size: tuple[int, int]
    """(H, W)."""

    resize: int | None = None
    """Pixels of the short side before cropping; None: the smallest that covers the crop."""

    interp: str = "bilinear"
    """How a resized pixel is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says about its image before it is decoded."""

    channels: int
    """1 or 3."""

    size: tuple[int, int]
    """(H, W)."""


def read_header(path: Path) -> Header:
    """Return size and channels of an image file without decoding it.

    Raises:
        DataError: the file cannot be read, is no image, or has more than 8 bits per channel.
    """
    try:
        with Image.open(path) as image:
            return Header(channels=channels_of(image, path), size=(image.height, image.width))
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def choose_fit(splits: Sequence[Listed], wanted: Wanted) -> Fit:
    """Decide what the images of all splits are brought to.

    Where neither an input size nor a crop is said, all images must have one size already: every header is read.

    Raises:
        DataError: a header cannot be read, the sizes are mixed, or files cannot have the channels that are wanted.
    """
    first, header = _first_header(splits[0])
    channels = wanted.channels or header.channels
    if channels not in (1, 3):
        raise DataError(
            f"the model takes images of {channels} channels, but the files of {wanted.spec} have {header.channels}",
            advice="give images of more channels as a FILE.npz",
        )
    size = wanted.size
    if size is None:
        size = header.size
        for listed in splits:
            _check_sizes(listed, size, first, wanted)
    if wanted.preprocess is None:
        return Fit(channels=channels, size=size)
    return Fit(channels=channels, size=size, resize=wanted.preprocess.resize, interp=wanted.preprocess.interp)


def resize_notes(listed: Listed, fit: Fit) -> tuple[str, ...]:
    """Return one sentence if the first image has to be resized, else none."""
    size = _first_header(listed)[1].size
    if size == fit.size:
        return ()
    how = f"their short side to {fit.resize}" if fit.resize else "so that they just cover it"
    return (f"images that are not {_sized(fit.size)} are resized ({how}, {fit.interp}) and centre-cropped to it",)


def _first_header(listed: Listed) -> tuple[Path, Header]:
    """Return the first image, or where some may be left out the first that can be read, with what it says."""
    for name in listed.names if listed.may_skip else ():
        with contextlib.suppress(DataError):
            return listed.root / name, read_header(listed.root / name)
    first = listed.root / listed.names[0]
    return first, read_header(first)


def _check_sizes(listed: Listed, size: tuple[int, int], first: Path, wanted: Wanted) -> None:
    with wanted.progress.stage("read image sizes", total=len(listed.names), unit="image") as step:
        for name in listed.names:
            path = listed.root / name
            try:
                found = read_header(path).size
            except DataError:
                if not listed.may_skip:
                    raise
                found = size
            if found != size:
                raise DataError(
                    f"images of {wanted.spec} have mixed sizes: {first} is {_sized(size)}, {path} is {_sized(found)}",
                    advice="say --input-size HxW, so that all are resized and centre-cropped to it",
                )
            step.advance()


def channels_of(image: Image.Image, path: Path) -> int:
    """Return 1 or 3.

    Raises:
        DataError: more than 8 bits per channel.
    """
    if image.mode.startswith(DEEP_MODES):
        raise DataError(
            f"{path} has more than 8 bits per channel (mode {image.mode})",
            advice="save it with 8 bits per channel, or give float32 images in [0, 1] as a FILE.npz",
        )
    return 1 if image.mode in GREY_MODES else 3


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error that says why a file is no image."""
    if isinstance(error, UnidentifiedImageError):
        reason = "it is no image, or it is damaged at its beginning"
    else:
        reason = getattr(error, "strerror", None) or str(error)
    return DataError(
        f"{path} cannot be read as an image: {reason}",
        advice="replace the file, or delete it if it does not belong there; only training images may be skipped",
    )


def _sized(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
