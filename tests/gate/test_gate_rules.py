"""The rules of judging, as tables of (interval, limit) and the known answer."""

import pytest
from scipy.stats import binomtest

from compressor.gate import wording
from compressor.gate.rules import (
    decide_at_least,
    decide_at_most,
    drop_at_most,
    images_to_decide,
    share_at_least,
    wilson,
)
from compressor.types import Interval


@pytest.mark.parametrize(
    ("interval", "limit", "decision"),
    [
        ((0.45, 0.50), 0.45, "passed"),
        ((0.46, 0.50), 0.45, "passed"),
        ((0.449, 0.50), 0.45, "undecided"),
        ((0.40, 0.45), 0.45, "undecided"),
        ((0.40, 0.4499), 0.45, "failed"),
        ((0.0, 0.0), 0.0, "passed"),
        ((1.0, 1.0), 1.0, "passed"),
        ((0.0, 1.0), 0.5, "undecided"),
        ((float("nan"), float("nan")), 0.5, "undecided"),
    ],
)
def test_at_least(interval: Interval, limit: float, decision: str) -> None:
    """Passed when the lower end reaches the limit, failed when the upper end stays below it."""
    assert decide_at_least(limit, interval) == decision


@pytest.mark.parametrize(
    ("interval", "limit", "decision"),
    [
        ((-0.01, 0.02), 0.02, "passed"),
        ((-0.05, -0.01), 0.0, "passed"),
        ((0.01, 0.021), 0.02, "undecided"),
        ((0.02, 0.05), 0.02, "undecided"),
        ((0.0201, 0.05), 0.02, "failed"),
        ((float("nan"), float("nan")), 0.5, "undecided"),
    ],
)
def test_at_most(interval: Interval, limit: float, decision: str) -> None:
    """The mirror image: passed when the upper end stays within, failed when the lower end is beyond."""
    assert decide_at_most(limit, interval) == decision


@pytest.mark.parametrize(("num_right", "num"), [(0, 10), (10, 10), (1, 3), (500, 1000), (412, 1000), (9_999, 10_000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_wilson_agrees_with_scipy(num_right: int, num: int, confidence: float) -> None:
    """The gate runs without scipy, so it has its own; both must say the same."""
    known = binomtest(num_right, num).proportion_ci(confidence, "wilson")
    assert wilson(num_right, num, confidence=confidence) == pytest.approx((known.low, known.high), abs=1e-12)


@pytest.mark.parametrize(
    ("found", "limit", "interval", "more"),
    [
        (0.46, 0.45, (0.43, 0.49), 8000),  # the side must shrink from 3 points to 1: nine times the images
        (0.44, 0.45, (0.41, 0.46), 3000),
        (0.45, 0.45, (0.42, 0.48), None),
        (0.450001, 0.45, (0.42, 0.48), None),
    ],
)
def test_images_that_would_decide(found: float, limit: float, interval: Interval, more: int | None) -> None:
    """An interval shrinks with the square root of the number of images; no advice where that is hopeless."""
    assert images_to_decide(found, limit, interval, 1000) == more


def test_reasons_are_sentences_with_numbers() -> None:
    """The wording of a failed, an undecided and a passed condition."""
    what = {"what": "robust accuracy at linf 2/255", "limit": 0.45, "num_images": 1000}
    failed = share_at_least("x", found=0.412, interval=(0.381, 0.443), **what)
    undecided = share_at_least("x", found=0.46, interval=(0.431, 0.49), **what)
    passed = share_at_least("x", found=0.5, interval=(0.469, 0.531), **what)
    assert failed.reason == "robust accuracy at linf 2/255 is 41.2 % [38.1, 44.3]; demanded at least 45 %: failed"
    assert undecided.reason == (
        "robust accuracy at linf 2/255 is 46.0 % [43.1, 49.0]; demanded at least 45 %: "
        "undecided, about 7,500 more images would settle it"
    )
    assert passed.reason.endswith("[46.9, 53.1]; demanded at least 45 %: passed")


@pytest.mark.parametrize(
    ("found", "interval", "decision", "words"),
    [
        (
            0.009,
            (-0.003, 0.019),
            "passed",
            "is 0.9 points below the baseline, drop [-0.3, 1.9]; demanded at most 2 points",
        ),
        (-0.01, (-0.02, 0.0), "passed", "is 1.0 points above the baseline, drop [-2.0, 0.0]"),
        (0.05, (0.03, 0.07), "failed", "5.0 points below the baseline"),
        (0.018, (0.002, 0.034), "undecided", "undecided, about 63,000 more images would settle it"),
        (0.02, (0.01, 0.03), "undecided", "too close to the limit"),
    ],
)
def test_drops(found: float, interval: Interval, decision: str, words: str) -> None:
    """Non-inferiority is judged on the interval of the paired difference."""
    condition = drop_at_most("x", what="accuracy", found=found, interval=interval, limit=0.02, num_images=1000)
    assert condition.decision == decision
    assert words in condition.reason


def test_an_interval_that_does_not_hold_its_figure_decides_nothing() -> None:
    """A record like that was not written by us."""
    share = share_at_least("x", what="accuracy", found=0.2, interval=(0.8, 0.9), limit=0.5, num_images=10)
    drop = drop_at_most("x", what="accuracy", found=0.2, interval=(-0.1, 0.0), limit=0.1, num_images=10)
    assert [share.decision, drop.decision] == ["undecided", "undecided"]


def test_rounding_never_hides_a_difference() -> None:
    """44.98 % is not shown as 45.0 % beside a demanded 45 %."""
    assert wording.percent(0.4498, besides=0.45) == "44.98 %"
    assert wording.percent(0.45, besides=0.45) == "45.0 %"
    assert wording.percent(-0.0001) == "0.0 %"
    assert wording.demanded_percent(0.999) == "99.9 %"
    assert wording.demanded_percent(0.29) == "29 %"
