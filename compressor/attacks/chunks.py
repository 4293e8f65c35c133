"""Compute over images in chunks of one padded shape, so that an image's numbers never depend on its company.

Other batch shapes change the last bits of every logit, and so does another *slot* of the same batch: the rows of a
matrix whose width is no multiple of 16 (any pruned linear layer) start at other alignments. So an image always sits in
the slot that its seed names, `seed % size`, and every operator runs on one thread; several chunks run at once instead.
What an image gets then depends on the image, its seed and the chunk size alone.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Compute = Callable[..., tuple[Tensor, ...]]
"""(images (size, C, H, W), given (size, ...)...) -> tensors of `size` rows."""


class Chunks:
    """A chunk size and the threads that work on chunks. Use it as a context: it sets torch's threads, and restores.

    On a GPU, where equal bytes are not promised, chunks are packed densely and run one after another.
    """

    def __init__(self, size: int, *, device: torch.device, threads: int | None = None) -> None:
        """Remember how to compute.

        Args:
            size: images per chunk.
            device: where the images are.
            threads: chunks computed at the same time; None: as many threads as torch uses. Changes no result.
        """
        self.size = size
        self.device = device
        self.threads = threads or torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        self._saved_threads = 1

    def __enter__(self) -> "Chunks":
        self._saved_threads = torch.get_num_threads()
        if self.device.type == "cpu":
            torch.set_num_threads(1)
            self._pool = ThreadPoolExecutor(min(self.threads, os.cpu_count() or 1)) if self.threads > 1 else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        torch.set_num_threads(self._saved_threads)

    def run(self, compute: Compute, images: Tensor, seeds: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        """Compute over images.

        Args:
            compute: gets a chunk of `size` images and of each of `given`; rows nobody asked for are zero.
            images: (n, C, H, W), n >= 1.
            seeds: (n,) int64; they name the slots.
            given: tensors of n rows that go along.

        Returns:
            What `compute` returns, n rows each, in the order of the images.
        """
        parts = _pack(seeds, self.size) if self.device.type == "cpu" else _dense(len(images), self.size)

        def one(part: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            rows, slots = part
            chunk = [_scattered(values, rows, slots, self.size) for values in (images, *given)]
            return tuple(answer[slots] for answer in compute(*chunk))

        answers = list(self._pool.map(one, parts)) if self._pool and len(parts) > 1 else [one(part) for part in parts]
        order = torch.cat([rows for rows, _ in parts]).argsort()
        return tuple(torch.cat(columns)[order.to(columns[0].device)] for columns in zip(*answers, strict=True))


def fullest_first(rows: NDArray[np.int64], seeds: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Order images so that any `size` of them that follow each other fill a chunk as well as can be.

    Args:
        rows: (n,) which images.
        seeds: (n,) theirs; they name the slots.
        size: images per chunk.

    Returns:
        (n,) the same rows: the first of every slot, then the second of every slot, and so on.
    """
    slots = seeds % size
    return rows[np.lexsort((slots, _rank(slots)))]


def _pack(seeds: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Return (rows, slots) of as few chunks as can be, no two rows of a chunk in one slot."""
    slots = seeds.cpu().numpy() % size
    rank = _rank(slots)
    chunks = [np.flatnonzero(rank == number) for number in range(int(rank.max()) + 1)]
    return [(torch.from_numpy(rows), torch.from_numpy(slots[rows])) for rows in chunks]


def _rank(slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) how many come before each in its own slot."""
    order = np.argsort(slots, kind="stable")
    rank = np.empty(len(slots), dtype=np.int64)
    rank[order] = np.arange(len(slots)) - np.searchsorted(slots[order], slots[order])
    return rank


def _dense(num: int, size: int) -> list[tuple[Tensor, Tensor]]:
    starts = range(0, num, size)
    parts = [torch.arange(start, min(start + size, num)) for start in starts]
    return [(rows, torch.arange(len(rows))) for rows in parts]


def _scattered(values: Tensor, rows: Tensor, slots: Tensor, size: int) -> Tensor:
    chunk = values.new_zeros((size, *values.shape[1:]))
    chunk[slots] = values[rows]
    return chunk
