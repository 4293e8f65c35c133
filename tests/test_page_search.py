"""The section on the search says what its rows do."""

from typing import Any

import pytest

from benchmarks.page_search import against_grid, budgets

HOST = {"cpu": "abacus", "cores": 2, "gpu": ""}


def row(part: str, **changes: Any) -> dict[str, Any]:
    """Return what one way found."""
    made = {
        "part": part, "num_candidates": 40, "num_whole": 40, "num_passed": 20, "best_macs": 60_000, "best_share": 0.08,
        "best": "filters, l1, even", "best_accuracy": 0.96, "best_robust": {}, "num_images_trained": 200_000,
        "num_passes": 400_000, "cpu_seconds": 200.0, "seconds": 400.0, "load": 1.5,
        "settings": {"seed": 0},
    }  # fmt: skip
    return made | changes


def record(**ours: Any) -> dict[str, Any]:
    """Return a record in which the search took a quarter."""
    mine = {"num_images_trained": 50_000, "num_passes": 100_000, "cpu_seconds": 50.0, "seconds": 120.0} | ours
    rows = [row("search", **mine), row("grid")]
    return {"created": "2026-01-02T03:04:05+00:00", "host": HOST, "versions": {"torch": "9"}, "rows": rows}


def test_the_goals_stand_beside_what_was_found() -> None:
    """An equal size and exactly a quarter of the work reach them all."""
    text = against_grid([record()])
    assert text.count("reached.") == 5
    assert "not reached" not in text
    assert "on 1 of 1 networks (1.00 of its multiply-adds)" in text
    assert "1.5 processes wanted a core" in text


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"best_macs": 66_000}, "on 0 of 1 networks (1.10 of its multiply-adds), **not reached**"),
        ({"best_macs": None, "best_share": None, "best": None}, "nothing found"),
        ({"num_images_trained": 50_500}, "training images: 25%, **not reached**"),
        ({"num_passes": 120_000}, "attack passes: 30%, **not reached**"),
        ({"cpu_seconds": 60.0}, "processor time: 30%, **not reached**"),
        ({"seconds": 121.0}, "121 s, **not reached**"),
    ],
)
def test_a_goal_that_was_missed_is_said_to_be(ours: dict[str, Any], said: str) -> None:
    """Each of them by itself."""
    assert said in against_grid([record(**ours)])
    assert against_grid([record(**ours)]).count("**not reached**") == 1


def test_a_goal_is_reached_where_every_network_reaches_it() -> None:
    """Work is that of all together; a network with only one of its two ways takes no part."""
    both = record(best_macs=30_000)
    other = [each | {"settings": {"seed": 1}} for each in record(best_macs=61_200, num_passes=90_000)["rows"]]
    both["rows"] += [*other, row("grid", settings={"seed": 2})]
    text = against_grid([both])
    assert "on 1 of 2 networks (0.50, 1.02 of its multiply-adds), **not reached**" in text
    assert "attack passes: 24%, reached" in text


def test_without_rows_the_command_is_named() -> None:
    """As every other section does."""
    for made in (against_grid([]), budgets([])):
        assert "No rows yet." in made
        assert "`python -m benchmarks.search" in made


@pytest.mark.parametrize(
    ("seconds", "said"), [(189.0, "at most 105%, reached"), (200.0, "at most 111%, **not reached**")]
)
def test_a_budget_is_kept_if_no_run_went_beyond_it_by_more_than_a_twentieth(seconds: float, said: str) -> None:
    """The longest of them decides; one that found nothing says so."""
    rows = [
        {"budget_seconds": 180, "seconds": each, "exit": 0, "num_candidates": 7, "best_share": share, "load": 1.0}
        for each, share in ((120.0, None), (seconds, 0.25))
    ]
    text = budgets([{"created": "2026-01-02T03:04:05+00:00", "host": HOST, "versions": {}, "rows": rows}])
    assert said in text
    assert "| 180 | 120 | 67% | 0 | 7 | - | 1 |" in text
