"""Images in [0, 1] with labels, in roles: the one form that every stage reads data in."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.errors import DataError, OptionError
from compressor.files import canonical_json
from compressor.progress import SILENT, Progress
from compressor.types import Role

MEMORY_LIMIT_BYTES = 2_000_000_000
"""Decoded images are kept in memory only below this."""

READ_AT_ONCE = 1024
"""Images decoded per step when a whole set is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Images of one role, read when asked for."""

    role: Role
    """What they are used for."""

    labels: NDArray[np.int64]
    """(N,) int64 in [0, K)."""

    names: tuple[str, ...]
    """One per image, unique: the path inside the data folder, or split/number for arrays."""

    class_names: tuple[str, ...]
    """K names, in the order of the labels."""

    shape: tuple[int, int, int]
    """(C, H, W) of every image."""

    reader: Callable[[Sequence[int]], Tensor]
    """Indices to images (n, C, H, W), uint8, or float32 in [0, 1]."""

    hasher: Callable[[int], str]
    """Index to the sha256 of the image's stored bytes, 64 hex digits."""

    is_held: bool = False
    """Whether the images lie decoded in memory already."""

    knower: Callable[[int], bool] | None = None
    """Index to whether the image was decoded before and is kept; None: nobody knows."""

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return images (n, C, H, W) float32 in [0, 1].

        Raises:
            DataError: an image cannot be read; names it.
        """
        images = self.reader(indices)
        return images.to(torch.float32).div_(255) if images.dtype == torch.uint8 else images

    def read_uint8(self, indices: Sequence[int]) -> Tensor:
        """Return images (n, C, H, W) uint8: exact for uint8 sources, rounded for float32 ones.

        Raises:
            DataError: an image cannot be read; names it.
        """
        images = self.reader(indices)
        return images if images.dtype == torch.uint8 else images.mul(255).round_().to(torch.uint8)

    def digest(self, index: int) -> str:
        """Return the sha256 of the stored bytes of one image (of its file, or of its part of the array)."""
        return self.hasher(index)

    def take(self, indices: Sequence[int]) -> "ImageSet":
        """Return only the images at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        reader, hasher, knower = self.reader, self.hasher, self.knower
        return replace(
            self,
            labels=self.labels[np.array(chosen, dtype=np.int64)],
            names=tuple(self.names[index] for index in chosen),
            reader=lambda wanted: reader([chosen[index] for index in wanted]),
            hasher=lambda index: hasher(chosen[index]),
            knower=None if knower is None else lambda index: knower(chosen[index]),
        )

    def in_memory(self, *, progress: Progress = SILENT) -> "ImageSet":
        """Return the same images decoded once and held in memory, or this set if they do not fit.

        Raises:
            DataError: an image cannot be read; names it.
        """
        if self.is_held or len(self) == 0:
            return self
        first = self.reader([0])
        if first.nbytes * len(self) > MEMORY_LIMIT_BYTES:
            return self
        held = torch.empty((len(self), *self.shape), dtype=first.dtype)
        with progress.stage(f"read {self.role} images", total=len(self), unit="image") as step:
            for start in range(0, len(self), READ_AT_ONCE):
                stop = min(start + READ_AT_ONCE, len(self))
                held[start:stop] = self.reader(range(start, stop))
                step.advance(stop - start)
        return replace(self, reader=lambda wanted: held[torch.as_tensor(list(wanted), dtype=torch.int64)], is_held=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a `--data` spec holds, by role."""

    spec: str
    """As given."""

    class_names: tuple[str, ...]
    """K names, in the order of the labels."""

    train: ImageSet | None
    """For fitting."""

    select: ImageSet | None
    """For choosing: best epoch, calibration, search. Disjoint from train and test."""

    test: ImageSet | None
    """For evaluation only."""

    notes: tuple[str, ...]
    """Sentences a person should read: where select came from, what was left out."""

    def need(self, role: Role) -> ImageSet:
        """Return the images of a role.

        Raises:
            DataError: there are none.
        """
        images = {"train": self.train, "select": self.select, "test": self.test}[role]
        if images is None:
            wanted = "training" if role == "train" else role
            raise DataError(
                f"--data {self.spec} holds no {wanted} images",
                advice="add a test/ folder (or x_test, y_test)"
                if role == "test"
                else "add a train/ folder (or x_train, y_train); test images are never used in their place",
            )
        return images


def digest_of_images(images: ImageSet) -> str:
    """Return the sha256 over the ordered name, label and digest of each image, 64 hex digits."""
    total = hashlib.sha256()
    for index, name in enumerate(images.names):
        total.update(canonical_json([name, int(images.labels[index]), images.digest(index)]) + b"\n")
    return total.hexdigest()


def stratified(images: ImageSet, num: int, *, seed: int) -> ImageSet:
    """Return `num` images with the class shares of the whole set, in the order of the whole set.

    An image's rank within its class is a hash of the seed and its name, so it does not depend on numpy's
    random streams, and a smaller sample of the same set and seed is nearly always part of a larger one.

    Args:
        images: to choose from.
        num: how many; all when there are not more.
        seed: another seed chooses others.

    Raises:
        OptionError: `num` is below 1.
    """
    if num < 1:
        raise OptionError(f"the number of images must be at least 1, not {num}", advice="leave it out to use 1,000")
    if num >= len(images):
        return images
    ranks = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in images.names]
    members = [np.flatnonzero(images.labels == label).tolist() for label in range(len(images.class_names))]
    counts = [num * len(member) // len(images) for member in members]
    remainders = [num * len(member) % len(images) for member in members]
    tie_break = [hashlib.sha256(f"{seed}:class:{label}".encode()).digest() for label in range(len(members))]
    by_remainder = sorted(range(len(members)), key=lambda label: (-remainders[label], tie_break[label]))
    for label in by_remainder[: num - sum(counts)]:
        counts[label] += 1
    chosen: list[int] = []
    for member, count in zip(members, counts, strict=True):
        chosen += sorted(member, key=lambda index: (ranks[index], index))[:count]
    return images.take(sorted(chosen))


def duplicates_with(images: ImageSet, train: ImageSet | None) -> frozenset[str]:
    """Return the digests of those of `images` that are byte-equal to an image of `train` (none without any)."""
    if train is None:
        return frozenset()
    wanted = {images.digest(index) for index in range(len(images))}
    return frozenset(wanted & {train.digest(index) for index in range(len(train))})
