"""Training images as they come out of decoding and resizing, kept on a local disk. Nothing else is ever read from it.

An entry is known by the path, the time of change and the size of its file, what the image was brought to, and the
versions of the libraries that did it: an image that changes gets another entry. Test images are always read from
their own files.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.files import canonical_json

SMALL_PIXELS = 64 * 64
"""Images up to this size are decoded as fast as an entry is found."""
MOST_OF_DISK = 0.5
"""Of what is free: more is not taken."""


@dataclass(frozen=True, kw_only=True)
class ImageCache:
    """Entries of one form of images."""

    folder: Path
    """Where they lie."""
    shape: tuple[int, int, int]
    """(C, H, W) of every image."""
    how: str
    """How it was brought there."""

    def read(self, path: str) -> NDArray[np.uint8] | None:
        """Return the image (C, H, W) of a file; None where there is no entry, or one that is damaged."""
        try:
            content = self._place(path).read_bytes()
        except OSError:
            return None
        pixels = np.frombuffer(content, dtype=np.uint8, offset=4) if len(content) > 4 else np.empty(0, np.uint8)
        if pixels.size != np.prod(self.shape) or zlib.crc32(pixels.data) != int.from_bytes(content[:4], "big"):
            return None
        return pixels.reshape(self.shape)

    def has(self, path: str) -> bool:
        """Say whether there is an entry for a file, without reading it."""
        try:
            return self._place(path).stat().st_size == np.prod(self.shape) + 4
        except OSError:
            return False

    def write(self, path: str, pixels: NDArray[np.uint8]) -> None:
        """Keep the image of a file, whole or not at all; a full disk or a missing right only means that it is not."""
        content = np.ascontiguousarray(pixels)
        with contextlib.suppress(OSError):
            place = self._place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(zlib.crc32(content.data).to_bytes(4, "big"))
                    file.write(content.data)
                Path(aside).replace(place)
            finally:
                Path(aside).unlink(missing_ok=True)

    def _place(self, path: str) -> Path:
        found = os.stat(path)  # noqa: PTH116 - Path is slow a million times
        key = canonical_json([os.path.abspath(path), found.st_mtime_ns, found.st_size, self._made])  # noqa: PTH100
        name = hashlib.sha256(key).hexdigest()
        return self.folder / name[:2] / name[2:]

    @cached_property
    def _made(self) -> list[object]:
        return ["compress.image/1", *self.shape, self.how, version("pillow"), version("torchvision")]


def cache_for(folder: Path | None, *, num_images: int, shape: tuple[int, int, int], how: str) -> ImageCache | None:
    """Return a cache for so many images; None where none is wanted, or it would not pay or not fit.

    Args:
        folder: where; need not be there yet.
        num_images: that may be kept.
        shape: (C, H, W).
        how: all that decides what an image becomes, besides its file and `shape`.
    """
    if folder is None or shape[1] * shape[2] <= SMALL_PIXELS:
        return None
    there = next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), None)
    needed = num_images * (int(np.prod(shape)) + 4)
    if there is None or needed > MOST_OF_DISK * shutil.disk_usage(there).free:
        return None
    return ImageCache(folder=folder / "images", shape=shape, how=how)
