"""Which candidate is released, and what is in the way where none is."""

from collections import Counter
from collections.abc import Callable, Sequence

from compressor.gate import wording
from compressor.search.found import found_words, is_ceiling
from compressor.search.record import CONFIRM, Judged, Standing, Trial

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


def to_confirm(trials: Sequence[Trial], awaits: Callable[[Trial], bool]) -> Trial | None:
    """Return which candidate meets the battery of the release next; None where the smallest that passed has met it.

    The smallest that passed first. Where that battery disagreed with `quick` before, the middle one of those in
    question, so that of many only a few meet it.

    Args:
        trials: that ended.
        awaits: whether a candidate passed, by a weaker battery than that of the release.
    """
    best = best_of(trials)
    if best is None or not awaits(best):
        return None
    ranked = sorted(
        (each for each in trials if each.standing is Standing.PASSED and each.cost is not None),
        key=lambda each: (each.cost, each.number),
    )
    held = next((place for place, each in enumerate(ranked) if not awaits(each)), len(ranked))
    was_refused = any(each.rung(CONFIRM) is not None and each.standing is not Standing.PASSED for each in trials)
    return ranked[held // 2 if was_refused else 0]


def outlived(trials: Sequence[Trial], refused: Trial, awaits: Callable[[Trial], bool]) -> tuple[Trial, ...]:
    """Return the candidates that fall with one that the battery of the release refused: those that are no larger.

    Args:
        trials: that ended.
        refused: by that battery.
        awaits: whether a candidate passed, by a weaker battery than that of the release.
    """
    assert refused.cost is not None
    return tuple(each for each in trials if awaits(each) and each.cost is not None and each.cost <= refused.cost)


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
    is_met = condition.found <= condition.limit if is_ceiling(condition) else condition.found >= condition.limit
    if is_met:
        return "too close to be decided on the test images"
    if condition.id.startswith(("size.", "latency.")):
        return f"{wording.percent(condition.found / condition.limit - 1)} too much"
    side = "many" if is_ceiling(condition) else "few"
    return f"{wording.points(abs(condition.found - condition.limit))} too {side}"


def _missing(trial: Trial) -> float:
    return NOTHING if trial.shortfall is None else trial.shortfall
