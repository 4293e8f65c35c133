"""From a ceiling to a model below it, where a size can only be measured: bytes of a file, time on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Progress
from compressor.prune.choose import Choice, Chooser
from compressor.prune.plan_record import Tried
from compressor.prune.targets import LARGEST, Size, largest_below, smallest_model, unreachable

BYTES_PER_PARAMETER = (4, 2, 1)
"""In float32, float16 and int8."""
NUM_EXPORTS = 8
"""Of candidates, at most. Two or three are the rule: a file is its parameters and a nearly constant rest."""
UNSURE_BYTES = 128
"""How far a prediction may be wrong: names and lengths in the file grow by a digit, norms are folded away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a measurement found."""

    value: float
    """Bytes, milliseconds, or a ratio of latencies."""
    upper: float
    """Upper end of its interval at confidence 0.95; the value itself where nothing is uncertain."""


class Measure(Protocol):
    """Measures one model."""

    def __call__(self, checkpoint: Checkpoint, *, thorough: bool = False) -> Measured:
        """Return its size; `thorough` asks for the longer measurement that decides."""


Make = Callable[[Choice], Checkpoint]
Key = tuple[tuple[str, ...], tuple[tuple[str, int], ...]]


@dataclass(slots=True, kw_only=True)
class Bench:
    """Cuts and measures choices, each once, and remembers all of it."""

    make: Make
    """Choice to slim checkpoint."""
    measure: Measure
    found: dict[tuple[Key, bool], Measured]
    tried: list[Tried]

    def note(self, choice: Choice, measured: Measured) -> None:
        """Remember what is known without measuring."""
        self.found[key_of(choice), False] = measured

    def upper(self, choice: Choice, *, thorough: bool = False) -> float:
        """Return the upper end of what a choice measures."""
        place = (key_of(choice), thorough)
        if place not in self.found:
            measured = self.measure(self.make(choice), thorough=thorough)
            self.found[place] = measured
            self.tried.append(
                Tried(
                    macs=choice.cost.macs,
                    params=choice.cost.params,
                    value=measured.value,
                    upper=measured.upper,
                    thorough=thorough,
                )
            )
        return self.found[place].upper

    def value(self, choice: Choice) -> float:
        """Return the best guess of what a choice measures."""
        self.upper(choice)
        return self.found[key_of(choice), False].value

    def knows(self, choice: Choice) -> bool:
        """Whether a choice was measured."""
        return (key_of(choice), False) in self.found


def key_of(choice: Choice) -> Key:
    """Return what tells a choice from others of the same chooser: which blocks leave, and how many units."""
    return choice.blocks, tuple(sorted((name, len(units)) for name, units in choice.leaving.items()))


def fit_bytes(
    chooser: Chooser, bench: Bench, limit: float, *, dense: Choice, progress: Progress
) -> tuple[float, Choice, Size]:
    """Find the largest model whose file does not exceed a ceiling.

    Files are predicted from their parameters and what the most similar measured file has beyond them; the largest
    choice by that prediction is exported and so becomes known, until the largest choice is a known one.

    Args:
        chooser: of the dense model.
        bench: has measured the dense model.
        limit: bytes.
        dense: the choice that leaves nothing.
        progress: told of each export.

    Returns:
        The ratio, what leaves, and the size by which it was found, for the next step up.

    Raises:
        PruneError: the smallest model exceeds the limit.
    """
    each = _bytes_per_parameter(bench.upper(dense) / dense.cost.params)
    beyond = {dense.cost.params: bench.upper(dense) - each * dense.cost.params}

    def size(choice: Choice) -> float:
        if bench.knows(choice):
            return bench.upper(choice)
        nearest = min(beyond, key=lambda params: abs(params - choice.cost.params))
        return each * choice.cost.params + beyond[nearest]

    def doubtful(choice: Choice) -> Choice | None:
        """Return the smallest step up that the prediction puts so little above that it may be below."""
        larger = (chooser.enlarged(choice, part) for part in chooser.parts(choice))
        near = [step for step in larger if not bench.knows(step) and size(step) <= limit + UNSURE_BYTES]
        return min(near, key=size, default=None)

    smallest = smallest_model(chooser)
    best: tuple[float, Choice] | None = None
    with progress.stage("fit bytes", unit="export") as step:
        for _ in range(NUM_EXPORTS):
            ratio, choice = largest_below(chooser, size, limit) if size(smallest) <= limit else (LARGEST, smallest)
            best = (ratio, choice) if bench.knows(choice) and bench.upper(choice) <= limit else best
            trial = doubtful(choice) if bench.knows(choice) else choice
            if trial is None or (bench.knows(smallest) and bench.upper(smallest) > limit):
                break
            found = bench.upper(trial)
            beyond[trial.cost.params] = found - each * trial.cost.params
            best = (ratio, trial) if found <= limit else best
            step.advance(1, f"{found:,.0f} bytes at {trial.cost.params:,} parameters")
    if best is not None:
        return *best, size
    if bench.knows(smallest) and bench.upper(smallest) > limit:
        raise unreachable("bytes", bench.upper(smallest), limit)
    raise PruneError(
        f"no file of at most {limit:,.0f} bytes was found in {NUM_EXPORTS} exports",
        advice="allow some more, or take --target-params",
    )


def _bytes_per_parameter(found: float) -> int:
    """Return what a parameter takes in a file whose bytes per parameter, names and all, are these."""
    return next((size for size in BYTES_PER_PARAMETER if size <= found), min(BYTES_PER_PARAMETER))
