"""Which candidate is released, and what is in the way where none is."""

from collections import Counter
from collections.abc import Sequence

from compressor.gate import wording
from compressor.search.found import found_words
from compressor.search.record import Judged, Standing, Trial

NOTHING = float("inf")


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the smallest candidate that passed, the first of several; None where none did."""
    passed = [each for each in trials if each.standing is Standing.PASSED and each.cost is not None]
    return min(passed, key=lambda each: (each.cost, each.number), default=None)


def winner_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the candidate to release: the smallest that passed, else the least undecided one, else None.

    Undecided ones are not taken for their size: the smallest of them is the one that chance favoured most.
    """
    undecided = [each for each in trials if each.standing is Standing.UNDECIDED]
    return best_of(trials) or min(
        undecided, key=lambda each: (_missing(each), each.cost or NOTHING, each.number), default=None
    )


def nothing_passed(trials: Sequence[Trial]) -> str:
    """Return which condition binds and by how much, for the candidate that came nearest."""
    judged = [(each, each.binding) for each in trials if each.binding is not None]
    if not judged:
        first = f"; the first: {trials[0].why}" if trials else ""
        return f"none of {len(trials)} candidates could be judged{first}"
    closest, binding = min(judged, key=lambda pair: (_missing(pair[0]), pair[0].number))
    assert binding is not None
    counts = Counter(each.id for _, each in judged if each is not None and each.shortfall > 0)
    most = "; ".join(f"{name} binds {num} of {len(judged)}" for name, num in counts.most_common(2))
    return (
        f"none of {len(trials)} candidates passed on select images. {most}. The nearest is {called(closest)}: "
        f"{found_words(binding)}, {short_by(binding)}"
    )


def called(trial: Trial) -> str:
    """Return what to call a candidate in a sentence."""
    cost = "" if trial.cost is None else f", {wording.percent(trial.cost)} of dense"
    return f"candidate {trial.number} ({trial.structure} by {trial.criterion}, {trial.profile}{cost})"


def short_by(condition: Judged) -> str:
    """Return how much is missing, in the condition's own unit."""
    if condition.id.startswith(("size.", "latency.")):
        return f"{wording.percent(condition.found / condition.limit - 1)} too much"
    return f"{wording.points(abs(condition.found - condition.limit))} too {_side(condition)}"


def _side(condition: Judged) -> str:
    return "many" if condition.found > condition.limit else "few"


def _missing(trial: Trial) -> float:
    return NOTHING if trial.shortfall is None else trial.shortfall
