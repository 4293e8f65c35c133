"""What a candidate tells while it is examined, and the clock that is looked at whenever it does."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

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
    """A step at which the heat at hand is given up when its time is over."""

    def __init__(self, step: Step, clock: Clock, ended: Sequence[Trial], study: Study) -> None:
        self._step, self._clock, self._ended, self._study = step, clock, ended, study

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Advance, give a sign of life, and look at the clock."""
        self._step.advance(amount, note)
        self._study.seen()
        self._clock.insist(self._ended)


class Beating:
    """A listener that gives signs of life while the winner is released, for those who wait on other machines."""

    def __init__(self, outer: Progress, study: Study) -> None:
        self._outer, self._study = outer, study

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Open a stage."""
        with self._outer.stage(name, total=total, unit=unit) as step:
            yield _Beat(step, self._study)

    def say(self, message: str) -> None:
        """Pass it on."""
        self._outer.say(message)


class _Beat:
    def __init__(self, step: Step, study: Study) -> None:
        self._step, self._study = step, study

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._step.advance(amount, note)
        self._study.seen()
