"""How much is tried next: halving between what failed and what passed, first for plain cuts, then for others.

The ends are known from the trials alone, so whoever looks at the same trials tries the same.
"""

import math
from collections.abc import Sequence

from compressor.search.record import Standing, Trial, Way
from compressor.search.space import LEAST, Space
from compressor.search.winner import best_of

NUM_HALVINGS = 4
"""Heats of plain cuts, the structures in turn, that find the neighbourhood: to a factor of 1.3 between 0.02 and 1."""

REACH = 0.5
"""Below the best, so much of it is the first lower end."""

CLOSED = 0.9
"""Where the lower end is above so much of the best, other ways of cutting are tried from the first lower end again."""

OVER = 0.99
"""Where it is above so much of the best, and every way has failed there, nothing is left to try."""


def heats_of(trials: Sequence[Trial]) -> tuple[tuple[Trial, ...], ...]:
    """Return the candidates of each heat, in the order in which the heats began."""
    numbers = sorted({trial.heat for trial in trials})
    return tuple(tuple(trial for trial in trials if trial.heat == number) for number in numbers)


def next_size(trials: Sequence[Trial], space: Space) -> tuple[float | None, tuple[Way, ...]]:
    """Return how much the next heat keeps, and the ways of cutting to try at that; None where nothing is left to try.

    Args:
        trials: that ended.
        space: what may be tried.
    """
    amount = first_amount(trials, space)
    if amount is not None:
        return amount, space.plain(len(heats_of(trials)))
    amount = next_amount(trials, space)
    return amount, () if amount is None else ways_left(trials, space, amount)


def first_amount(trials: Sequence[Trial], space: Space) -> float | None:
    """Return the amount of the next plain heat, the geometric middle of the bracket; None once that is over.

    Args:
        trials: that ended.
        space: what may be tried.
    """
    heats = heats_of(trials)
    if len(heats) >= NUM_HALVINGS:
        return None
    low, high = LEAST, space.most
    for heat in heats:
        passed = [space.share_of(trial) for trial in heat if trial.standing is Standing.PASSED]
        if passed:
            high = min(high, *passed)
        elif any(len(trial.rungs) > 1 for trial in heat):  # what could not be cut says nothing about its size
            low = max(low, min(heat[0].amount, high))
    amount = math.sqrt(low * high)
    return amount if low < amount < high else None


def next_amount(trials: Sequence[Trial], space: Space) -> float | None:
    """Return the amount of the next heat: the geometric middle between what failed last and the best that passed.

    Before anything failed after the best was found, the lower end is half of it, or where every way of cutting has
    failed above that, the least of these. Whenever the two are close, it is that again: what failed were other ways. As
    long as nothing passed, the largest heat is the lower end, so that larger ones are tried.

    Args:
        trials: that ended.
        space: what may be tried.

    Returns:
        None where nothing is left to try.
    """
    best, amounts = best_of(trials), {heat[0].number: heat[0].amount for heat in heats_of(trials)}
    if best is None:
        high, low = space.most, max(amounts.values(), default=LEAST)
        return None if low > OVER * high else math.sqrt(low * high)
    high = space.share_of(best)
    failed, floor = _failed(trials, high), max(LEAST, REACH * high)
    least = min(max(floor, failed.get(way, floor)) for way in space.ways)
    low = least
    for number, amount in amounts.items():
        if number > best.number and amount < high:
            low = max(low, amount)
            low = least if low > CLOSED * high else low
    return None if low > OVER * high else math.sqrt(low * high)


def ways_left(trials: Sequence[Trial], space: Space, amount: float) -> tuple[Way, ...]:
    """Return the ways of cutting to try at an amount: those that have not failed at it, or at more.

    Args:
        trials: that ended.
        space: what may be tried.
        amount: of the next heat.
    """
    best = best_of(trials)
    failed = {} if best is None else _failed(trials, space.share_of(best))
    return tuple(way for way in space.ways if failed.get(way, 0.0) < amount)


def _failed(trials: Sequence[Trial], high: float) -> dict[Way, float]:
    """Return the largest amount, below what the best one has, at which each way failed.

    A way fails where it was judged and did not pass, or is the same cut as such a one, where it cannot be cut so far,
    and where it was looked at in a heat of which none came to a judgement.
    """
    refused = {each.cut_sha256 for each in trials if each.is_judged and each.standing is not Standing.PASSED}
    found: dict[Way, float] = {}
    for heat in heats_of(trials):
        is_hopeless = not any(each.is_judged for each in heat)
        for each in heat:
            is_refused = each.cut_sha256 is None or each.cut_sha256 in refused
            if (is_refused or (is_hopeless and len(each.rungs) > 1)) and each.amount < high:
                way = each.candidate.way
                found[way] = max(each.amount, found.get(way, 0.0))
    return found
