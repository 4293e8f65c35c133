"""The section on the search says what its rows do."""

from typing import Any

import pytest

from benchmarks.page_search import against_grid

HOST = {"cpu": "abacus", "cores": 2, "gpu": ""}


def row(part: str, **changes: Any) -> dict[str, Any]:
    """Return what one way found."""
    made = {
        "part": part, "num_candidates": 40, "num_whole": 40, "num_passed": 20, "best_macs": 60_000, "best_share": 0.08,
        "best": "filters, l1, even", "best_accuracy": 0.96, "best_robust": {}, "num_images_trained": 200_000,
        "num_passes": 400_000, "cpu_seconds": 200.0, "seconds": 400.0, "load": 1.5,
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
    assert "60,000 against 60,000 multiply-adds" in text
    assert "1.5 processes wanted a core" in text


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"best_macs": 60_001}, "60,001 against 60,000 multiply-adds, **not reached**"),
        ({"best_macs": None, "best_share": None, "best": None}, "nothing against 60,000"),
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


def test_without_rows_the_command_is_named() -> None:
    """As every other section does."""
    assert "No rows yet." in against_grid([])
    assert "python -m benchmarks.search" in against_grid([])
