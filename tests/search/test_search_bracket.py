"""How much is tried next: halves of the bracket first, then below the best."""

import math
from typing import Any

import pytest
from search_trials import rung, trial

from compressor.search.bracket import NUM_HALVINGS, first_amount, next_amount
from compressor.search.record import Profile, Standing, Trial
from compressor.search.space import LEAST, MOST, Space
from compressor.types import Structure


def space(**changes: Any) -> Space:
    """Return a space over a model of 1,000 multiply-adds."""
    made: dict[str, Any] = {
        "structures": (Structure.FILTERS,), "criteria": ("l1",), "profiles": (Profile.EVEN,), "stages": (),
        "counted": "macs", "whole": 1000,
    }  # fmt: skip
    return Space(**{**made, **changes})


def test_the_bracket_is_halved_as_lengths_are_on_a_logarithmic_scale() -> None:
    """Pass, fail, pass: each next amount is the geometric middle of what passed and what failed."""
    here = space()
    first = first_amount([], here)
    assert first == pytest.approx(math.sqrt(LEAST * MOST))
    passed = trial(1, cost=0.14)
    assert first_amount([passed], here) == pytest.approx(math.sqrt(LEAST * 0.14))
    failed = trial(2, cost=0.05, standing=Standing.FAILED)
    assert first_amount([passed, failed], here) == pytest.approx(math.sqrt(0.05 * 0.14))


def test_what_could_not_be_cut_does_not_move_the_bracket() -> None:
    """It says nothing about its size; the next structure is tried at the same amount."""
    here, uncut = space(), trial(1, cost=None, standing=Standing.DROPPED, amount=0.1, rungs=(rung("cut"),))
    assert first_amount([uncut], here) == first_amount([], here)


def test_plain_candidates_take_the_structures_in_turn() -> None:
    """Which of them is the better one, nobody knows beforehand."""
    here = space(structures=(Structure.FILTERS, Structure.BOTH))
    assert [here.plain(number)["structure"] for number in range(3)] == ["filters", "both", "filters"]


def test_the_bracket_begins_below_what_the_policy_allows() -> None:
    """What is too large by the policy alone is never tried."""
    assert first_amount([], space(most=0.3)) == pytest.approx(math.sqrt(LEAST * 0.3))
    assert amount([], space(most=0.3)) == pytest.approx(math.sqrt(LEAST * 0.3))


def test_after_some_halvings_the_sampler_proposes() -> None:
    """Whatever they came to."""
    assert first_amount([trial(number) for number in range(NUM_HALVINGS)], space()) is None


def amount(trials: list[Trial], here: Space, **changes: Any) -> float:
    """Return what filters by l1, spread evenly, are tried at next, or another way of cutting."""
    shape: dict[str, Any] = {"structure": Structure.FILTERS, "criterion": "l1", "profile": Profile.EVEN}
    return next_amount(trials, here, **{**shape, **changes})


def test_a_way_that_has_not_failed_is_tried_at_less_than_the_best() -> None:
    """Between half of what the best really has, which may be less than it was allowed, and the best."""
    best = trial(1, cost=0.4, amount=0.5, macs=400)
    assert amount([best, trial(2, cost=0.9)], space()) == pytest.approx(math.sqrt(0.2 * 0.4))


def test_a_way_that_failed_is_tried_between_there_and_the_best() -> None:
    """What another way failed at says nothing about this one."""
    trials = [trial(1, cost=0.4, macs=400), trial(2, cost=0.3, standing=Standing.FAILED)]
    assert amount(trials, space()) == pytest.approx(math.sqrt(0.3 * 0.4))
    for changes in ({"criterion": "l2"}, {"profile": Profile.LATE}, {"structure": Structure.BOTH}):
        assert amount(trials, space(), **changes) == pytest.approx(math.sqrt(0.2 * 0.4))


def test_without_a_best_one_larger_ones_are_tried() -> None:
    """From the largest that failed upwards; one that was never judged says nothing."""
    failed = [trial(1, cost=0.2, standing=Standing.FAILED), trial(2, cost=0.7, standing=Standing.DROPPED)]
    assert amount(failed, space()) == pytest.approx(math.sqrt(0.2 * MOST))


def test_amounts_stay_between_the_ends() -> None:
    """Also for the smallest and the largest models."""
    for cost in (LEAST, 0.021, 0.03, MOST, 0.99):
        for standing in (Standing.PASSED, Standing.FAILED):
            assert LEAST <= amount([trial(1, cost=cost, standing=standing)], space()) <= 1
