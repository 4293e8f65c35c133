"""The section on start-up says what its rows do, and the benchmark times fresh processes."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import startup as measuring
from benchmarks.page_startup import startup

HOST = {"cpu": "abacus", "cores": 2, "gpu": ""}


def record(seconds: float) -> dict[str, Any]:
    """Return a record in which help takes so long."""
    row = {"num_runs": 9, "p90_seconds": 2 * seconds, "median_cpu_seconds": seconds / 2, "load": 1.5}
    rows = [{"command": name, "median_seconds": seconds, **row} for name in measuring.COMMANDS]
    return {"created": "2026-01-02T03:04:05+00:00", "host": HOST, "versions": {"torch": "9"}, "rows": rows}


@pytest.mark.parametrize(("seconds", "said"), [(0.3, "0.300 s, reached"), (0.301, "0.301 s, **not reached**")])
def test_the_goal_stands_beside_what_was_found(seconds: float, said: str) -> None:
    """Reached or not, by the clock, with the processor time and how busy the machine was."""
    text = startup([record(seconds)])
    assert f"- `compress --help` within 0.3 s: {said}" in text
    assert text.count("| `compress") == 2
    assert "1.5 processes wanted a core" in text


def test_without_rows_the_command_is_named() -> None:
    """As every other section does."""
    assert "No rows yet." in startup([])
    assert "python -m benchmarks.startup" in startup([])


def test_a_command_that_fails_is_no_time(tmp_path: Path) -> None:
    """A process that ended with an error measured nothing; one that did not has both times."""
    wall, cpu = measuring.timed(("-c", "sum(range(10**6))"), tmp_path)
    assert cpu > 0
    assert 0 < wall < 60
    with pytest.raises(RuntimeError, match="ended with 3: why"):
        measuring.timed(("-c", "import sys; sys.exit(print('why', file=sys.stderr) or 3)"), tmp_path)
