"""Whether another candidate fits in, by what the others took."""

import time
from collections.abc import Sequence
from contextlib import nullcontext

import pytest
from search_trials import rung, trial

from compressor.search.clock import FEARED, HOPED_FOR, TIMING_SECONDS, WRITING_SECONDS, Clock, Late
from compressor.search.reckoning import LOOKED, Attack, Load
from compressor.search.record import Standing, Trial

THREAT = "linf:1/16"
LOAD = Load(
    num_select=100,
    num_test=200,
    num_models=2,
    attacks=(Attack(threat=THREAT, num_passes=100.0, is_confirmed=True),),
    num_quick=20.0,
    num_besides=0.0,
    num_tuning=3_000.0,
    num_timings=2,
)
FIXED = WRITING_SECONDS + 2 * TIMING_SECONDS


def clock(budget: float | None, *, elapsed: float = 0.0, control: bool = False) -> Clock:
    """Return a clock that has run for a while."""
    return Clock(budget, LOAD, begun=time.time() - elapsed, per_pass=0.001, control=control)


def attacked(number: int = 1, *, standing: Standing = Standing.PASSED, confirm: float | None = None) -> Trial:
    """Return a candidate of which half of 100 images stand: `quick` took 2,000 passes and 4 s, the dense model's too.

    So a pass takes a millisecond, and an image 60 ms: half of them 100 passes, half of them 20.
    """
    rungs = [rung("full", seconds=7.0), rung("attack", seconds=4.0, num_passes=4_000)]
    if confirm is not None:
        rungs.append(rung("confirm", seconds=confirm, num_passes=12_000))
    robust, seconds = {"robust": {THREAT: 0.5}, "dense_robust": {THREAT: 0.5}}, 13.0 + (confirm or 0.0)
    return trial(number, num_images=100, rungs=tuple(rungs), seconds=seconds, standing=standing, **robust)


TESTED = 200 * 2 * 0.06
CONFIRMED = LOOKED * 100 * 0.06
"""Of one model."""


def test_before_anything_was_measured_it_is_a_guess() -> None:
    """A pass takes a millisecond: a quarter of what all attacks could take, and 3 s of tuning, a heat twice that."""
    guessed = 0.25 * 0.1 * (400 + LOOKED * 200)
    assert clock(1.0).of_release(()) == pytest.approx(guessed + FIXED)
    assert clock(1.0, control=True).of_release(()) == pytest.approx(guessed + 3 + FIXED)
    assert clock(1.0).of_heat(()) == pytest.approx(6.0)


def test_then_it_is_what_was_measured() -> None:
    """The attacks on test and on select images, and the training where a control is tuned too."""
    trials = [attacked()]
    assert clock(1.0).of_release(trials) == pytest.approx(TESTED + 2 * CONFIRMED + FIXED)
    assert clock(1.0, control=True).of_release(trials) == pytest.approx(TESTED + 2 * CONFIRMED + 7 + FIXED)
    early = trial(2, rungs=(rung("cut"),), seconds=90.0, robust={}, dense_robust={})
    assert clock(1.0).of_heat([*trials, early]) == 13.0
    beside = trial(3, heat=1, rungs=(rung("cut"), rung("one-shot")), seconds=2.0, robust={}, dense_robust={})
    assert clock(1.0).of_heat([*trials, early, beside]) == 15.0


def test_once_a_winner_is_confirmed_its_own_time_counts_and_only_the_test_images_are_left() -> None:
    """36 s for 100 images of both models, half as much again for looking: 120 ms each, where `quick` told 60."""
    trials = [attacked(confirm=36.0)]
    assert clock(1.0).of_release(trials) == pytest.approx(2 * TESTED + FIXED)
    assert clock(1.0).of_heat(trials) == pytest.approx(13.0)


def test_an_undecided_winner_meets_the_battery_at_its_release() -> None:
    """Only what passed is confirmed."""
    assert clock(1.0).of_release([attacked(standing=Standing.UNDECIDED)]) == pytest.approx(TESTED + FIXED)


@pytest.mark.parametrize(
    ("trials", "needed"),
    [
        ([attacked()], 13 + FEARED * (TESTED + 2 * CONFIRMED + FIXED)),
        ([attacked(standing=Standing.FAILED)], 13 + HOPED_FOR * (TESTED + 2 * CONFIRMED + FIXED)),
        ([attacked(standing=Standing.UNDECIDED)], 13 + HOPED_FOR * (TESTED + 2 * CONFIRMED + FIXED)),
        ([attacked(confirm=18.0)], 13 + FEARED * (TESTED + CONFIRMED + FIXED)),
    ],
)
def test_a_candidate_is_begun_only_if_it_and_the_release_end_in_time(trials: Sequence[Trial], needed: float) -> None:
    """It may pass, and would be confirmed then; after the first the dense model is through.

    As long as nothing passed one may hope that the release takes half of the time.
    """
    for budget, allows in ((needed + 1, True), (needed - 1, False)):
        assert clock(budget).allows(trials) is allows
        assert clock(budget + 70, elapsed=70).allows(trials) is allows
        left = clock(budget).left(trials)
        assert left is not None
        assert (left > 0) is allows


def test_without_a_budget_there_is_always_time() -> None:
    """However late it is."""
    late = clock(None, elapsed=1e9)
    assert late.allows([attacked()])
    assert late.allows_release([attacked()])
    assert late.left([attacked()]) is None
    late.insist([attacked()])


def test_the_first_heat_only_has_to_fit_in_itself() -> None:
    """It is what measures the rest: 6 s are guessed for it."""
    assert clock(6.1).allows(())
    assert not clock(5.9).allows(())


@pytest.mark.parametrize(
    ("trials", "needed"),
    [
        ([attacked()], HOPED_FOR * (TESTED + 2 * CONFIRMED + FIXED)),
        ([attacked(confirm=18.0)], TESTED + FIXED),
        ([attacked(standing=Standing.UNDECIDED)], TESTED + FIXED),
    ],
)
def test_a_release_that_would_go_beyond_the_budget_is_not_begun(trials: Sequence[Trial], needed: float) -> None:
    """A twentieth more is still kept; until the winner is confirmed there is hope."""
    assert clock(needed / 1.04).allows_release(trials)
    assert not clock(needed / 1.06).allows_release(trials)


@pytest.mark.parametrize(
    ("standing", "elapsed", "is_late"),
    [
        (Standing.PASSED, 210 - 67, False),
        (Standing.PASSED, 210 - 65, True),
        (Standing.UNDECIDED, 210 - 65, False),
        (Standing.FAILED, 210 - 65, False),
        (Standing.FAILED, 208.0, False),
        (Standing.FAILED, 212.0, True),
        (None, 208.0, False),
        (None, 212.0, True),
    ],
)
def test_a_candidate_that_takes_longer_than_reckoned_is_given_up(
    standing: Standing | None, elapsed: float, is_late: bool
) -> None:
    """Of 200 s and a twentieth more the release of what passed takes 66 s; otherwise nothing is kept for it."""
    assert pytest.approx(66) == TESTED + 2 * CONFIRMED + FIXED
    trials = [] if standing is None else [attacked(standing=standing)]
    with pytest.raises(Late) if is_late else nullcontext():
        clock(200.0, elapsed=elapsed).insist(trials)
