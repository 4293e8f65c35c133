"""From a ceiling on what stays to the largest model below it."""

from collections.abc import Callable
from typing import TypeVar

from compressor.errors import PruneError

Choice = TypeVar("Choice")

NUM_HALVINGS = 24
"""Ratios are told apart to 2^-24: finer than one unit of any group."""
NUM_MEASUREMENTS = 8
"""Halvings where each costs a slim model and a measurement."""
SMALLEST, LARGEST = 2.0**-NUM_HALVINGS, 1.0 - 2.0**-NUM_HALVINGS


def limit_of(target: float | int, dense: int, name: str) -> int:
    """Return a ceiling in units of the quantity: a float below 1 is a fraction of dense, else it is absolute.

    Args:
        target: as given.
        dense: the quantity before.
        name: of the option, for errors.

    Raises:
        PruneError: not positive, or not below dense.
    """
    advice = f"{name} is a ceiling on what stays: a fraction of dense in (0, 1), or a number below {dense:,}"
    limit = int(target * dense) if isinstance(target, float) and target < 1 else int(target)
    if target <= 0 or limit < 1:
        raise PruneError(f"{name} {target!r} leaves nothing", advice=advice)
    if limit >= dense:
        raise PruneError(f"{name} {target!r} is not below dense ({dense:,}): nothing would be removed", advice=advice)
    return limit


def smallest_ratio(
    choose: Callable[[float], Choice], size: Callable[[Choice], float], limit: float, *, num_halvings: int
) -> tuple[float, Choice, Choice | None]:
    """Halve the interval of ratios until the smallest that meets the limit is found.

    Args:
        choose: ratio in (0, 1) to what would be chosen; its size falls as the ratio rises.
        size: of a choice.
        limit: the size may not exceed it.
        num_halvings: how often.

    Returns:
        The ratio, its choice, and the choice just below that ratio (None where every ratio meets the limit).

    Raises:
        PruneError: even the largest ratio leaves more.
    """
    low, high = SMALLEST, LARGEST
    best, above = choose(high), choose(low)
    if size(best) > limit:
        raise PruneError(
            f"the target cannot be reached: at least {size(best):,.0f} stays, {limit:,.0f} was allowed",
            advice="allow more, try --structure both, or loosen --keep and --round-to",
        )
    if size(above) <= limit:
        return low, above, None
    for _ in range(num_halvings):
        middle = (low + high) / 2
        choice = choose(middle)
        if size(choice) <= limit:
            high, best = middle, choice
        else:
            low, above = middle, choice
    return high, best, above
