"""A study is shared: trials are taken once, kept for ever, and proposed the same after a kill."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from search_trials import condition, trial

from compressor.errors import MachineError, OptionError
from compressor.search import claims, database
from compressor.search import study as module
from compressor.search.bracket import NUM_HALVINGS, heats_of
from compressor.search.database import check_engine, storage_at
from compressor.search.record import Candidate, Profile, Standing, Trial
from compressor.search.space import Space
from compressor.search.study import Study, name_of
from compressor.types import Structure

SPACE = Space(
    structures=(Structure.FILTERS, Structure.BOTH),
    criteria=("l1", "taylor"),
    profiles=(Profile.EVEN, Profile.GLOBAL),
    stages=(),
    counted="macs",
    whole=1000,
)
WORK = {"weights": "a"}


@contextmanager
def opened(
    folder: Path | None, *, seed: int = 0, work: dict[str, str] | None = None, is_shared: bool = True
) -> Iterator[Study]:
    """Open the study of a folder, or one in memory."""
    url = "sqlite://" if folder is None else f"sqlite:///{folder / 'trials.db'}"
    made = Study(url, WORK if work is None else work, space=SPACE, seed=seed, is_shared=is_shared)
    try:
        yield made
    finally:
        made.close()


NUM_LOOKED_AT = 3


def run(study: Study, num: int, *, passes: float = 0.3) -> list[Candidate]:
    """Hold some heats, of which the first passes where it is above a size, and the others lose."""
    taken = []
    for _ in range(num):
        heat: list[tuple[int, Candidate]] = []
        while len(heat) < NUM_LOOKED_AT and (found := study.take(float("inf"))) is not None:
            heat.append(found)
        assert heat
        study.give([ended(number, candidate, heat[0][0], passes=passes) for number, candidate in heat])
        taken += [candidate for _, candidate in heat]
    return taken


def ended(number: int, candidate: Candidate, heat: int, *, passes: float = 0.3) -> Trial:
    """Return what became of a candidate."""
    standing = Standing.PASSED if candidate.amount >= passes else Standing.FAILED
    missing = passes - candidate.amount
    return trial(
        number,
        heat=heat,
        cost=candidate.amount,
        standing=standing if number == heat else Standing.DROPPED,
        structure=candidate.structure,
        criterion=candidate.criterion,
        profile=candidate.profile,
        amount=candidate.amount,
        shortfall=missing,
        conditions=(condition(shortfall=missing),),
    )


def test_a_heat_is_of_one_size_and_no_way_twice() -> None:
    """A plain one of all criteria and no other, the structures in turn; later ones of whatever is proposed."""
    with opened(None) as study:
        for structure in (Structure.FILTERS, Structure.BOTH, Structure.FILTERS, Structure.BOTH):
            heat = run(study, 1)
            assert {each.way for each in heat} == {(structure, name, Profile.EVEN) for name in SPACE.criteria}
            assert len({each.amount for each in heat}) == 1
        for _ in range(3):
            heat = run(study, 1)
            assert len({each.way for each in heat}) == len(heat) == NUM_LOOKED_AT
            assert len({each.amount for each in heat}) == 1


def test_what_another_gives_meanwhile_does_not_change_the_heat_at_hand(tmp_path: Path) -> None:
    """It stays of one size."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        first, other = one.take(9), two.take(9)
        assert first is not None
        assert other is not None
        two.give([ended(*other, other[0])])
        second = one.take(9)
        assert second is not None
        assert second[1].amount == first[1].amount < other[1].amount


def test_where_nothing_is_left_to_try_no_heat_is_begun() -> None:
    """One way alone, halved until what passed and what failed are next to each other."""
    one_way = replace(SPACE, structures=(Structure.FILTERS,), criteria=("l1",), profiles=(Profile.EVEN,))
    study = Study("sqlite://", WORK, space=one_way, seed=0)
    num = 0
    while (found := study.take(100)) is not None:
        assert study.take(100) is None
        study.give([ended(*found, found[0])])
        num += 1
    assert study.is_exhausted
    study.close()
    assert NUM_HALVINGS < num < 15


def test_the_same_seed_proposes_the_same() -> None:
    """Another seed proposes others, once the bracket is found."""
    found = []
    for seed in (0, 0, 1):
        with opened(None, seed=seed) as study:
            found.append(run(study, NUM_HALVINGS + 1))
    one, two, three = found
    assert one == two
    assert {each.amount for each in one[: 2 * NUM_HALVINGS]} == {each.amount for each in three[: 2 * NUM_HALVINGS]}
    assert one != three


def test_a_killed_search_goes_on_with_the_same_candidates(tmp_path: Path) -> None:
    """Two were taken and never given: they are proposed again, and all that follow are as without the kill."""
    with opened(None) as straight:
        expected = run(straight, NUM_HALVINGS + 2)
    with opened(tmp_path) as killed:
        run(killed, NUM_HALVINGS)
        lost = [killed.take(float("inf")), killed.take(float("inf"))]
        assert None not in lost
        killed.drop()
    with opened(tmp_path) as resumed:
        num = len(resumed.trials())
        assert num == len(expected) - 2 * NUM_LOOKED_AT
        assert [each[1] for each in lost if each is not None] == expected[num : num + 2]
        assert run(resumed, 2) == expected[num:]
        assert [each.candidate for each in resumed.trials()] == expected


@pytest.mark.parametrize("num_told", [-1, 0, 1, 2])
def test_a_heat_is_kept_as_a_whole_or_not_at_all(
    num_told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever its process is killed while it gives the heat: before all records are there, or after."""
    with opened(None) as straight:
        expected = run(straight, 3)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    with opened(tmp_path) as killed, monkeypatch.context() as patch:
        run(killed, 1)
        killed.worker = f"{killed.worker.rpartition(':')[0]}:{int(done.stdout)}"
        left, real = [num_told], killed._end

        def end(record: Trial) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(record)

        patch.setattr(killed, "_end", end)
        if num_told < 0:
            patch.setattr(module, "GIVEN", "not given")
            left[0] = 0
        if num_told == len(SPACE.criteria):
            run(killed, 1)
        else:
            with pytest.raises(KeyboardInterrupt):
                run(killed, 1)
    with opened(tmp_path) as resumed:
        num = len(resumed.trials())
        assert num == (2 * len(SPACE.criteria) if num_told >= 0 else len(SPACE.criteria))
        assert [each.candidate for each in resumed.trials()] == expected[:num]
        assert run(resumed, 3 if num_told < 0 else 1)[: len(expected) - num] == expected[num:]


@pytest.mark.parametrize("num_told", [None, 0, 1])
def test_interrupted_where_the_process_lives_on_a_heat_is_nobodys(
    num_told: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook: the heat is ended or given back at once, and the next search waits for nobody."""
    with opened(tmp_path) as study, monkeypatch.context() as patch:
        run(study, 1)
        left, real = [num_told or 0], study._end

        def end(record: Trial) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(record)

        patch.setattr(study, "_end", end)
        if num_told is None:
            patch.setattr(module, "GIVEN", "not given")
        with pytest.raises(KeyboardInterrupt):
            run(study, 1)
        patch.undo()
        study.drop()
        assert study.num_running() == 0
        assert len(heats_of(study.trials())) == (1 if num_told is None else 2)
        assert len(run(study, 1)) == len(SPACE.criteria)


def test_what_a_dead_process_had_taken_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not count as running, and its candidate is proposed anew."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    with opened(tmp_path) as killed:
        killed.worker = f"{killed.worker.rpartition(':')[0]}:{int(done.stdout)}"
        lost = killed.take(float("inf"))
        assert killed.num_running() == 0
    with opened(tmp_path) as resumed:
        again = resumed.take(float("inf"))
        assert lost is not None
        assert again is not None
        assert again[1] == lost[1]
        assert again[0] != lost[0]


def test_the_number_of_a_dead_process_in_other_hands_is_not_it(tmp_path: Path) -> None:
    """The next run of a container often has the very number that the killed one had."""
    with opened(tmp_path) as killed:
        lost = killed.take(float("inf"))
        assert lost is not None
        assert killed.num_running() == 1
        next(iter(killed._open.values()))[0].set_user_attr(module.BY, f"{killed.worker}:before this boot.7")
    with opened(tmp_path) as resumed:
        assert resumed.num_running() == 0
        again = resumed.take(float("inf"))
        assert again is not None
        assert again[1] == lost[1]


@pytest.mark.parametrize("is_shared", [True, False])
def test_another_machine_is_waited_for_only_where_it_can_be(tmp_path: Path, is_shared: bool) -> None:
    """A folder of our own that was last used under another name was used by a container that is no more."""
    with opened(tmp_path) as other:
        assert other.take(float("inf")) is not None
        next(iter(other._open.values()))[0].set_user_attr(module.BY, "elsewhere:1:that boot.7")
    with opened(tmp_path, is_shared=is_shared) as study:
        assert study.num_running() == is_shared


def test_one_that_was_taken_and_not_even_signed_is_nobodys(tmp_path: Path) -> None:
    """A process can be killed between the two; nobody waits for it, and the next proposal is the same."""
    with opened(tmp_path) as killed:
        first = run(killed, 1)
        killed._study.ask()
    with opened(tmp_path) as resumed, opened(None) as straight:
        assert resumed.num_running() == 0
        assert [*first, *run(resumed, 2)] == run(straight, 3)


def test_no_two_take_the_same_and_none_takes_too_many(tmp_path: Path) -> None:
    """Two processes on one database: three heats are three, whoever holds them, and running ones count."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        first, second = one.take(3), two.take(3)
        assert first is not None
        assert second is not None
        assert two.num_running() == 2
        assert (first[0], second[0]) == (1, 2)
        third = one.take(3)
        assert third is not None  # of its first heat
        two.give([ended(*second, second[0])])
        assert two.take(3) is not None
        two.drop()
        assert two.take(2) is None
        one.give([ended(*each, first[0]) for each in (first, third)])
        assert one.take(2) is None
        assert [(each.number, each.heat) for each in one.trials()] == [(1, 1), (2, 2), (3, 1)]


@pytest.mark.parametrize("num_before", [0, NUM_HALVINGS + 1])
def test_two_processes_examine_different_candidates(num_before: int, tmp_path: Path) -> None:
    """What another examines counts as if it failed: in the bracket the next is larger, and of another structure."""
    with opened(tmp_path) as one, opened(tmp_path) as two, opened(tmp_path) as three:
        run(one, num_before)
        taken = [each.take(float("inf")) for each in (one, two, three)]
        candidates = [each[1] for each in taken if each is not None]
        assert len(candidates) == len(set(candidates)) == 3
        if not num_before:
            assert candidates[0].amount < candidates[1].amount < candidates[2].amount
            assert candidates[0].structure != candidates[1].structure


def test_one_process_confirms_and_releases(tmp_path: Path) -> None:
    """The others see that somebody is at work; who has died holds nothing."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        two.worker = f"{two.worker}0"  # a process that is none
        assert one.hold()
        assert (one.num_running(), two.num_running()) == (0, 1)
        assert not two.hold()
        one.let_go()
        assert (one.num_running(), two.num_running()) == (0, 0)
        assert two.hold()
        assert one.num_running() == 0
        assert one.hold()


def test_of_two_that_claim_at_once_one_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One claims while the other is between its claim and its look: the older holds, and the younger is not waited for.

    A claim that is not signed yet is one, unless nobody has signed it for long.
    """
    with opened(tmp_path) as one, opened(tmp_path) as two:
        looks: list[tuple[bool, int]] = []
        real = one._claims.is_held_by_another

        def look() -> bool:
            if not looks:
                looks.append((two.hold(), two.num_running()))
            return real()

        monkeypatch.setattr(one._claims, "is_held_by_another", look)
        assert one.hold()
        assert looks == [(False, 1)]
        one.let_go()
        two._claims._study.ask()
        assert not one.hold()
        monkeypatch.setattr(claims, "SIGNING_SECONDS", -1.0)
        assert one.hold()
        two._claims._study.ask()
        assert one.num_running() == 0


def test_what_met_the_test_images_is_kept(tmp_path: Path) -> None:
    """For every process that goes on with this search."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        assert one.tested() == {}
        one.note_tested("cut a", "failed")
        two.note_tested("cut b", "passed")
        assert one.tested() == two.tested() == {"cut a": "failed", "cut b": "passed"}


def test_a_database_that_is_lost_on_the_way_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; a fault of ours stays one."""
    with opened(tmp_path) as study:
        monkeypatch.setattr(study._study, "ask", _raising(StorageInternalError("disk I/O error")))
        with pytest.raises(MachineError, match="does not answer: disk I/O error") as caught:
            study.take(3)
        assert "goes on where it was" in caught.value.advice
        monkeypatch.setattr(study._study, "ask", _raising(ZeroDivisionError("ours")))
        with pytest.raises(ZeroDivisionError):
            study.take(3)


def _raising(error: Exception) -> Callable[[], None]:
    def raising() -> None:
        raise error

    return raising


def test_a_candidate_that_ended_can_be_looked_at_again(tmp_path: Path) -> None:
    """What the later examination made of it takes its place, in this process and in every other."""
    with opened(tmp_path) as one, opened(tmp_path) as two:
        run(one, 1)
        first, *others = one.trials()
        assert two.trials() == (first, *others)
        failed = replace(first, standing=Standing.FAILED, why="by another battery")
        one.amend(failed)
        assert one.trials() == two.trials() == (failed, *others)


def test_another_search_has_another_study(tmp_path: Path) -> None:
    """In the same database; neither sees the other's trials."""
    assert name_of({"weights": "a"}) != name_of({"weights": "b"})
    with opened(tmp_path) as one, opened(tmp_path, work={"weights": "b"}) as two:
        candidates = run(one, 2)
        assert [each.candidate for each in one.trials()] == candidates
        assert two.trials() == ()


def test_a_study_of_something_else_under_our_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are digests, so somebody meant it."""
    with opened(tmp_path) as one:
        run(one, 1)
    monkeypatch.setattr(module, "name_of", lambda work: name_of(WORK))
    with pytest.raises(OptionError, match="another search"), opened(tmp_path, work={"weights": "b"}):
        pytest.fail("mixed")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense", "nonsense"),
        ("sqlite:////no/such/folder/a.db", "unable to open"),
        ("dialect://user:secret@host/name", "dialect://user@host/name"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_sentence(url: str, part: str) -> None:
    """Without the password."""
    with pytest.raises(OptionError, match="--storage") as caught:
        storage_at(url)
    assert part in caught.value.message
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_database_without_its_driver_says_which_module_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy does not bring any."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(OptionError, match="psycopg") as caught:
        storage_at("postgresql+psycopg://host/name")
    assert "pip install 'psycopg[binary]'" in caught.value.advice


@pytest.mark.parametrize(("said", "num"), [("relation already exists", 3), ("no route to host", 1)])
def test_tables_that_another_process_made_meanwhile_are_no_reason_to_give_up(
    said: str, num: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third attempt finds them; anything else is said at once."""
    attempts = []

    def made(url: str, **_: object) -> str:
        attempts.append(url)
        if len(attempts) < 3:
            raise ValueError(said)
        return "opened"

    monkeypatch.setattr(database, "BETWEEN_SECONDS", 0.0)
    monkeypatch.setattr("optuna.storages.RDBStorage", made)
    with nullcontext() if num > 1 else pytest.raises(OptionError, match=said):
        assert storage_at("postgresql://host/name") == "opened"
    assert len(attempts) == num


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """And left as it was."""
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(OptionError, match="not a database"):
        storage_at(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_without_optuna_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any work."""
    monkeypatch.setattr(database, "find_spec", lambda name: None)
    with pytest.raises(MachineError) as caught:
        check_engine()
    assert "pip install" in caught.value.advice
