"""Intervals hold what they should as often as they say, also where sessions differ by more than their runs tell."""

import math

import numpy as np
import pytest

from compressor.bench.statistics import is_noisy, median_interval, ratio_of_pairs
from compressor.bench.turns import NUM_SESSIONS


def test_interval_of_two_pairs_in_closed_form():
    """Ratios 1/2 and 2 around 1: with one degree of freedom, t is 12.706 (its table)."""
    ratio, (low, high) = ratio_of_pairs(np.array([1.0, 4.0]), np.array([2.0, 2.0]))
    assert ratio == pytest.approx(1)
    assert math.log(high) == pytest.approx(12.7062 * math.log(2), rel=1e-4)
    assert low == pytest.approx(1 / high)


def test_the_sides_swap():
    """Of b against a, ratio and interval are the reciprocals of those of a against b."""
    rng = np.random.default_rng(0)
    mine, other = rng.lognormal(0, 0.1, 10), rng.lognormal(0, 0.1, 10)
    ratio, (low, high) = ratio_of_pairs(mine, other)
    assert ratio_of_pairs(other, mine) == (pytest.approx(1 / ratio), (pytest.approx(1 / high), pytest.approx(1 / low)))


@pytest.mark.parametrize("offsets", ["normal", "two places", "normal and rare bursts"])
@pytest.mark.parametrize("ratio", [1.0, 0.8])
def test_interval_covers_where_sessions_differ(offsets, ratio):
    """Of 2,000 made-up comparisons, 5 % miss the true ratio (3.5 to 6.5 allowed; fewer where bursts widen them).

    Each session has an offset of its own, each pair a drift that meets both sides, and the median of its runs a small
    error. Runs that are resampled as if independent see the small error only, and nearly always exclude 1.
    """
    rng = np.random.default_rng(0)
    size = (2000, NUM_SESSIONS)

    def own() -> np.ndarray:
        if offsets == "two places":
            return rng.choice([-0.004, 0.004], size) + rng.normal(0, 0.001, size)
        bursts = (rng.random(size) < 0.03) * rng.normal(0.03, 0.01, size) if "bursts" in offsets else 0.0
        return rng.normal(0, 0.004, size) + bursts + rng.normal(0, 0.001, size)

    drift = np.cumsum(rng.normal(0, 0.05, size), axis=1)
    mine, other = np.exp(drift + own()) * ratio, np.exp(drift + own())
    missed = 0
    for pair in zip(mine, other, strict=True):
        _, (low, high) = ratio_of_pairs(*pair)
        missed += not low <= ratio <= high
    assert (0.005 if "bursts" in offsets else 0.035) <= missed / 2000 <= 0.065


def test_interval_of_the_median_in_closed_form():
    """Of ten values the second and the ninth, of thirty the tenth and the twenty-first (binomial table)."""
    assert median_interval(np.arange(1.0, 11.0)) == (2.0, 9.0)
    times = np.arange(1.0, 31.0)
    assert median_interval(times[::-1]) == (10.0, 21.0)
    times[-5:] = 1e6
    assert median_interval(times) == (10.0, 21.0)


def test_interval_of_the_median_covers():
    """Of 400 samples from a skewed distribution whose median is known, at least 93 % of the intervals hold it."""
    rng = np.random.default_rng(0)
    intervals = [median_interval(rng.lognormal(0, 1, NUM_SESSIONS)) for _ in range(400)]
    assert sum(low <= 1 <= high for low, high in intervals) >= 0.93 * 400


@pytest.mark.parametrize(
    ("sessions", "noisy"),
    [
        ([np.full(10, 2.0)] * 10, False),
        (np.linspace(2.0, 2.05, 100).reshape(10, 10), False),
        ([np.full(10, 2.0)] * 5 + [np.full(10, 2.2)] * 5, True),
        ([np.full(10, 2.0), np.full(10, 2.2)] * 5, True),
        ([np.tile([2.0, 2.0, 2.2, 2.2], 5)] * 10, True),
        ([np.append(np.full(9, 2.0), 500.0)] * 10, False),
        ([np.linspace(1.0, 2.0, 10)], False),
    ],
)
def test_noise_is_a_file_that_is_not_itself(sessions, noisy):
    """Early against late sessions, every other one, and runs by turns; single outliers are not noise."""
    assert is_noisy([np.asarray(each) for each in sessions]) == noisy
