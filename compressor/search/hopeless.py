"""When a candidate ends before the dear examinations: two rules, each with the candidates so far as its reason.

A small network answers little right before it is tuned, so a low figure alone says nothing. What says something is how
others fared that looked better at the same place.
"""

from collections.abc import Sequence

from compressor.gate import wording
from compressor.search.record import Rung, Standing, Trial

FULL = "full"
FEW = 3
"""Candidates that must have had the full recipe before they say how many errors it takes away at most."""


def hopeless(rung: Rung, *, cost: float, past: Sequence[Trial], floor: float) -> str | None:
    """Return why a candidate should end here; None where it may go on.

    Args:
        rung: what was just found.
        cost: of the candidate, as a share of dense.
        past: candidates that ended.
        floor: least accuracy that the policy allows, as far as it can be told.
    """
    return _outdone(rung, cost, past) or _out_of_reach(rung, past, floor)


def _outdone(rung: Rung, cost: float, past: Sequence[Trial]) -> str | None:
    """Say which larger candidate looked at least as well here, and failed in the end."""
    for trial in past:
        theirs = trial.rung(rung.name)
        if trial.standing is not Standing.FAILED or trial.cost is None or theirs is None or not trial.rung(FULL):
            continue
        if trial.cost >= cost and _at_least(theirs, rung):
            return f"candidate {trial.number} was no smaller and no worse at this point, and failed"
    return None


def _at_least(theirs: Rung, ours: Rung) -> bool:
    pairs = [(theirs.accuracy, ours.accuracy), (theirs.robust_accuracy, ours.robust_accuracy)]
    return all(one >= other for one, other in pairs if one is not None and other is not None)


def _out_of_reach(rung: Rung, past: Sequence[Trial], floor: float) -> str | None:
    """Say that the full recipe would have to take away more of the errors than it did for any candidate so far."""
    left = [
        (1 - full.accuracy) / (1 - before.accuracy)
        for trial in past
        if (full := trial.rung(FULL)) is not None
        and (before := trial.rung(rung.name)) is not None
        and full.accuracy is not None
        and before.accuracy is not None
        and before.accuracy < 1
    ]
    if len(left) < FEW or rung.accuracy is None or rung.accuracy >= floor:
        return None
    wanted = (1 - floor) / (1 - rung.accuracy)
    if min(left) <= wanted:
        return None
    return (
        f"the full recipe would have to take away {wording.percent(1 - wanted)} of the errors, and never took away "
        f"more than {wording.percent(1 - min(left))}"
    )
