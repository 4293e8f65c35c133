"""Images that lie in files: decoded when asked for, brought to one size."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from compressor.data.cache import ImageCache, cache_for
from compressor.data.headers import UNREADABLE, Fit, Listed, channels_of, unreadable
from compressor.data.images import ImageSet
from compressor.files import sha256_of_bytes
from compressor.types import Role

MOST_THREADS = 16
IMAGES_PER_THREAD = 16
"""Fewer are not worth a thread."""


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
        channels_of(image, Path(path))
        pixels = np.asarray(_resized(_converted(image, fit.channels), fit))
    except UNREADABLE as error:
        raise unreadable(Path(path), error) from error
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


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - Path is slow 60,000 times
            return file.read()
    except OSError as error:
        raise unreadable(Path(path), error) from error
