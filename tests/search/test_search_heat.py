"""Of a heat half are tuned shortly and one goes on: which one, and what the records say of the others."""

from collections.abc import Sequence
from typing import Any

import pytest
from search_trials import rung

from compressor.progress import SILENT, Progress
from compressor.search.found import Found, Looked
from compressor.search.heat import MOST_TAKEN, NUM_LOOKED_AT, hold_heat
from compressor.search.record import Candidate, Profile, Standing, Trial
from compressor.types import Structure

CANDIDATE = Candidate(structure=Structure.FILTERS, criterion="l1", profile=Profile.EVEN, amount=0.5)
LOST = "candidate {} of the same heat looked no worse at this point"


class Told:
    """An examiner that finds what it is told, and tells what it was asked for."""

    def __init__(self, one_shot: Sequence[float | str], short: dict[int, float | str] | None = None) -> None:
        self._one_shot, self._short = one_shot, short
        self.happened: list[tuple[str, int]] = []

    def look(
        self, number: int, candidate: Candidate, *, heat: Sequence[Looked], past: object, progress: object
    ) -> Looked:
        """Find a share right, or why it cannot be cut."""
        assert [each.number for each in heat] == list(range(1, number))
        found = self._one_shot[number - 1]
        looked = Looked(number=number, candidate=candidate, found=Found(), why=None, seconds=1.0)
        looked.found.rungs.append(rung("cut"))
        if isinstance(found, str):
            looked.why = found
        else:
            self.happened.append(("look", number))
            looked.found.rungs.append(rung("one-shot", found))
        return looked

    def tune_shortly(self, looked: Looked, *, past: object, progress: object) -> None:
        """Find a share right, or why it is hopeless; nothing where the recipe has one epoch."""
        if self._short is None:
            return
        self.happened.append(("short", looked.number))
        found = self._short[looked.number]
        if isinstance(found, str):
            looked.why = found
        else:
            looked.found.rungs.append(rung("short", found))

    def finish(self, looked: Looked, *, progress: Progress) -> None:
        """Let it pass."""
        self.happened.append(("finish", looked.number))
        looked.why, looked.found.standing = "it passed", Standing.PASSED

    def record(self, looked: Looked, *, heat: int, why: str) -> tuple[int, int, str]:
        """Return what is told."""
        return looked.number, heat, why


def held(examiner: Any) -> tuple[Trial, ...]:
    """Hold a heat of as many candidates as are asked for."""
    numbers = iter(range(1, 100))
    num = len(examiner._one_shot)
    return hold_heat(
        examiner,
        lambda: (number, CANDIDATE) if (number := next(numbers)) <= num else None,
        past=tuple,
        watch=lambda number: SILENT,
    )


def test_the_better_half_is_tuned_shortly_and_the_best_of_that_goes_on() -> None:
    """Four are looked at, though more could be had; whoever lost is told by whom."""
    examiner = Told([0.3, 0.5, 0.2, 0.4, 0.9], {2: 0.6, 4: 0.7})
    assert held(examiner) == (
        (1, 1, LOST.format(4)),
        (2, 1, LOST.format(4)),
        (3, 1, LOST.format(4)),
        (4, 1, "it passed"),
    )
    assert examiner.happened == [
        *(("look", number) for number in range(1, NUM_LOOKED_AT + 1)), ("short", 2), ("short", 4), ("finish", 4),
    ]  # fmt: skip


def test_where_the_recipe_has_one_epoch_the_best_at_first_sight_goes_on() -> None:
    """Of two that look the same, the earlier one."""
    examiner = Told([0.3, 0.5, 0.5, 0.4])
    held(examiner)
    assert examiner.happened[-1] == ("finish", 2)


def test_under_an_adversarial_recipe_both_figures_count() -> None:
    """Their sum."""
    looked = Looked(number=1, candidate=CANDIDATE, found=Found(), why=None, seconds=0.0)
    looked.found.rungs += [rung("cut"), rung("one-shot", 0.5, 0.25)]
    assert looked.promise == 0.75


def test_what_cannot_be_cut_takes_nobodys_place() -> None:
    """Another one is looked at instead, up to a bound."""
    examiner = Told(["no such cut", 0.3, "no such cut", 0.5, 0.2, 0.1], {2: 0.6, 4: 0.7})
    assert [why for _, _, why in held(examiner)] == [
        "no such cut", LOST.format(4), "no such cut", "it passed", LOST.format(4), LOST.format(4),
    ]  # fmt: skip
    assert len(held(Told(["no such cut"] * (MOST_TAKEN + 3)))) == MOST_TAKEN


def test_for_a_hopeless_one_the_next_is_tuned() -> None:
    """So that a heat has one that goes on, if any may."""
    examiner = Told([0.3, 0.5, 0.2, 0.4], {2: "hopeless", 4: 0.5, 1: 0.6, 3: 0.1})
    assert [why for _, _, why in held(examiner)] == ["it passed", "hopeless", LOST.format(1), LOST.format(1)]
    assert examiner.happened[4:] == [("short", 2), ("short", 4), ("short", 1), ("finish", 1)]


@pytest.mark.parametrize("whys", [[], ["no such cut"], ["hopeless", "hopeless"]])
def test_a_heat_of_which_none_goes_on(whys: list[str]) -> None:
    """Because there is none, none can be cut, or all are hopeless."""
    examiner = Told([each if each == "no such cut" else 0.3 for each in whys], {1: "hopeless", 2: "hopeless"})
    assert [why for _, _, why in held(examiner)] == whys
    assert not [each for each in examiner.happened if each[0] == "finish"]
