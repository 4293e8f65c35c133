"""Looking early: is the verdict certain after the images so far, whatever the others would say?"""

from collections.abc import Mapping
from dataclasses import dataclass

from compressor.attacks.threat import Threat
from compressor.certify.demand import Demand, Demands
from compressor.certify.sequential import difference_sequence, share_sequence
from compressor.types import Decision, Interval

LOOK_EVERY = 50
"""Images between two looks. No option: where a run stops may not depend on how it was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Images so far, under one threat or clean."""

    num: int
    num_right: int
    """That the slim model answers right, and go on being answered right."""
    only_dense: int | None = None
    """Right with the dense model only; None without one."""
    only_slim: int | None = None
    """Right with the slim model only."""


def decide(demands: Demands, tallies: Mapping[Threat | None, Tally], confidence: float) -> Decision:
    """Return what is certain by now: all hold, one fails, or neither.

    A model that breaks any one condition is wrongly rejected with probability at most 1 - `confidence`, over all looks
    and all conditions together: each is failed at its share of that. A model is passed only when all conditions hold,
    so there each may use the whole.

    Args:
        demands: what is wanted.
        tallies: by threat; None is clean. A drop needs those of both models.
        confidence: in (0, 1).
    """
    shared = 1 - (1 - confidence) / len(demands.each)
    if any(_holds(demand, tallies[demand.threat], shared) is False for demand in demands.each):
        return Decision.FAILED
    enough = not demands.needs_all and min(tally.num for tally in tallies.values()) >= demands.min_images
    if enough and all(_holds(demand, tallies[demand.threat], confidence) for demand in demands.each):
        return Decision.PASSED
    return Decision.UNDECIDED


def _holds(demand: Demand, tally: Tally, confidence: float) -> bool | None:
    """Return whether a condition certainly holds, certainly does not (False), or may do either (None)."""
    if demand.at_least is not None:
        low, high = share_sequence(tally.num_right, tally.num, confidence)
        return True if low >= demand.at_least else False if high < demand.at_least else None
    assert demand.most_drop is not None
    low, high = _drop(tally, confidence)
    return True if high <= demand.most_drop else False if low > demand.most_drop else None


def _drop(tally: Tally, confidence: float) -> Interval:
    assert tally.only_dense is not None
    assert tally.only_slim is not None
    return difference_sequence(tally.only_dense, tally.only_slim, tally.num, confidence)
