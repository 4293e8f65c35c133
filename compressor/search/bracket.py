"""How much is tried next: halving between what failed and what passed, first for plain cuts, then for each way.

The ends are known from the trials alone, so whoever looks at the same trials tries the same.
"""

import math
from collections.abc import Sequence

from compressor.search.record import Profile, Standing, Trial
from compressor.search.space import LEAST, Space
from compressor.search.winner import best_of
from compressor.types import Structure

NUM_HALVINGS = 4
"""Plain candidates, the structures in turn, that find the neighbourhood: to a factor of 1.3 between 0.02 and 1."""

REACH = 0.5
"""A way of cutting that has not failed yet is tried between so much of the best and the best."""


def first_amount(trials: Sequence[Trial], space: Space) -> float | None:
    """Return the amount of the next plain candidate, the geometric middle of the bracket; None once that is over.

    Args:
        trials: that ended.
        space: what may be tried.
    """
    if len(trials) >= NUM_HALVINGS:
        return None
    low, high = LEAST, space.most
    for trial in trials:
        if trial.standing is Standing.PASSED:
            high = min(high, space.share_of(trial))
        elif len(trial.rungs) > 1:  # one that could not be cut says nothing about its size
            low = max(low, min(trial.amount, high))
    amount = math.sqrt(low * high)
    return amount if low < amount < high else None


def next_amount(
    trials: Sequence[Trial], space: Space, *, structure: Structure, criterion: str, profile: Profile
) -> float:
    """Return the amount that a way of cutting is tried at next: the geometric middle of its own bracket.

    The upper end is the best of all that passed. The lower one is where this way failed last, or else half of the best.
    As long as nothing passed, what failed by any way is the lower end, so that larger ones are tried.

    Args:
        trials: that ended.
        space: what may be tried.
        structure: of the candidate.
        criterion: of the candidate.
        profile: of the candidate.
    """
    best = best_of(trials)
    if best is None:
        high, low = space.most, max((trial.amount for trial in trials if trial.is_judged), default=LEAST)
    else:
        high = space.share_of(best)
        shape = (structure, criterion, profile)
        failed = [
            trial.amount
            for trial in trials
            if (trial.structure, trial.criterion, trial.profile) == shape and trial.standing is not Standing.PASSED
        ]
        low = max((amount for amount in failed if amount < high), default=max(LEAST, REACH * high))
    return math.sqrt(min(low, high) * high)
