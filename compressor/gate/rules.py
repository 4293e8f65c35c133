"""How a figure is held against a limit. Each rule answers with one condition.

With an interval there are three answers: it lies wholly on the good side (passed), wholly on the bad side (failed), or
the limit is inside it (undecided, with the number of images that would probably decide). Facts have no interval and are
never undecided. What could not be looked at is undecided, never passed.
"""

import math
from statistics import NormalDist

from compressor.gate import wording
from compressor.gate.verdict import Condition
from compressor.types import Decision, Interval

MOST_IMAGES = 1_000_000
"""Beyond this, more images are no advice."""


def wilson(num_right: int, num: int, *, confidence: float) -> Interval:
    """Return the two-sided Wilson interval of a share.

    Args:
        num_right: of `num`.
        num: at least 1.
        confidence: in (0, 1).

    Source: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = num_right / num
    middle = share + z * z / (2 * num)
    half = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    scale = 1 + z * z / num
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def missing(condition_id: str, demanded: str, reason: str) -> Condition:
    """Return the condition for what could not be looked at: undecided, which blocks."""
    return Condition(
        id=condition_id, demanded=demanded, found=None, interval=None, decision=Decision.UNDECIDED, reason=reason
    )


def checked(
    condition_id: str, *, demanded: str, found: float | int | str | None, holds: bool, reason: str
) -> Condition:
    """Return a condition on the evidence itself: it holds, or nothing can be concluded from it."""
    decision = Decision.PASSED if holds else Decision.UNDECIDED
    return Condition(
        id=condition_id,
        demanded=demanded,
        found=found,
        interval=None,
        decision=decision,
        reason=f"{reason}: {decision}",
    )


def fact(condition_id: str, *, demanded: str, found: float | int, holds: bool, reason: str) -> Condition:
    """Return a condition on something counted or measured without an interval: passed or failed."""
    decision = Decision.PASSED if holds else Decision.FAILED
    return Condition(
        id=condition_id,
        demanded=demanded,
        found=found,
        interval=None,
        decision=decision,
        reason=f"{reason}: {decision}",
    )


def decide_at_least(limit: float, interval: Interval) -> Decision:
    """Return what an interval says to `at least limit`."""
    lower, upper = interval
    if lower >= limit:
        return Decision.PASSED
    return Decision.FAILED if upper < limit else Decision.UNDECIDED


def decide_at_most(limit: float, interval: Interval) -> Decision:
    """Return what an interval says to `at most limit`: the mirror image."""
    lower, upper = interval
    if upper <= limit:
        return Decision.PASSED
    return Decision.FAILED if lower > limit else Decision.UNDECIDED


def images_to_decide(found: float, limit: float, interval: Interval, num_images: int) -> int | None:
    """Return how many more images would probably decide, or None when no practical number would.

    An interval shrinks with the square root of the number of images, so the side that reaches over the limit must
    shrink from its present length to the distance between figure and limit. "Probably": the figure moves too.
    """
    distance = abs(found - limit)
    side = found - interval[0] if found >= limit else interval[1] - found
    if distance == 0 or side <= 0:
        return None
    more = num_images * ((side / distance) ** 2 - 1)
    return wording.rounded_up(more) if more <= MOST_IMAGES else None


def settle(found: float, limit: float, interval: Interval, num_images: int) -> str:
    """Return the end of an undecided reason: what would settle it."""
    more = images_to_decide(found, limit, interval, num_images)
    if more is None:
        return "undecided, too close to the limit for any practical number of images"
    return f"undecided, about {wording.amount(more)} more images would settle it"


def share_at_least(
    condition_id: str, *, what: str, found: float, interval: Interval, limit: float, num_images: int
) -> Condition:
    """Judge `a share is at least limit`.

    Args:
        condition_id: stable id.
        what: what the share is of, as the sentence begins: "robust accuracy at linf 2/255".
        found: measured, in [0, 1].
        interval: around it.
        limit: demanded, in [0, 1].
        num_images: that it was measured on.
    """
    decision = decide_at_least(limit, interval)
    if not interval[0] <= found <= interval[1]:
        decision = Decision.UNDECIDED
        ending = "undecided, the recorded interval does not even hold the figure"
    else:
        ending = settle(found, limit, interval, num_images) if decision is Decision.UNDECIDED else str(decision)
    demanded = f"at least {wording.demanded_percent(limit)}"
    return Condition(
        id=condition_id,
        demanded=demanded,
        found=found,
        interval=interval,
        decision=decision,
        reason=f"{what} is {wording.percent(found, besides=limit)} {wording.bracket(interval, besides=limit)}; "
        f"demanded {demanded}: {ending}",
    )


def drop_at_most(
    condition_id: str, *, what: str, found: float, interval: Interval, limit: float, num_images: int
) -> Condition:
    """Judge `dense - slim is at most limit`: non-inferiority, on the interval of the paired difference.

    Args:
        condition_id: stable id.
        what: what dropped: "robust accuracy at linf 2/255".
        found: dense - slim, in [-1, 1]; below 0 when slim is better.
        interval: around it.
        limit: demanded, in [0, 1].
        num_images: that both were measured on.
    """
    decision = decide_at_most(limit, interval)
    if not interval[0] <= found <= interval[1]:
        decision = Decision.UNDECIDED
        ending = "undecided, the recorded interval does not even hold the figure"
    else:
        ending = settle(found, limit, interval, num_images) if decision is Decision.UNDECIDED else str(decision)
    demanded = f"at most {wording.demanded_points(limit)} below"
    moved = f"{wording.points(abs(found), besides=limit)} {'below' if found >= 0 else 'above'} the baseline"
    return Condition(
        id=condition_id,
        demanded=f"{demanded} the baseline",
        found=found,
        interval=interval,
        decision=decision,
        reason=f"{what} is {moved}, drop {wording.bracket(interval, besides=limit)}; demanded {demanded}: {ending}",
    )
