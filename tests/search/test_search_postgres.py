"""One study in PostgreSQL, for processes that may be on several machines."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from search_trials import trial

from compressor.search.record import Profile, Standing
from compressor.search.space import Space
from compressor.search.study import Study
from compressor.types import Structure

pgserver = pytest.importorskip("pgserver", reason="the extra dev brings it for Python before 3.13")

SPACE = Space(
    structures=(Structure.FILTERS,), criteria=("l1",), profiles=(Profile.EVEN,), stages=(), counted="macs", whole=1000
)
NUM_PROCESSES, NUM_TRIALS = 2, 5


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an empty database on a server of our own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server = pgserver.get_server(tmp_path / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def examine(url: str) -> list[int]:
    """Hold heats of one candidate until there are enough, and return their numbers."""
    study = Study(url, {"weights": "a"}, space=SPACE, seed=0)
    numbers = []
    while (found := study.take(NUM_TRIALS)) is not None:
        numbers.append(found[0])
        study.give([trial(found[0], cost=found[1].amount, amount=found[1].amount, standing=Standing.PASSED)])
    study.close()
    return numbers


@pytest.mark.slow
def test_processes_that_come_to_an_empty_database_at_once_share_its_study(url: str) -> None:
    """Whoever makes the tables: each candidate is taken once, and every process sees what became of all of them."""
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        taken = list(pool.map(examine, [url] * NUM_PROCESSES))
    numbers = sorted(number for each in taken for number in each)
    assert len(numbers) == len(set(numbers)) == NUM_TRIALS
    study = Study(url, {"weights": "a"}, space=SPACE, seed=0)
    assert [each.number for each in study.trials()] == numbers
    study.close()
