"""Who is released, and what is said where nobody is."""

from search_trials import condition, trial

from compressor.search.found import found_words
from compressor.search.record import Standing
from compressor.search.winner import best_of, nothing_passed, winner_of
from compressor.types import Decision


def test_the_smallest_that_passed_wins() -> None:
    """Not the best, not the first; smaller ones that failed or are undecided do not count."""
    trials = [
        trial(1, cost=0.5),
        trial(2, cost=0.3),
        trial(3, cost=0.2, standing=Standing.UNDECIDED),
        trial(4, cost=0.1, standing=Standing.FAILED),
        trial(5, cost=0.3),
    ]
    assert best_of(trials) == winner_of(trials) == trials[1]


def test_without_one_that_passed_the_least_undecided_wins() -> None:
    """And not the smallest of them, which chance favoured most."""
    trials = [
        trial(1, cost=0.2, standing=Standing.UNDECIDED, shortfall=0.05),
        trial(2, cost=0.4, standing=Standing.UNDECIDED, shortfall=0.01),
        trial(3, cost=0.1, standing=Standing.FAILED, shortfall=0.001),
    ]
    assert best_of(trials) is None
    assert winner_of(trials) == trials[1]


def test_nobody_wins_where_all_failed() -> None:
    """Nor where nothing was tried."""
    assert winner_of([]) is None
    assert winner_of([trial(1, standing=Standing.FAILED), trial(2, cost=None, standing=Standing.DROPPED)]) is None


def test_what_binds_is_said_with_its_numbers() -> None:
    """The nearest candidate, the condition that it misses most and by how much, and what binds most of them."""
    robust = condition("robustness.linf-1/16.min", found=0.412, limit=0.5)
    trials = [
        trial(1, cost=0.2, standing=Standing.FAILED, conditions=(condition(found=0.7), robust), shortfall=0.2),
        trial(2, cost=0.4, standing=Standing.FAILED, conditions=(condition(found=0.89), robust), shortfall=0.088),
        trial(3, cost=0.1, standing=Standing.DROPPED, conditions=(), shortfall=None),
    ]
    assert nothing_passed(trials) == (
        "none of 3 candidates passed on select images. accuracy.min binds 1 of 2; robustness.linf-1/16.min binds 1 of "
        "2. The nearest is candidate 2 (filters by l1, even, 40.0 % of dense): robustness.linf-1/16.min is 41.2 %, "
        "demanded at least 50 %, 8.8 points too few"
    )


def test_what_failed_binds_before_what_is_undecided() -> None:
    """However much is missing until the other could be decided; shares of images and of limits do not compare."""
    size = condition("size.max_bytes", found=101, limit=100, shortfall=0.01)
    robust = condition("robustness.linf-1/16.min", found=0.46, limit=0.45, shortfall=0.08, decision=Decision.UNDECIDED)
    failed = trial(1, standing=Standing.FAILED, conditions=(size, robust), shortfall=0.08)
    assert failed.binding == size
    assert nothing_passed([failed]).endswith("demanded at most 100, 1.0 % too much")
    undecided = trial(2, standing=Standing.UNDECIDED, conditions=(robust,), shortfall=0.08)
    assert nothing_passed([undecided]).endswith("demanded at least 45 %, too close to be decided on the test images")


def test_where_nothing_could_be_judged_the_first_reason_is_said() -> None:
    """An empty list has none."""
    dropped = trial(1, cost=None, standing=Standing.DROPPED, why="no filter would leave")
    assert nothing_passed([dropped]) == "none of 1 candidates could be judged; the first: no filter would leave"
    assert nothing_passed([]) == "none of 0 candidates could be judged"


def test_each_condition_is_told_in_its_own_unit() -> None:
    """Shares, drops, sizes, times and ratios."""
    passed = {"decision": Decision.PASSED, "shortfall": 0.0}
    told = [
        found_words(condition(name, found=found, limit=limit, **passed))
        for name, found, limit in (
            ("accuracy.min", 0.95, 0.9),
            ("accuracy.max_drop", 0.013, 0.02),
            ("accuracy.max_ece", 0.03, 0.05),
            ("size.max_params", 31_337, 60_000),
            ("latency.cpu-b1-t1.max_p50_ms", 0.4123, 0.5),
            ("latency.cpu-b1-t1.max_ratio_p50", 0.6123, 0.7),
        )
    ]
    assert told == [
        "accuracy.min is 95.0 %, demanded at least 90 %",
        "accuracy.max_drop is 1.3 points, demanded at most 2 points",
        "accuracy.max_ece is 3.0 %, demanded at most 5 %",
        "size.max_params is 31,337, demanded at most 60,000",
        "latency.cpu-b1-t1.max_p50_ms is 0.412 ms, demanded at most 0.5 ms",
        "latency.cpu-b1-t1.max_ratio_p50 is 0.612, demanded at most 0.7",
    ]
