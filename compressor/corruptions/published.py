"""The published CIFAR-10-C arrays, read from a folder: all fifteen corruptions, as everybody else measured them.

Source: Hendrycks and Dietterich, arXiv 1903.12261. One file per corruption, (50000, 32, 32, 3) uint8: the 10,000 test
images at severity 1, then at 2, and so on; `labels.npy` likewise.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.corruptions.table import NUM_SEVERITIES, PUBLISHED, Plan, Planned
from compressor.errors import DataError

NUM_PICTURES = 10_000
SHAPE = (3, 32, 32)
NUM_CLASSES = 10
WHERE = "unpack CIFAR-10-C there: labels.npy and one .npy per corruption"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublishedSet:
    """Some pictures of the published arrays, the same under every corruption."""

    labels: NDArray[np.int64]
    """(n,) in CIFAR-10's order of classes."""
    numbers: NDArray[np.int64]
    """(n,) which picture of the test set each is, ascending."""
    sha256: str
    """Over the labels and all pixels that are used."""
    arrays: dict[str, NDArray[np.uint8]]

    @property
    def plan(self) -> Plan:
        """All corruptions at all severities."""
        severities = range(1, NUM_SEVERITIES + 1)
        each = [
            Planned(name=name, severity=severity, settings={"file": f"{name}.npy"})
            for name in PUBLISHED
            for severity in severities
        ]
        return Plan(each=tuple(each), skipped=())

    def read(self, planned: Planned, rows: NDArray[np.int64]) -> Tensor:
        """Return pictures (len(rows), 3, 32, 32) float32 in [0, 1]."""
        start = (planned.severity - 1) * NUM_PICTURES
        pixels = self.arrays[planned.name][start + self.numbers[rows]]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(torch.float32).div_(255)


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks an array, before any work.

    Raises:
        DataError: a file is missing; names all that are.
    """
    missing = [f"{name}.npy" for name in ("labels", *PUBLISHED) if not (folder / f"{name}.npy").is_file()]
    if missing:
        raise DataError(f"--corruptions-from {folder} lacks {', '.join(missing)}", advice=WHERE)


def open_published(folder: Path, *, num_images: int, seed: int) -> PublishedSet:
    """Open the published arrays.

    Args:
        folder: that holds them.
        num_images: how many of the 10,000 pictures, the same share of each class; all where there are not more.
        seed: another seed chooses others.

    Raises:
        DataError: a file is missing, or not what was published.
    """
    check_folder(folder)
    labels = _array(folder / "labels.npy", (NUM_PICTURES * NUM_SEVERITIES,)).astype(np.int64)
    first = labels[:NUM_PICTURES]
    if labels.min() < 0 or labels.max() >= NUM_CLASSES or any((part != first).any() for part in np.split(labels, 5)):
        raise DataError(
            f"{folder / 'labels.npy'} does not repeat the labels 0 to 9 of 10,000 pictures for each severity",
            advice=WHERE,
        )
    arrays = {
        name: _array(folder / f"{name}.npy", (NUM_PICTURES * NUM_SEVERITIES, *SHAPE[1:], SHAPE[0]))
        for name in PUBLISHED
    }
    numbers = _chosen(first, num_images, seed)
    total = hashlib.sha256(first[numbers].tobytes())
    for name, array in arrays.items():
        total.update(name.encode())
        for severity in range(NUM_SEVERITIES):
            total.update(np.ascontiguousarray(array[severity * NUM_PICTURES + numbers]).tobytes())
    return PublishedSet(labels=first[numbers], numbers=numbers, sha256=total.hexdigest(), arrays=arrays)


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not an array of numpy: {error}", advice=WHERE) from error
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(
            f"{path} is {'x'.join(map(str, array.shape))} {array.dtype}, and CIFAR-10-C has "
            f"{'x'.join(map(str, shape))} uint8 there",
            advice=WHERE,
        )
    return array


def _chosen(labels: NDArray[np.int64], num: int, seed: int) -> NDArray[np.int64]:
    """Return which pictures are used, ascending: each class by a hash of the seed and the picture's number."""
    ranks = [hashlib.sha256(f"{seed}:{number}".encode()).digest() for number in range(len(labels))]
    place: dict[int, tuple[float, bytes]] = {}
    for label in range(NUM_CLASSES):
        members = sorted(np.flatnonzero(labels == label).tolist(), key=lambda number: ranks[number])
        place |= {number: (rank / max(1, len(members)), ranks[number]) for rank, number in enumerate(members)}
    return np.array(sorted(sorted(place, key=lambda number: place[number])[:num]), dtype=np.int64)
