"""Who ends early, and for which reason; and who must not."""

import pytest
from search_trials import rung, trial

from compressor.search.hopeless import hopeless
from compressor.search.record import Standing

FAILED = trial(3, cost=0.5, standing=Standing.FAILED)
"""Larger than most, 30 % right as cut, 60 % after a short tuning, and failed."""


@pytest.mark.parametrize(
    ("accuracy", "cost", "ends"),
    [
        (0.29, 0.4, True),
        (0.30, 0.5, True),
        (0.31, 0.4, False),
        (0.29, 0.51, False),
    ],
)
def test_a_candidate_below_a_larger_one_that_failed_ends(accuracy: float, cost: float, ends: bool) -> None:
    """Only where the other was no smaller and no worse; equal counts."""
    why = hopeless(rung("one-shot", accuracy), cost=cost, past=[FAILED], floor=0.9)
    assert (why == "candidate 3 was no smaller and no worse at this point, and failed") is ends
    assert (why is None) is not ends


def test_both_figures_have_to_be_no_worse() -> None:
    """In adversarial training robust accuracy counts too."""
    failed = trial(1, standing=Standing.FAILED, rungs=(rung("short", 0.6, 0.3), rung("full", 0.8)))
    assert hopeless(rung("short", 0.5, 0.4), cost=0.4, past=[failed], floor=0.0) is None
    assert hopeless(rung("short", 0.5, 0.3), cost=0.4, past=[failed], floor=0.0) is not None


@pytest.mark.parametrize("standing", [Standing.PASSED, Standing.UNDECIDED, Standing.DROPPED])
def test_only_failures_end_others(standing: Standing) -> None:
    """What passed, may pass or was never judged says nothing against a smaller one."""
    assert hopeless(rung("one-shot", 0.1), cost=0.4, past=[trial(1, standing=standing)], floor=0.9) is None


def test_what_fell_before_the_full_recipe_ends_nobody() -> None:
    """A chain of guesses would be no reason."""
    early = trial(1, standing=Standing.FAILED, rungs=(rung("cut"), rung("one-shot", 0.9)))
    assert hopeless(rung("one-shot", 0.1), cost=0.4, past=[early], floor=0.9) is None


def test_what_nobody_reached_is_not_waited_for() -> None:
    """Three candidates lost 75, 67 and 50 % of their errors; 76 are out of reach, 74 not, two candidates too few."""
    past = [
        trial(number, cost=0.3, rungs=(rung("short", before), rung("full", 0.9)))
        for number, before in enumerate((0.6, 0.7, 0.8), start=1)
    ]
    why = hopeless(rung("short", 0.58), cost=0.2, past=past, floor=0.9)
    assert why == "the full recipe would have to take away 76.2 % of the errors, and never took away more than 75.0 %"
    assert hopeless(rung("short", 0.62), cost=0.2, past=past, floor=0.9) is None
    assert hopeless(rung("short", 0.58), cost=0.2, past=past[:2], floor=0.9) is None


def test_what_is_good_enough_already_is_in_reach() -> None:
    """Also where nobody has lost any error, or had any to lose."""
    past = [trial(number, rungs=(rung("short", 0.9), rung("full", 0.9))) for number in range(1, 4)]
    past.append(trial(4, rungs=(rung("short", 1.0), rung("full", 1.0))))
    assert hopeless(rung("short", 0.9), cost=0.2, past=past, floor=0.9) is None
    assert hopeless(rung("short", 0.89), cost=0.2, past=past, floor=0.9) is not None
