"""When the winner is confirmed, when candidates are searched on, and when the budget stops a release."""

import importlib
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from search_trials import rung, trial

from compressor.errors import Undecided
from compressor.progress import SILENT
from compressor.search import exploring as places
from compressor.search.clock import Clock
from compressor.search.reckoning import Attack, Load
from compressor.search.record import Standing, Trial

module = importlib.import_module("compressor.search.search")
"""The file, whose verb hides it in its own package."""

LOAD = Load(
    num_select=10,
    num_test=10,
    num_models=2,
    attacks=(Attack(threat="linf:1/16", num_passes=100.0, is_confirmed=True),),
    num_quick=20.0,
    num_besides=0.0,
    num_tuning=0.0,
    num_timings=0,
)


class Told:
    """A site of which what happens is told."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, budget: float | None, rounds: Sequence[int] = (), running: int = 0
    ) -> None:
        self.happened: list[str] = []
        self.trials = [trial(1)]
        self._rounds = list(rounds)
        self.study = SimpleNamespace(trials=lambda: tuple(self.trials), num_running=lambda: running)
        self.wanted = SimpleNamespace(budget_seconds=budget, most_trials=6 if budget is None else float("inf"))
        self.clock = SimpleNamespace(allows=lambda trials: bool(self._rounds), allows_release=lambda trials: True)
        monkeypatch.setattr(module, "confirm", lambda site, progress: self.happened.append("confirm"))
        monkeypatch.setattr(module, "explore", self._explore)

    def _explore(self, site: object, num_more: float, progress: object) -> None:
        self.happened.append("explore" if not num_more else f"explore {num_more} more")
        num = self._rounds.pop(0)
        self.trials += [trial(len(self.trials) + 1 + each) for each in range(num)]


@pytest.mark.parametrize(
    ("budget", "rounds", "running", "happened"),
    [
        (None, [1], 0, ["confirm"]),
        (60.0, [], 0, ["confirm"]),
        (60.0, [2, 1], 0, ["confirm", "explore", "confirm", "explore", "confirm"]),
        (60.0, [0, 1], 0, ["confirm", "explore"]),
        (60.0, [1], 1, []),
    ],
    ids=["no budget", "no time", "time for two rounds", "nothing new", "others are at work"],
)
def test_what_time_confirming_leaves_is_searched_on(
    budget: float | None, rounds: list[int], running: int, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a budget alone, and until a round brings nothing; others that are at work end the search themselves."""
    here = Told(monkeypatch, budget=budget, rounds=rounds, running=running)
    module._settle(here, SILENT)
    assert here.happened == happened


@pytest.mark.parametrize(("num_refused", "num_more"), [(1, 4), (2, 6)])
def test_where_all_that_passed_was_refused_more_are_tried(
    num_refused: int, num_more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few for each that the battery of the release refused, at most as many again as were asked for."""
    here = Told(monkeypatch, budget=None, rounds=[1])
    here.trials = [trial(number, standing=Standing.FAILED, rungs=(rung("confirm"),)) for number in range(num_refused)]
    module._settle(here, SILENT)
    assert here.happened == ["confirm", f"explore {num_more} more", "confirm"]


def attacked(*, confirm: float | None) -> Trial:
    """Return a winner that all images stand: a pass takes a millisecond, and a release 2 s and what writing takes."""
    rungs = [rung("full"), rung("attack", seconds=4.0, num_passes=4_000)]
    confirmed = [] if confirm is None else [rung("confirm", seconds=confirm, num_passes=4_000)]
    return trial(1, rungs=(*rungs, *confirmed), robust={"linf:1/16": 1.0}, dense_robust={"linf:1/16": 1.0})


@pytest.mark.parametrize(("confirm", "is_refused"), [(None, False), (6.0, False), (300.0, True)])
def test_a_release_is_refused_by_what_confirming_took(*, confirm: float | None, is_refused: bool) -> None:
    """As reckoned it fits into 20 s; where passes turned out to be ten times as dear it does not, and 4 is the end."""
    trials = (attacked(confirm=confirm),)
    here = SimpleNamespace(
        study=SimpleNamespace(trials=lambda: trials),
        clock=Clock(20.0, LOAD, begun=time.time(), per_pass=0.001, control=False),
    )
    if not is_refused:
        places.insist_on_time(here)
        return
    with pytest.raises(Undecided, match=r"would take about 32 s, which --budget does not leave") as caught:
        places.insist_on_time(here)
    assert "the same command goes on" in caught.value.advice
