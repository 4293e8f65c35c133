"""What a candidate tells while it is examined, and the clock that is looked at whenever it does."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from compressor.progress import Progress, Step, Within
from compressor.search.clock import Clock
from compressor.search.record import Trial
from compressor.search.study import Study


class Watching:
    """Stages of one candidate: their place is a note of the search, and what they say is not repeated for each."""

    def __init__(self, outer: Progress, step: Step, number: int, study: Study) -> None:
        self._inner = Within(outer, step)
        self._number, self._study = number, study

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage whose units are not counted."""
        self._study.seen()
        return self._inner.stage(f"candidate {self._number}, {name}", total=total, unit=unit)

    def say(self, message: str) -> None:
        """Say nothing."""


class Insisting:
    """A step at which the candidate at hand is given up when its time is over."""

    def __init__(self, step: Step, clock: Clock, ended: Sequence[Trial]) -> None:
        self._step, self._clock, self._ended = step, clock, ended

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Advance, and look at the clock."""
        self._step.advance(amount, note)
        self._clock.insist(self._ended)
