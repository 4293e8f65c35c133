"""One cell of the grid as a file: which test images a network answers right, under everything that was measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import RESULTS
from compressor.finetune.recipe import Recipe
from compressor.records import parse, strict

FOLDER = RESULTS / "paper"
SCHEMA = "compress.paper-row/1"

Kind = Literal["control", "delivered", "filters", "layers"]
"""The dense network tuned alike, the dense network before that, or what left it before the tuning."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is pruned, how, and at which seed."""

    network: str
    kind: Kind
    criterion: str | None = None
    """Of what leaves; None where nothing does."""
    share: float | None = None
    """At most this share of the multiply-adds stays."""
    seed: int

    @property
    def name(self) -> str:
        """What its file is called."""
        words = [self.network, self.kind, self.criterion, None if self.share is None else f"{self.share:g}"]
        return "-".join([*(word for word in words if word is not None), f"seed{self.seed}"])


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`benchmarks/results/paper/FORM/CELL.json`."""

    schema: str
    created: str
    form: str
    settings_sha256: str
    """Of all that decides the outcome and is the same for the whole grid: rows of other settings do not mix."""
    cell: Cell
    dense_sha256: str
    """Of the dense network that it began with; a control of another one is none."""
    skipped: str | None = None
    """Why this network cannot be pruned so; then nothing was measured."""
    macs_fraction: float
    """Multiply-adds that stay, of the dense network's."""
    params_fraction: float
    recipe: Recipe | None
    """None: not tuned."""
    num_train: int
    select_accuracy_before: float | None
    """As cut, on images aside."""
    select_accuracy: float | None
    best_epoch: int | None
    """0: the statistics of BatchNorm were estimated anew, and no epoch was better."""
    battery: str
    """What `battery` means in the names of measures: `quick` or `standard`."""
    num_images: int
    images_sha256: str
    right: dict[str, str]
    """Measure to one bit per test image, in hexadecimal (`numpy.packbits`)."""
    seconds: float
    """Processor time of the cell."""
    load: float
    """Processes that wanted a core when the row was written, this one included (average over 5 minutes)."""
    device: str
    code: str
    """Digest of what pruned, tuned and measured."""
    command: str
    versions: dict[str, str]
    host: dict[str, str | int]

    def bits(self, measure: str) -> NDArray[np.float64]:
        """Return 1 for each image that is right under a measure, else 0: (N,)."""
        packed = np.frombuffer(bytes.fromhex(self.right[measure]), dtype=np.uint8)
        return np.unpackbits(packed)[: self.num_images].astype(np.float64)

    def share(self, measure: str) -> float:
        """Return the share of images that are right under a measure."""
        return float(self.bits(measure).mean())


def packed(right: NDArray[np.bool_]) -> str:
    """Return one bit per image as text."""
    return np.packbits(right).tobytes().hex()


def read_rows(folder: Path) -> list[Row]:
    """Read all rows of a folder, in the order of their names."""
    return [parse(path.read_bytes(), Row, source=str(path)) for path in sorted(folder.glob("*.json"))]
