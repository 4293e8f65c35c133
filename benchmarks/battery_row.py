"""One row of the battery benchmark: a model under one threat, and what each battery answered about it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import RESULTS
from compressor.certify.certificate import AttackResult
from compressor.records import parse, strict

FOLDER = RESULTS / "battery"
SCHEMA = "compress.battery-benchmark/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one battery found, and what that took."""

    battery: str
    """`quick`, `standard`, `full`, `standard --decide`, or the peer that ran."""
    sha256: str
    """Of the attacks with all their settings at this threat."""
    attacks: tuple[AttackResult, ...]
    """In their order. Of a peer only the settings are known."""
    standing: str
    """One bit per image in hexadecimal (`numpy.packbits`): right, and right under every attack."""
    num_forward: int
    """Images passed through the model, those for the clean answers, Square and judging included."""
    num_backward: int
    preflight_forward: int = 0
    """The same for the checks on whether the attacks were fooled."""
    preflight_backward: int = 0
    flags: tuple[str, ...] = ()
    """Ids of what the checks raised."""
    seconds: tuple[float, ...] = ()
    """Processor time with the clean answers, each repetition. Empty: it was interrupted and resumed."""
    wall_seconds: tuple[float, ...] = ()
    """The same by the clock on the wall; on a busy machine it says little."""
    preflight_seconds: tuple[float, ...] = ()
    """Processor time of the checks; a run that decides has them in `seconds`."""
    num_looked_at: int | None = None
    """How many images were enough; None: all were attacked."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`benchmarks/results/battery/NAME.json`."""

    schema: str
    created: str
    kind: str
    """`oracle`, `resnet`, `speed` or `choice`."""
    name: str
    """What was measured; the file is called so."""
    model: str
    """What the model is and how it was trained, for a person."""
    model_sha256: str
    threat: str
    images: str
    """Which images, for a person."""
    num_images: int
    seed: int
    device: str
    threads: int
    code: str
    """Digest of attacks, certification and this benchmark, without the lists of attacks: those are in the answers."""
    versions: dict[str, str]
    host: dict[str, str | int]
    load: float
    """Processes that wanted a core when the row was written, this one included (average over 5 minutes)."""
    answers: tuple[Answer, ...]

    def answer(self, battery: str) -> Answer | None:
        """Return what a battery answered; None if it was not run yet."""
        return next((each for each in self.answers if each.battery == battery), None)

    def stands(self, answer: Answer) -> NDArray[np.bool_]:
        """Return which images are right and stay right: (N,)."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(answer.standing), dtype=np.uint8))
        return bits[: answer.num_looked_at or self.num_images].astype(np.bool_)

    def num_right(self) -> int:
        """Return how many images are answered right before any attack."""
        whole = next(each for each in self.answers if each.num_looked_at is None)
        return whole.attacks[0].num_attempted

    def num_standing(self, answer: Answer) -> int:
        """Return how many images are right and stay right."""
        return int(self.stands(answer).sum())


def packed(stands: NDArray[np.bool_]) -> str:
    """Return one bit per image as text."""
    return np.packbits(stands).tobytes().hex()


def read_row(path: Path) -> Row:
    """Read one row back."""
    return parse(path.read_bytes(), Row, source=str(path))


def read_rows() -> list[Row]:
    """Read all rows, in the order of their names."""
    return [read_row(path) for path in sorted(FOLDER.glob("*.json"))]
