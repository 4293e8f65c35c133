"""What select images say about a policy, and how undecided conditions are told apart."""

import math
from dataclasses import replace

import made_up
import pytest

from compressor.certify.statistics import clopper_pearson
from compressor.gate import parse_policy
from compressor.gate.verdict import Condition
from compressor.search.judging import (
    MISSED,
    accuracy_floor,
    judged,
    limits_of,
    shortfall,
    standing_of,
    with_fixed_intervals,
    without,
)
from compressor.search.record import Standing
from compressor.types import Decision

POLICY = """schema = "compress.policy/1"
[accuracy]
min = 0.8
[[robustness]]
threat = "linf:2/255"
min = 0.3
max_drop = 0.02
[size]
max_params = "1M"
[parity]
min_agreement = 0.99
[evidence]
min_images = 100000
"""


def test_what_is_accepted_is_not_demanded_of_candidates() -> None:
    """The others are, and so is what the policy itself said of evidence."""
    policy = parse_policy(POLICY, "here")
    left = without(
        policy, {"accuracy.min", "robustness.linf-2/255.max_drop", "size.max_params", "parity.min_agreement"}
    )
    assert (left.accuracy.min, left.size.max_params) == (None, None)
    assert [(each.min, each.max_drop) for each in left.robustness] == [(0.3, None)]
    assert left.evidence == policy.evidence
    assert accuracy_floor(left, 0.9) == 0.0
    assert accuracy_floor(policy, 0.9) == 0.8
    assert without(policy, ()) == policy


def _condition(
    found: float, interval: tuple[float, float] | None, name: str = "accuracy.min", decision: str = "undecided"
) -> Condition:
    return Condition(id=name, demanded="", found=found, interval=interval, decision=Decision(decision), reason="")


def test_an_interval_is_scaled_to_the_images_of_the_test() -> None:
    """Four times as many images halve a side of 4 points; the figures differ by 0.51 * sqrt(16 + 4) points more."""
    needed = 0.02 + 0.51 * math.hypot(0.04, 0.02)
    for limit in (0.84, 0.86, 0.88):
        found = shortfall(_condition(0.9, (0.86, 0.93)), limit, scale=0.5, is_early=True)
        assert found == pytest.approx(needed - (0.9 - limit))
    same = shortfall(_condition(0.9, (0.86, 0.93)), 0.88, scale=1.0, is_early=True)
    assert same == pytest.approx(0.04 + 0.51 * 0.04 * math.sqrt(2) - 0.02)


def test_a_drop_is_the_mirror_image() -> None:
    """Its upper end counts."""
    drop = _condition(0.01, (-0.01, 0.05), "accuracy.max_drop")
    needed = 0.02 + 0.51 * math.hypot(0.04, 0.02)
    assert shortfall(drop, 0.06, scale=0.5, is_early=True) == pytest.approx(needed - 0.05)
    assert shortfall(drop, 0.02, scale=0.5, is_early=True) == pytest.approx(needed - 0.01)


def test_what_failed_is_short_and_what_passed_early_is_not() -> None:
    """The wide intervals of early looks leave room enough; what just passed on all images may not pass on others."""
    passed = _condition(0.9, (0.86, 0.93), decision="passed")
    assert shortfall(passed, 0.85, scale=9.0, is_early=True) == 0.0
    assert shortfall(passed, 0.85, scale=1.0, is_early=False) == pytest.approx(0.04 + 0.51 * 0.04 * math.sqrt(2) - 0.05)
    for is_early in (True, False):
        assert shortfall(_condition(0.9, (0.9, 0.9), decision="failed"), 0.5, scale=1.0, is_early=is_early) == MISSED


def test_sizes_and_times_are_short_by_a_share_of_the_limit() -> None:
    """So that they can stand beside shares of images."""
    large, small = (_condition(num, None, "size.max_params", said) for num, said in ((150, "failed"), (50, "passed")))
    assert shortfall(large, 100, scale=1, is_early=False) == pytest.approx(0.5)
    assert shortfall(small, 100, scale=1, is_early=False) == pytest.approx(-0.5)
    ratio = _condition(0.6, (0.58, 0.63), "latency.cpu-b1-t1.max_ratio_p50")
    assert shortfall(ratio, 0.6, scale=1, is_early=False) == pytest.approx(0.05)


def test_only_what_select_images_can_answer_is_judged() -> None:
    """Neither the number, the role nor the age of the images, nor parity, which there is none of yet."""
    found = judged(parse_policy(POLICY, "p"), made_up.certificate(), num_planned=1000, num_test=1000)
    assert [each.id for each in found] == [
        "accuracy.min",
        "robustness.linf-2/255.min",
        "robustness.linf-2/255.max_drop",
        "size.max_params",
    ]


def test_what_somebody_accepted_is_not_judged() -> None:
    """By --unsafe-accept, or by a waiver of the policy."""
    policy = parse_policy(POLICY, "p")
    found = judged(policy, made_up.certificate(), num_planned=1000, num_test=1000, accepted=["accuracy.min"])
    assert "accuracy.min" not in [each.id for each in found]
    waived = POLICY + '[waivers]\nallowed = ["robustness.linf-2/255.max_drop"]\nexpires = "2999-01-01"\n'
    found = judged(parse_policy(waived, "p"), made_up.certificate(), num_planned=1000, num_test=1000)
    assert "robustness.linf-2/255.max_drop" not in [each.id for each in found]


def test_the_standing_is_the_worst_of_the_conditions() -> None:
    """1.8 points are lost of 1,000 images, [0.2, 3.4]: 2 points are undecided, 0.1 failed.

    4 passed by the gate, but the test may find more; 5 leave room for that.
    """

    def standing(drop: float, num_test: int = 1000) -> Standing:
        policy = parse_policy(POLICY.replace("max_drop = 0.02", f"max_drop = {drop}"), "p")
        return standing_of(judged(policy, made_up.certificate(), num_planned=1000, num_test=num_test))

    assert standing(0.02) is Standing.UNDECIDED
    assert standing(0.04) is Standing.UNDECIDED
    assert standing(0.05) is Standing.PASSED
    assert standing(0.001) is Standing.FAILED
    assert standing(0.03) is Standing.UNDECIDED
    assert standing(0.03, num_test=1_000_000) is Standing.PASSED
    assert standing_of(()) is Standing.PASSED


def test_intervals_are_those_of_a_fixed_number_where_all_images_were_used() -> None:
    """Exact ones on shares, score intervals on differences; where attacking stopped early they stay."""
    wide = tuple(replace(each, interval=(0.0, 1.0)) for each in made_up.certificate().result.threats)
    result = replace(made_up.certificate().result, clean_interval=(0.0, 1.0), threats=wide)
    whole = with_fixed_intervals(result, result.data.num_images)
    num = result.data.num_images
    assert whole.threats[0].interval == clopper_pearson(round(num * whole.threats[0].robust_accuracy), num, 0.95)
    assert whole.clean_interval == clopper_pearson(round(num * whole.clean_accuracy), num, 0.95)
    assert with_fixed_intervals(result, num + 1) == result


def test_every_answerable_condition_has_its_limit() -> None:
    """Among them one row of latencies."""
    policy = parse_policy(POLICY + "[[latency]]\nmax_p50_ms = 3.0\nmax_ratio_p50 = 0.7\n", "p")
    assert limits_of(policy) == {
        "accuracy.min": 0.8,
        "robustness.linf-2/255.min": 0.3,
        "robustness.linf-2/255.max_drop": 0.02,
        "size.max_params": 1e6,
        "latency.cpu-b1-t1.max_p50_ms": 3.0,
        "latency.cpu-b1-t1.max_ratio_p50": 0.7,
    }
