"""How long work tells where it is. Silent unless somebody listens; the command line listens.

A stage announces itself and advances:

    with progress.stage("fine-tune", total=3, unit="epoch") as step:
        for epoch in range(3):
            ...                       # work, then save the state
            step.advance(1, "loss 0.41, 87.2 % right")

`advance` is called *after* the state was saved: a listener may raise there (time limit, interruption)
and nothing is lost.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """A running stage."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Report `amount` more units done, with a short note on where things stand."""


class Progress(Protocol):
    """Somebody who wants to know."""

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage of `total` units (None: unknown)."""

    def say(self, message: str) -> None:
        """Tell one sentence that a person should read."""


class _SilentStep:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass


class Silent:
    """Nobody listens."""

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Step]:  # noqa: ARG002
        """Show nothing."""
        yield _SilentStep()

    def say(self, message: str) -> None:
        """Say nothing."""


SILENT = Silent()


class Within:
    """Stages inside a stage: what they tell becomes a note of the outer one, which may raise there as ever."""

    def __init__(self, outer: Progress, step: Step) -> None:
        self._outer = outer
        self._step = step

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Step]:  # noqa: ARG002
        """Open a stage whose units are not counted."""
        yield _InnerStep(self._step, name)

    def say(self, message: str) -> None:
        """Pass a sentence on."""
        self._outer.say(message)


class _InnerStep:
    def __init__(self, step: Step, name: str) -> None:
        self._step = step
        self._name = name

    def advance(self, amount: int = 1, note: str = "") -> None:  # noqa: ARG002
        self._step.advance(0, f"{self._name}: {note}" if note else self._name)
