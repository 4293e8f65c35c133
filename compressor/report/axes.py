"""Axes with round figures around what is drawn."""

from collections.abc import Sequence
from math import floor, log10

from compressor.report.plots import Axis


def times(values: Sequence[float]) -> Axis:
    """Return an axis from zero to beyond the longest time, with round figures."""
    high = 1.1 * max(values) or 1.0
    step = 10.0 ** floor(log10(high))
    step = next(size for size in (step / 5, step / 2, step, 2 * step, 5 * step) if high / size <= 4)
    ticks = tuple((step * place, f"{step * place:.3g}") for place in range(int(high / step) + 1))
    return Axis(low=0, high=high, ticks=ticks)


def shares(values: Sequence[float]) -> Axis:
    """Return an axis in twentieths of the whole around all shares."""
    low = max(0, floor(20 * min(values) - 0.5))
    high = min(20, floor(20 * max(values) + 1.5))
    low = min(low, high - 1)
    return Axis(low=low / 20, high=high / 20, ticks=((low / 20, f"{5 * low} %"), (high / 20, f"{5 * high} %")))
