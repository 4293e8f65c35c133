"""Images that do not fit into memory, read ahead by other processes in the order in which they will be asked for."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from compressor.data import files
from compressor.data.images import ImageSet
from compressor.errors import DataError
from compressor.launch import num_local_processes

MOST_WORKERS = 8
"""For each process that trains."""
AHEAD = 4
"""Batches that each worker reads ahead."""


class Stream:
    """Reads ahead what was announced; whatever else is asked for is read at once."""

    def __init__(self, images: ImageSet, *, device: torch.device, num_workers: int | None = None) -> None:
        """Set up the loader; its processes start with the first announcement and stay until the end.

        Args:
            images: to read.
            device: where batches go: for a GPU they are put where it can fetch them.
            num_workers: processes; None: one for each core that is left over.
        """
        self._images = images
        self._announced: deque[Tensor] = deque()
        self._order = _Order()
        self._arriving: Iterator[Tensor | DataError] = iter(())
        number = workers_here() if num_workers is None else num_workers
        self._loader: DataLoader[Tensor] = DataLoader(
            _Reading(images),
            batch_sampler=self._order,
            num_workers=number,
            collate_fn=_as_it_is,
            pin_memory=device.type == "cuda",
            worker_init_fn=_one_thread,
            multiprocessing_context="fork" if number else None,
            prefetch_factor=AHEAD if number else None,
            persistent_workers=number > 0,
        )

    def announce(self, batches: Sequence[Tensor]) -> None:
        """Say which batches will be asked for, in their order: indices (n,) int64 on the CPU each."""
        self._announced = deque(batches)
        self._order.batches = [batch.tolist() for batch in batches]
        self._arriving = iter(self._loader)

    def read(self, indices: Tensor) -> Tensor:
        """Return images (n, C, H, W) uint8.

        Raises:
            DataError: an image cannot be read any more; names it.
        """
        if not self._announced or not torch.equal(self._announced[0], indices):
            return self._images.read_uint8(indices.tolist())
        self._announced.popleft()
        found = next(self._arriving)
        if isinstance(found, DataError):
            raise found
        return found


def workers_here() -> int:
    """Return how many processes read ahead for this one; none where processes cannot be forked."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(MOST_WORKERS, cores // num_local_processes() - 1))


class _Order:
    """The batches of the current epoch: workers that stay are given another order in each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


class _Reading(Dataset[Tensor]):
    """Reads a whole batch at once, and hands an error over as a value: a traceback would say nothing more."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def __getitems__(self, indices: list[int]) -> Tensor | DataError:
        try:
            return self._images.read_uint8(indices)
        except DataError as error:
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    """Let each worker decode on one thread; there is a worker for each core."""
    files.MOST_THREADS = 1
