"""How images are computed: in flights, each saved as it lands; shared out among processes; halved if memory runs out.

What an image gets does not depend on its flight (see `attacks.chunks`), so neither does the result on any of this.
"""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from compressor.archive import Arrays
from compressor.attacks.chunks import Chunks
from compressor.certify.state import Store
from compressor.errors import MachineError, is_out_of_memory
from compressor.progress import SILENT, Progress
from compressor.runtime.crew import ALONE, Crew

PASSES_PER_FLIGHT = 60_000
"""Image-passes of one flight of a model that costs `USUAL_MACS` or less: about a minute of one core."""

USUAL_MACS = 41_000_000
"""Multiply-adds of a CIFAR ResNet-20 on one image."""

Rows = NDArray[np.int64]
Compute = Callable[[Rows], Arrays]
"""Rows (n,) to what was found about them; its array `rows` names them again."""

Relieve = Callable[[], bool]
"""Makes less memory suffice for a single image; says whether that was possible."""


class Fleet:
    """The processes at work, and how many images each has in flight."""

    def __init__(self, batch_size: int, *, crew: Crew = ALONE, progress: Progress = SILENT) -> None:
        """Begin.

        Args:
            batch_size: images per flight.
            crew: the processes that share the work.
            progress: told when memory runs out.
        """
        self.batch_size = batch_size
        self.crew = crew
        self.in_flight = batch_size
        self._progress = progress

    def landed(self, store: Store) -> list[Arrays]:
        """Return the flights that an earlier run saved, the same in all processes."""
        return self.crew.told(list(store.flights()) if self.crew.is_first else None)

    def fly(
        self, store: Store, prefix: str, rows: Rows, compute: Compute, relieve: Relieve, *, most: int | None = None
    ) -> Iterator[Arrays]:
        """Compute over images, one flight per process at a time; yield each flight after it was saved.

        Args:
            store: where flights are saved, by the first process.
            prefix: of their names, which sort in the order of the work.
            rows: (n,) the images, those together that are best computed together.
            compute: on some of them, ascending.
            relieve: called when memory ran out.
            most: images per flight, where each takes so long that fewer must do.

        Raises:
            MachineError: not even one image fits in memory.
        """
        size = min(self.batch_size, most or self.batch_size, max(-(-len(rows) // self.crew.size), 1))
        flights = [np.sort(rows[start : start + size]) for start in range(0, len(rows), size)]
        for start in range(0, len(flights), self.crew.size):
            mine = flights[start : start + self.crew.size][self.crew.rank :][:1]
            found = [arrays for flight in mine for arrays in self._within_memory(flight, compute, relieve)]
            for arrays in chain.from_iterable(self.crew.gathered(found)):
                if self.crew.is_first:
                    store.save(f"{prefix}{int(arrays['rows'][0]):08d}", arrays)
                yield arrays

    def _within_memory(self, rows: Rows, compute: Compute, relieve: Relieve) -> list[Arrays]:
        """Compute over a flight, in as many parts as memory asks for."""
        found, start = [], 0
        while start < len(rows):
            part = rows[start : start + self.in_flight]
            arrays = _tried(compute, part)
            if arrays is None:
                self._halve(len(part), relieve)
            else:
                found.append(arrays)
                start += len(part)
        return found

    def _halve(self, num: int, relieve: Relieve) -> None:
        relieved = relieve()
        if num == 1 and not relieved:
            raise MachineError(
                "there is too little memory to attack a single image", advice="free memory, or use --device cpu"
            )
        self.in_flight = max(num // 2, 1)
        self._progress.say(f"out of memory: going on with {self.in_flight} images in flight, which changes no result")


def most_at_once(num_passes: int, chunks: Chunks, *, macs: int) -> int:
    """Return how many images may fly together, so that little is lost to a kill or a time limit.

    Args:
        num_passes: of each image, forwards and backwards.
        chunks: of the model; there is always one for each thread.
        macs: multiply-adds of one forward of one image: the dearer a model, the smaller its flights.
    """
    fewest = chunks.size * (chunks.threads if chunks.device.type == "cpu" else 1)
    most = PASSES_PER_FLIGHT * USUAL_MACS // max(macs, USUAL_MACS) // max(num_passes, 1)
    return max(fewest, most - most % chunks.size)


def _tried(compute: Compute, rows: Rows) -> Arrays | None:
    """Return what was found; None where memory ran out. What the attempt held is free when this returns."""
    try:
        return compute(rows)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return None
