"""Intervals: published examples, brute-force coverage, and closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from compressor.certify.intervals import Intervals
from compressor.certify.statistics import calibration, clopper_pearson, paired_difference


@pytest.mark.parametrize(("num_right", "num"), [(0, 10), (10, 10), (3, 17), (500, 1000), (1, 200)])
def test_clopper_pearson_is_scipys_exact_interval(num_right, num):
    """Another implementation of the same definition."""
    expected = binomtest(num_right, num).proportion_ci(0.95, "exact")
    assert clopper_pearson(num_right, num, 0.95) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clopper_pearson_known_value():
    """The one-sided 95 % bound of the facts sheet: 500 of 1,000 give .4735."""
    assert clopper_pearson(500, 1000, 0.90)[0] == pytest.approx(0.4735, abs=5e-5)


@pytest.mark.parametrize(
    ("table", "interval", "digits"),
    [
        # Cavo et al. 2012 and Bentur et al. 2009, as in Fagerland, Lydersen, Laake: Statistical Analysis of
        # Contingency Tables (2017), chapter 8.
        ((6, 16, 161), (-0.1240, -0.0054), 5e-5),
        ((1, 7, 21), (-0.517, -0.026), 5e-4),
    ],
)
def test_tango_published_examples(table, interval, digits):
    """Intervals that others computed."""
    assert paired_difference(*table, 0.95) == pytest.approx(interval, abs=digits)


def test_tango_closed_forms():
    """Without a discordant pair the end is z^2 / (n + z^2); swapping the models mirrors the interval."""
    z_squared = 1.959963984540054**2
    assert paired_difference(0, 0, 100, 0.95)[1] == pytest.approx(z_squared / (100 + z_squared))
    assert paired_difference(10, 0, 10, 0.95)[1] == 1.0
    assert paired_difference(0, 10, 10, 0.95)[0] == -1.0
    for only_first, only_second, num in ((3, 9, 40), (0, 4, 12), (7, 7, 50)):
        low, high = paired_difference(only_first, only_second, num, 0.9)
        assert paired_difference(only_second, only_first, num, 0.9) == pytest.approx((-high, -low), abs=1e-12)
        assert low <= (only_first - only_second) / num <= high


def test_tango_agrees_with_mcnemar_at_zero():
    """Zero lies in the interval exactly when McNemar's statistic is below its quantile."""
    for only_first in range(12):
        for only_second in range(12):
            if only_first + only_second == 0:
                continue
            low, high = paired_difference(only_first, only_second, 60, 0.95)
            statistic = abs(only_first - only_second) / math.sqrt(only_first + only_second)
            assert (low <= 0 <= high) == (statistic <= 1.959963984540054)


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.05, 0.15), (0.3, 0.02), (0.02, 0.0)])
def test_tango_covers_as_often_as_it_says(shares):
    """All outcomes of 40 pairs, weighted by their probability: coverage stays close to 95 %."""
    num, coverage = 40, 0.0
    law = multinomial(num, [*shares, 1 - sum(shares)])
    for only_first in range(num + 1):
        for only_second in range(num + 1 - only_first):
            weight = law.pmf([only_first, only_second, num - only_first - only_second])
            if weight < 1e-7:
                continue
            low, high = paired_difference(only_first, only_second, num, 0.95)
            coverage += weight * (low <= shares[0] - shares[1] <= high)
    assert 0.925 < coverage <= 1.0


def test_paired_table():
    """Four counts, their difference and its interval."""
    first = np.array([True, True, True, False, False, True])
    second = np.array([True, False, False, True, False, True])
    table = Intervals().paired(first, second)
    assert (table.both, table.only_dense, table.only_slim, table.neither) == (2, 2, 1, 1)
    assert table.difference == pytest.approx(1 / 6)
    assert table.interval == paired_difference(2, 1, 6, 0.95)


def test_calibration_of_a_known_model():
    """Four answers of confidence 0.8, three of them right: off by 5 points, all in one bin."""
    odds = math.log(4.0)
    logits = np.array([[odds, 0.0]] * 4, dtype=np.float32)
    found = calibration(logits, np.array([0, 0, 0, 1]))
    assert found.ece == pytest.approx(0.05, abs=1e-6)
    assert found.nll == pytest.approx(-(3 * math.log(0.8) + math.log(0.2)) / 4, abs=1e-6)
    assert [each.num for each in found.bins if each.num] == [4]
    assert len(found.bins) == 15


def test_calibration_of_a_certain_model():
    """A confidence of one belongs to the last bin."""
    found = calibration(np.array([[500.0, 0.0]], dtype=np.float32), np.array([0]))
    assert found.bins[-1].num == 1
    assert found.ece == 0.0
