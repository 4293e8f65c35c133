"""Candidates follow one another until there are enough, or the time is over."""

from types import SimpleNamespace
from typing import Any

from search_trials import trial

from compressor.progress import Progress
from compressor.search.clock import Late
from compressor.search.record import Trial
from compressor.search.site import explore


def test_a_late_candidate_is_given_back_and_is_the_last() -> None:
    """The clock is looked at whenever it advances; those before it stay, and the search goes on to its end."""
    ended: list[Trial] = []
    taken: list[int] = []
    dropped: list[int] = []

    def take(most: float) -> tuple[int, None]:
        taken.append(len(taken))
        return taken[-1], None

    def examine(number: int, candidate: None, *, past: Any, progress: Progress) -> Trial:
        with progress.stage("fine-tune") as step:
            step.advance()
        return trial(number)

    def insist(trials: tuple[Trial, ...]) -> None:
        if len(trials) == 2:
            raise Late

    study = SimpleNamespace(
        trials=lambda: tuple(ended), take=take, give=ended.append, seen=lambda: None,
        drop=lambda: dropped.append(taken[-1]),
    )  # fmt: skip
    site: Any = SimpleNamespace(
        study=study,
        clock=SimpleNamespace(allows=lambda trials: True, insist=insist, left=lambda trials: None),
        examiner=SimpleNamespace(examine=examine),
        wanted=SimpleNamespace(most_trials=float("inf")),
    )
    explore(site)
    assert [each.number for each in ended] == [1, 2]
    assert (taken, dropped) == ([0, 1, 2], [2])
