"""The tests that decide claims: one-sided t, its interval, and Holm's correction."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from compressor.types import Interval

Values = NDArray[np.float64]


def p_above_zero(values: Values) -> float:
    """Return the one-sided p of the t test that the mean is above zero: (n,), n at least 2.

    Where all values are equal there is no spread to compare with; p is then that of flipping their signs, 1 / 2**n.
    """
    mean, error = _mean_and_error(values)
    if error == 0:
        return 0.5 ** len(values) if mean > 0 else 1.0
    return float(stdtr(len(values) - 1, -mean / error))


def t_interval(values: Values, confidence: float) -> Interval:
    """Return the two-sided t interval on the mean: (n,), n at least 2."""
    mean, error = _mean_and_error(values)
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return mean - half, mean + half


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Return adjusted values of p in the order given: at most alpha says the same as Holm's steps down do at alpha.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def _mean_and_error(values: Values) -> tuple[float, float]:
    """Return the mean and its standard error."""
    assert len(values) >= 2
    spread = float(values.std(ddof=1))
    # What is equal but for rounding has no spread.
    return float(values.mean()), 0.0 if spread < 1e-12 else spread / math.sqrt(len(values))
