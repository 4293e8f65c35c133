"""Whether another candidate fits in, by what the others took."""

import time
from contextlib import nullcontext

import pytest
from search_trials import rung, trial

from compressor.search.clock import TIMING_SECONDS, WRITING_SECONDS, Clock, Late, Load
from compressor.search.record import Standing

LOAD = Load(num_attack=40_000.0, num_quick=20.0, num_tuning=3_000.0, num_timings=2)
FIXED = WRITING_SECONDS + 2 * TIMING_SECONDS


def clock(budget: float | None, *, elapsed: float = 0.0, control: bool = False) -> Clock:
    """Return a clock that has run for a while."""
    return Clock(budget, LOAD, begun=time.time() - elapsed, per_pass=0.001, control=control)


def test_before_anything_was_measured_it_is_a_guess() -> None:
    """A pass takes a millisecond: a quarter of 40 s of attacks, 3 s of tuning and half as much again."""
    assert clock(1.0).of_release(()) == pytest.approx(10 + FIXED)
    assert clock(1.0, control=True).of_release(()) == pytest.approx(10 + 3 + FIXED)
    assert clock(1.0).of_trial(()) == pytest.approx(4.5)


def test_then_it_is_what_was_measured() -> None:
    """`quick` took 10 s for 100 images of two models, so what is 2,000 times its passes an image takes 100 s."""
    trials = [trial(1, num_images=100, rungs=(rung("full", seconds=7.0), rung("attack", seconds=10.0)), seconds=19.0)]
    assert clock(1.0).of_release(trials) == pytest.approx(100 + FIXED)
    assert clock(1.0, control=True).of_release(trials) == pytest.approx(107 + FIXED)
    second = trial(2, num_images=100, rungs=(rung("full", seconds=7.0), rung("attack", seconds=6.0)), seconds=15.0)
    assert clock(1.0).of_release([*trials, second]) == pytest.approx(6 / 100 * 2_000 + FIXED)
    early = trial(2, rungs=(rung("cut"),), seconds=90.0)
    assert clock(1.0).of_trial([*trials, early]) == 19.0


@pytest.mark.parametrize(("budget", "elapsed", "allows"), [(200.0, 0.0, True), (200.0, 70.0, False), (None, 1e9, True)])
def test_a_candidate_is_begun_only_if_it_and_the_release_end_in_time(
    budget: float | None, elapsed: float, allows: bool
) -> None:
    """19 s and 124 s: 143 s of 200 s; after 70 s it is too late."""
    trials = [trial(1, num_images=100, rungs=(rung("full", seconds=7.0), rung("attack", seconds=10.0)), seconds=19.0)]
    here = clock(budget, elapsed=elapsed)
    assert here.allows(trials) is allows
    left = here.left(trials)
    assert left is None if budget is None else (left is not None and (left > 0) is allows)


def test_the_first_candidate_only_has_to_fit_in_itself() -> None:
    """It is what measures the rest: 4.5 s are guessed for it."""
    assert clock(5.0).allows(())
    assert not clock(4.0).allows(())


def test_a_release_that_would_go_beyond_the_budget_is_not_begun() -> None:
    """124 s fit into 120 s and a twentieth more; into 115 s they do not."""
    trials = [trial(1, num_images=100, rungs=(rung("full", seconds=7.0), rung("attack", seconds=10.0)), seconds=19.0)]
    assert clock(120.0).allows_release(trials)
    assert not clock(115.0).allows_release(trials)
    assert clock(None).allows_release(trials)


@pytest.mark.parametrize(
    ("standing", "elapsed", "is_late"),
    [
        (Standing.PASSED, 84.0, False),
        (Standing.PASSED, 88.0, True),
        (Standing.FAILED, 88.0, False),
        (Standing.FAILED, 208.0, False),
        (Standing.FAILED, 212.0, True),
        (None, 208.0, False),
        (None, 212.0, True),
    ],
)
def test_a_candidate_that_takes_longer_than_reckoned_is_given_up(
    standing: Standing | None, elapsed: float, is_late: bool
) -> None:
    """Of 200 s and a twentieth more the release of a winner takes 124 s; without a winner nothing is kept for it."""
    rungs = (rung("full", seconds=7.0), rung("attack", seconds=10.0))
    trials = [] if standing is None else [trial(1, num_images=100, rungs=rungs, seconds=19.0, standing=standing)]
    with pytest.raises(Late) if is_late else nullcontext():
        clock(200.0, elapsed=elapsed).insist(trials)
    clock(None, elapsed=1e9).insist(trials)
