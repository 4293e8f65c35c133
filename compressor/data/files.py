"""Images that lie in files: found by their headers, decoded when asked for, brought to one size."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from compressor.data.cache import ImageCache, cache_for
from compressor.data.images import ImageSet
from compressor.data.splits import Wanted
from compressor.errors import DataError
from compressor.files import sha256_of_bytes
from compressor.types import Role

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")
"""PIL's modes of more than 8 bits begin so; converting them would clip."""

MOST_THREADS = 16
IMAGES_PER_THREAD = 16
"""Fewer are not worth a thread."""

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
            return Header(channels=_channels(image, path), size=(image.height, image.width))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def choose_fit(splits: Sequence[Listed], wanted: Wanted) -> Fit:
    """Decide what the images of all splits are brought to.

    Where neither an input size nor a crop is said, all images must have one size already: every header is read.

    Raises:
        DataError: a header cannot be read, the sizes are mixed, or files cannot have the channels that are wanted.
    """
    first = splits[0].root / splits[0].names[0]
    header = read_header(first)
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
    size = read_header(listed.root / listed.names[0]).size
    if size == fit.size:
        return ()
    how = f"their short side to {fit.resize}" if fit.resize else "so that they just cover it"
    return (f"images that are not {_sized(fit.size)} are resized ({how}, {fit.interp}) and centre-cropped to it",)


def images_of_files(
    listed: Listed, *, role: Role, class_names: tuple[str, ...], fit: Fit, cache: Path | None = None
) -> ImageSet:
    """Return an image set that decodes files when they are asked for; training images by way of the cache."""
    paths = [os.path.join(listed.root, name) for name in listed.names]  # noqa: PTH118 - Path is slow 60,000 times
    kept = None
    if role == "train":
        how = f"{fit.resize} {fit.interp}"
        kept = cache_for(cache, num_images=len(paths), shape=(fit.channels, *fit.size), how=how)
    return ImageSet(
        role=role,
        labels=np.array(listed.labels, dtype=np.int64),
        names=listed.names,
        class_names=class_names,
        shape=(fit.channels, *fit.size),
        reader=lambda indices: _decode_all([paths[index] for index in indices], fit, kept),
        hasher=lambda index: sha256_of_bytes(_content(paths[index])),
        knower=None if kept is None else lambda index: kept.has(paths[index]),
    )


def decode(path: str, fit: Fit) -> NDArray[np.uint8]:
    """Return the image of one file as (C, H, W) uint8.

    An image of another size is resized (its short side, antialiased) and centre-cropped. Transparency and the
    orientation tag of cameras are ignored, as torchvision's image folders do.

    Raises:
        DataError: the file cannot be decoded whole.
    """
    try:
        image = Image.open(BytesIO(_content(path)))
        _channels(image, Path(path))
        pixels = np.asarray(_resized(_converted(image, fit.channels), fit))
    except UNREADABLE as error:
        raise _unreadable(Path(path), error) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _converted(image: Image.Image, channels: int) -> Image.Image:
    mode = "RGB" if channels == 3 else "L"
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert(mode)
    return image if image.mode == mode else image.convert(mode)


def _resized(image: Image.Image, fit: Fit) -> Image.Image:
    """Resize so that the crop is covered (or the short side to `fit.resize`), then cut out the centre."""
    height, width = fit.size
    if (image.height, image.width) == fit.size:
        return image
    # Imported here because torchvision takes seconds to load, and images of the right size do not need it.
    from torchvision.transforms.v2 import InterpolationMode, functional

    if fit.resize is not None:
        size = [fit.resize]
    elif height * image.width >= width * image.height:
        size = [height, max(width, height * image.width // image.height)]
    else:
        size = [max(height, width * image.height // image.width), width]
    resized = functional.resize(image, size, interpolation=InterpolationMode(fit.interp), antialias=True)
    cropped: Image.Image = functional.center_crop(resized, [height, width])
    return cropped


def _decode_all(paths: Sequence[str], fit: Fit, cache: ImageCache | None) -> Tensor:
    pixels = np.empty((len(paths), fit.channels, *fit.size), dtype=np.uint8)
    threads = min(os.cpu_count() or 1, MOST_THREADS, len(paths) // IMAGES_PER_THREAD)

    def fill(first: int, step: int) -> None:
        for row in range(first, len(paths), step):
            pixels[row] = _decode_once(paths[row], fit, cache)

    if threads <= 1:
        fill(0, 1)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda first: fill(first, threads), range(threads)))
    return torch.from_numpy(pixels)


def _decode_once(path: str, fit: Fit, cache: ImageCache | None) -> NDArray[np.uint8]:
    known = None if cache is None else cache.read(path)
    if known is not None:
        return known
    pixels = decode(path, fit)
    if cache is not None:
        cache.write(path, pixels)
    return pixels


def _check_sizes(listed: Listed, size: tuple[int, int], first: Path, wanted: Wanted) -> None:
    with wanted.progress.stage("read image sizes", total=len(listed.names), unit="image") as step:
        for name in listed.names:
            path = listed.root / name
            found = read_header(path).size
            if found != size:
                raise DataError(
                    f"images of {wanted.spec} have mixed sizes: {first} is {_sized(size)}, {path} is {_sized(found)}",
                    advice="say --input-size HxW, so that all are resized and centre-cropped to it",
                )
            step.advance()


def _channels(image: Image.Image, path: Path) -> int:
    if image.mode.startswith(DEEP_MODES):
        raise DataError(
            f"{path} has more than 8 bits per channel (mode {image.mode})",
            advice="save it with 8 bits per channel, or give float32 images in [0, 1] as a FILE.npz",
        )
    return 1 if image.mode in GREY_MODES else 3


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - Path is slow 60,000 times
            return file.read()
    except OSError as error:
        raise _unreadable(Path(path), error) from error


def _sized(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, UnidentifiedImageError):
        reason = "it is no image, or it is damaged at its beginning"
    else:
        reason = getattr(error, "strerror", None) or str(error)
    return DataError(
        f"{path} cannot be read as an image: {reason}",
        advice="replace the file, or delete it if it does not belong there; no image is ever skipped silently",
    )
