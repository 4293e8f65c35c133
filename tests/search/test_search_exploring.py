"""Heats follow one another until there are enough, or the time is over."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from search_trials import trial

from compressor.progress import SILENT, Progress
from compressor.search import exploring as module
from compressor.search.clock import Late
from compressor.search.exploring import explore
from compressor.search.record import Trial


def test_a_late_heat_is_given_back_and_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at whenever it advances; those before it stay, and the search goes on to its end."""
    ended: list[Trial] = []
    held: list[int] = []
    dropped: list[int] = []

    def hold(examiner: object, take: object, *, past: object, watch: Callable[[int], Progress]) -> tuple[Trial, ...]:
        held.append(2 * len(held) + 1)
        with watch(held[-1]).stage("fine-tune") as step:
            step.advance()
        return tuple(trial(held[-1] + each, heat=held[-1]) for each in range(2))

    def insist(trials: tuple[Trial, ...]) -> None:
        if len(trials) == 4:
            raise Late

    study = SimpleNamespace(
        trials=lambda: tuple(ended), give=ended.extend, seen=lambda: None, drop=lambda: dropped.append(held[-1])
    )
    site: Any = SimpleNamespace(
        study=study,
        clock=SimpleNamespace(allows=lambda trials: True, insist=insist, left=lambda trials: None),
        examiner=None,
        wanted=SimpleNamespace(most_trials=float("inf")),
    )
    monkeypatch.setattr(module, "hold_heat", hold)
    explore(site)
    assert [each.number for each in ended] == [1, 2, 3, 4]
    assert (held, dropped) == ([1, 3, 5], [5])


@pytest.mark.parametrize("is_exhausted", [True, False])
def test_where_nothing_is_left_to_try_that_is_said(is_exhausted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not where others have taken the last heat."""
    said: list[str] = []
    site: Any = SimpleNamespace(
        study=SimpleNamespace(trials=tuple, is_exhausted=is_exhausted),
        clock=SimpleNamespace(allows=lambda trials: True),
        examiner=None,
        wanted=SimpleNamespace(most_trials=9),
    )
    monkeypatch.setattr(module, "hold_heat", lambda *args, **how: ())
    progress = SimpleNamespace(stage=SILENT.stage, say=said.append)
    explore(site, progress=progress)
    assert [each.partition(":")[0] for each in said] == ["nothing is left to try"] * is_exhausted
