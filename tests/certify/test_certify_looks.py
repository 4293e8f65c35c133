"""When a run may stop."""

import numpy as np
import pytest

from compressor.attacks.threat import parse_threat
from compressor.certify.demand import Demand, Demands
from compressor.certify.looks import LOOK_EVERY, Tally, decide
from compressor.types import Decision

LINF = parse_threat("linf:8/255")
MIN = Demands(each=(Demand(threat=LINF, at_least=0.5),))


def tally(num: int, num_right: int, only_dense: int = 0, only_slim: int = 0) -> Tally:
    """Return counts of images."""
    return Tally(num=num, num_right=num_right, only_dense=only_dense, only_slim=only_slim)


@pytest.mark.parametrize(
    ("num_right", "expected"), [(0, Decision.FAILED), (50, Decision.UNDECIDED), (100, Decision.PASSED)]
)
def test_a_floor(num_right: int, expected: Decision) -> None:
    """None of 100 right is far from half, all of them far above, half of them neither."""
    assert decide(MIN, {LINF: tally(100, num_right)}, 0.95) is expected


@pytest.mark.parametrize(
    ("pair", "expected"), [((40, 0), Decision.FAILED), ((5, 5), Decision.UNDECIDED), ((0, 0), Decision.PASSED)]
)
def test_a_drop(pair: tuple[int, int], expected: Decision) -> None:
    """Two models with the same answers do not differ; one that loses 40 of 100 images has lost more than 10 points."""
    demands = Demands(each=(Demand(threat=None, most_drop=0.1),))
    assert decide(demands, {None: tally(100, 50, *pair)}, 0.95) is expected


def test_nothing_passes_on_too_few_images_but_failing_needs_no_more() -> None:
    """A policy that wants 1,000 images gets them, unless the model has failed before."""
    demands = Demands(each=MIN.each, min_images=1000)
    assert decide(demands, {LINF: tally(500, 500)}, 0.95) is Decision.UNDECIDED
    assert decide(demands, {LINF: tally(1000, 1000)}, 0.95) is Decision.PASSED
    assert decide(demands, {LINF: tally(50, 0)}, 0.95) is Decision.FAILED


def test_where_all_images_are_needed_only_failing_stops_early() -> None:
    """However sure it is that the shares hold."""
    demands = Demands(each=MIN.each, needs_all=True)
    assert decide(demands, {LINF: tally(5000, 5000)}, 0.95) is Decision.UNDECIDED
    assert decide(demands, {LINF: tally(50, 0)}, 0.95) is Decision.FAILED


def test_all_have_to_hold_and_one_is_enough_to_fail() -> None:
    """One certain failure decides, however well the others stand."""
    demands = Demands(each=(Demand(threat=None, at_least=0.5), *MIN.each))
    good, open_, bad = tally(100, 100), tally(100, 50), tally(100, 0)
    assert decide(demands, {None: good, LINF: good}, 0.95) is Decision.PASSED
    assert decide(demands, {None: good, LINF: open_}, 0.95) is Decision.UNDECIDED
    assert decide(demands, {None: good, LINF: bad}, 0.95) is Decision.FAILED


def test_failing_pays_for_the_number_of_conditions() -> None:
    """What one condition alone would fail on, twenty of them together do not yet."""
    counts = next(
        tally(100, right) for right in range(50, 0, -1) if decide(MIN, {LINF: tally(100, right)}, 0.95) == "failed"
    )
    many = Demands(each=MIN.each * 20)
    assert decide(many, {LINF: counts}, 0.95) is Decision.UNDECIDED


@pytest.mark.slow
def test_wrong_verdicts_are_rarer_than_alpha() -> None:
    """A model exactly at the limit is failed in at most 10 % of 400 runs, however often one looks."""
    draws = np.random.default_rng(3).random((400, 600)) < 0.5
    rights = np.cumsum(draws, axis=1)[:, LOOK_EVERY - 1 :: LOOK_EVERY]
    wrong = 0
    for run in rights.tolist():
        looks = [tally(LOOK_EVERY * number, right) for number, right in enumerate(run, start=1)]
        wrong += any(decide(MIN, {LINF: look}, 0.9) is Decision.FAILED for look in looks)
    assert wrong / 400 <= 0.1 + 3 * (0.09 / 400) ** 0.5
