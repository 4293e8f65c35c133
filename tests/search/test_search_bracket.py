"""How much is tried next, and how: halves of the bracket first, then below the best."""

import math
from dataclasses import replace
from typing import Any

import pytest
from search_trials import rung, trial

from compressor.search.bracket import NUM_HALVINGS, first_amount, next_amount, next_size, ways_left
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


def test_a_heat_counts_as_one() -> None:
    """One of it passed or none did, at the amount of all; those that lost to it say nothing."""
    here = space()
    heat = [trial(1, cost=0.14), *(_lost(number, heat=1, amount=0.15) for number in (2, 3))]
    assert first_amount(heat, here) == pytest.approx(math.sqrt(LEAST * 0.14))
    none = [_lost(number, heat=1, amount=0.15) for number in (1, 2)]
    assert first_amount(none, here) == pytest.approx(math.sqrt(0.15 * MOST))


def _lost(number: int, **changes: Any) -> Trial:
    rungs = (rung("cut"), rung("one-shot", 0.1))
    return trial(number, **{"standing": Standing.DROPPED, "rungs": rungs, **changes})


def test_plain_heats_take_the_structures_in_turn_and_every_criterion() -> None:
    """Which of them is the better one, nobody knows beforehand."""
    here = space(structures=(Structure.FILTERS, Structure.BOTH), criteria=("l1", "l2"), profiles=tuple(Profile))
    for number, structure in enumerate(("filters", "both", "filters")):
        assert here.plain(number) == tuple((structure, name, Profile.EVEN) for name in ("l1", "l2"))
    assert next_size([], here) == (first_amount([], here), here.plain(0))


def test_the_bracket_begins_below_what_the_policy_allows() -> None:
    """What is too large by the policy alone is never tried."""
    assert first_amount([], space(most=0.3)) == pytest.approx(math.sqrt(LEAST * 0.3))
    assert next_amount([], space(most=0.3)) == pytest.approx(math.sqrt(LEAST * 0.3))


def test_after_some_halvings_the_sampler_proposes() -> None:
    """Whatever they came to."""
    assert first_amount([trial(number) for number in range(NUM_HALVINGS)], space()) is None


def test_below_the_best_the_middle_of_half_of_it_and_itself_is_tried() -> None:
    """Of what the best really has, which may be less than it was allowed.

    What failed before it was found counts where every way has.
    """
    best = trial(3, cost=0.4, amount=0.5, macs=400)
    trials = [trial(1, cost=0.9), trial(2, cost=0.3, standing=Standing.FAILED), best]
    assert next_amount(trials, space(criteria=("l1", "l2"))) == pytest.approx(math.sqrt(0.2 * 0.4))
    assert next_amount(trials, space()) == pytest.approx(math.sqrt(0.3 * 0.4))
    assert next_amount([trial(1, cost=0.9), best], space()) == pytest.approx(math.sqrt(0.2 * 0.4))


def test_what_failed_after_it_is_the_lower_end() -> None:
    """A heat of which none passed, whether it was judged or not; a larger one says nothing."""
    best = trial(1, cost=0.4, macs=400)
    for last in (trial(2, cost=0.3, standing=Standing.FAILED), _lost(2, amount=0.3)):
        assert next_amount([best, last], space()) == pytest.approx(math.sqrt(0.3 * 0.4))
    assert next_amount([best, _lost(2, amount=0.41)], space()) == pytest.approx(math.sqrt(0.2 * 0.4))


def test_once_that_is_close_other_ways_are_tried_lower_again() -> None:
    """As long as there are any; with one way alone it is halved to the end, and then nothing is left to try."""
    best, failed = trial(1, cost=0.4, macs=400), trial(2, cost=0.37, standing=Standing.FAILED)
    ways = space(criteria=("l1", "l2"))
    assert next_amount([best, failed], ways) == pytest.approx(math.sqrt(0.2 * 0.4))
    again = trial(3, cost=0.28, standing=Standing.FAILED)
    assert next_amount([best, failed, again], ways) == pytest.approx(math.sqrt(0.28 * 0.4))
    assert next_amount([best, failed], space()) == pytest.approx(math.sqrt(0.37 * 0.4))
    before = [trial(number, cost=0.9) for number in (1, 2)]
    closed = [*before, replace(best, number=3, heat=3), trial(4, cost=0.399, standing=Standing.FAILED)]
    assert next_size(closed, space()) == (None, ())


def test_a_way_that_failed_is_not_tried_at_less() -> None:
    """A smaller one that failed says nothing about larger amounts."""
    best, here = trial(1, cost=0.4, macs=400), space(criteria=("l1", "l2"))
    l1, l2 = here.ways
    failed = trial(2, cost=0.3, standing=Standing.FAILED)
    assert ways_left([best, failed], here, 0.3) == (l2,)
    assert ways_left([best, failed], here, 0.31) == (l1, l2)
    assert ways_left([best, failed, replace(failed, number=3, criterion="l2")], here, 0.31) == (l1, l2)


def test_what_a_way_fails_by() -> None:
    """By its own judgement, as the same cut as one that failed, as no cut at all, or with a heat that none survived."""
    here = space(criteria=("l1", "l2", "taylor", "bn-scale"))
    best = trial(1, cost=0.4, macs=400)
    others = [each[1] for each in here.ways]
    judged = [trial(2, cost=0.3, standing=Standing.FAILED, cut_sha256="a")]
    judged += [_lost(number, heat=2, amount=0.3, criterion=name) for number, name in enumerate(others[1:], start=3)]
    assert ways_left([best, *judged], here, 0.3) == here.ways[1:]  # what lost may come again
    twin = _lost(6, heat=6, amount=0.3, criterion="l2", rungs=(rung("cut"),), cut_sha256="a")
    uncut = _lost(7, heat=6, amount=0.3, criterion="taylor", rungs=(rung("cut"),), cut_sha256=None)
    unknown = _lost(8, heat=6, amount=0.3, criterion="bn-scale", rungs=(rung("cut"),))
    assert ways_left([best, *judged, twin, uncut, unknown], here, 0.3) == here.ways[3:]
    hopeless = _lost(9, heat=9, amount=0.3, criterion="bn-scale")
    assert ways_left([best, *judged, twin, uncut, hopeless], here, 0.3) == ()


def test_without_a_best_one_larger_ones_are_tried() -> None:
    """From the largest heat upwards, also where none of it was judged; next to the whole network it is over."""
    failed = [trial(1, cost=0.2, standing=Standing.FAILED), trial(2, cost=0.7, standing=Standing.DROPPED)]
    assert next_amount(failed, space()) == pytest.approx(math.sqrt(0.7 * MOST))
    assert next_amount([*failed, trial(3, cost=0.945, standing=Standing.FAILED)], space()) is None


def test_amounts_stay_between_the_ends() -> None:
    """Also for the smallest and the largest models."""
    for cost in (LEAST, 0.021, 0.03, MOST, 0.99):
        for standing in (Standing.PASSED, Standing.FAILED):
            amount = next_amount([trial(1, cost=cost, standing=standing)], space())
            is_over = cost == LEAST if standing is Standing.PASSED else cost >= MOST
            assert amount is None if is_over else amount is not None and LEAST <= amount <= 1
