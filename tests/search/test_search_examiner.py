"""From rung to rung: where a candidate ends, why, and what it has not cost by then."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_up
import pytest
import torch
from search_trials import condition, rung, trial

from compressor.data import Data, ImageSet, open_data, parse_preprocess
from compressor.errors import FinetuneError, OutputError, Undecided
from compressor.export.form import PLAIN
from compressor.finetune import Recipe
from compressor.gate.policy import read_policy
from compressor.load import Checkpoint, build, load
from compressor.progress import SILENT
from compressor.search.examiner import Examiner
from compressor.search.exploring import confirm
from compressor.search.heat import hold_heat
from compressor.search.planner import Planner, digest_of_cut
from compressor.search.record import Candidate, Profile, Standing, Trial
from compressor.search.sizes import Sizes
from compressor.search.space import space_of
from compressor.search.wanted import Wanted
from compressor.search.winner import winner_of
from compressor.task import Cut, Place, Task, Timing
from compressor.types import Decision, Minimise, Structure

module = importlib.import_module("compressor.search.examiner")
gates = importlib.import_module("compressor.search.select_gate")
POLICY = """schema = "compress.policy/1"
[accuracy]
min = 0.8
[[robustness]]
threat = "linf:2/255"
min = 0.3
"""
CANDIDATE = Candidate(structure=Structure.FILTERS, criterion="l1", profile=Profile.EVEN, amount=0.5)


def unread(images: ImageSet | None) -> ImageSet:
    """Return images that nobody may look at."""
    assert images is not None

    def refuse(*args: object) -> Any:
        raise AssertionError("an image was read")

    return replace(images, reader=refuse, hasher=refuse)


@pytest.fixture(scope="module")
def dense() -> Checkpoint:
    """Return an untrained network for digits."""
    torch.manual_seed(0)
    network = build("cifar:resnet8", num_classes=10, in_channels=1)
    return load(network, arch="cifar:resnet8", preprocess=parse_preprocess("none"), input_size=(8, 8))


@pytest.fixture(scope="module")
def data(dense: Checkpoint) -> Data:
    """Return the digits, of which nothing can be read."""
    found = open_data("digits", preprocess=dense.preprocess)
    return replace(found, train=unread(found.train), select=unread(found.select), test=None)


Make = Callable[..., Examiner]


@pytest.fixture
def make(dense: Checkpoint, data: Data, tmp_path: Path) -> Make:
    """Return what makes an examiner by a policy."""

    def made(policy: str = POLICY, **changes: Any) -> Examiner:
        (tmp_path / "policy.toml").write_text(policy)
        task = Task(
            data="digits",
            policy=tmp_path / "policy.toml",
            cut=Cut(),
            recipe=Recipe(epochs=3),
            num_images=100,
            **changes,
        )
        wanted = Wanted(minimise=Minimise.MACS)
        space = space_of(dense, wanted)
        return Examiner(
            dense,
            data,
            task=task,
            policy=read_policy(task.policy),
            planner=Planner(dense, data, template=Cut(), space=space, counted="macs", seed=0),
            sizes=Sizes(dense, data, minimise=Minimise.MACS, form=PLAIN, timings=[Timing()]),
            dense_accuracy=0.95,
            num_test=1000,
            place=Place(),
            worker="here:1",
        )

    return made


def tuned(accuracies: Sequence[float]) -> Callable[..., Any]:
    """Return a tuning that takes no time and ends with the next of these accuracies."""
    left = list(accuracies)

    def tune(cut: Checkpoint, data: Data, recipe: Recipe, **how: object) -> tuple[Checkpoint, SimpleNamespace]:
        found = left.pop(0)
        assert data.train is not None
        history = SimpleNamespace(
            select_accuracy=found,
            select_robust_accuracy=None,
            num_train=len(data.train),
            epochs=[None] * recipe.epochs,
            num_select=270,
        )
        return cut, history

    return tune


def certified(*args: object, **how: object) -> tuple[Any, None]:
    """Return a certificate of 85.1 % right and 41.2 % robust."""
    return made_up.certificate(), None


def examine(examiner: Examiner, *past: Trial, candidate: Candidate = CANDIDATE) -> Trial:
    """Examine a candidate that is alone in its heat, after others."""
    alone = iter([(7, candidate)])
    (found,) = hold_heat(examiner, lambda: next(alone, None), past=lambda: past, watch=lambda number: SILENT)
    return found


def test_what_is_no_smaller_than_the_best_costs_no_image(make: Make) -> None:
    """It is planned and cut; nothing is read, tuned or attacked."""
    found = examine(make(), trial(3, cost=0.4))
    assert (found.standing, found.why) == (Standing.DROPPED, "no smaller than candidate 3, which passed")
    assert [each.name for each in found.rungs] == ["cut"]
    assert found.cost == pytest.approx(0.5, abs=0.02)
    assert (found.accuracy, found.conditions, found.shortfall) == (None, (), None)


def test_an_equal_cut_is_not_tried_twice(make: Make) -> None:
    """Whatever chose it; one that was itself never judged counts for nothing."""
    examiner = make()
    digest = digest_of_cut(examiner._planner.plan(CANDIDATE))
    found = examine(examiner, trial(2, cost=0.5, cut_sha256=digest, standing=Standing.FAILED))
    assert found.why == "the same cut as candidate 2, which came to: failed"
    untried = trial(2, cost=0.5, cut_sha256=digest, standing=Standing.DROPPED)
    with pytest.raises(AssertionError, match="an image was read"):
        examine(examiner, untried)


def test_what_the_policy_finds_too_large_is_not_tuned(make: Make) -> None:
    """Counted, so it is certain."""
    found = examine(make(POLICY + '[size]\nmax_macs = "100k"\n'))
    assert found.standing is Standing.DROPPED
    assert found.why.endswith("multiply-adds, the policy allows 100,000")


def test_what_cannot_be_cut_is_one_candidate_less(make: Make) -> None:
    """Blocks alone leave too much of this network."""
    small = Candidate(structure=Structure.BLOCKS, criterion="l1", profile=Profile.EVEN, amount=0.05)
    found = examine(make(), candidate=small)
    assert (found.standing, found.cost) == (Standing.DROPPED, None)
    assert "smallest reachable" in found.why


def test_the_rungs_in_their_order(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered as cut, tuned for an epoch on a quarter, by the whole recipe, and attacked; then judged by the gate."""
    monkeypatch.setattr(module, "tune", tuned([0.3, 0.6, 0.9]))
    monkeypatch.setattr(gates, "certify", certified)
    found = examine(make())
    assert [each.name for each in found.rungs] == ["cut", "one-shot", "short", "full", "attack"]
    assert [each.accuracy for each in found.rungs] == [None, 0.3, 0.6, 0.9, None]
    assert [each.num_images_trained for each in found.rungs] == [0, 0, 270, 3 * 1078, 0]
    assert found.rungs[-1].num_passes == 2 * (181_000 + 90_500)
    assert found.standing is Standing.PASSED
    assert found.accuracy == made_up.certificate().result.clean_accuracy
    assert found.robust["linf:2/255"] == 0.412
    assert {each.id for each in found.conditions} == {"accuracy.min", "robustness.linf-2/255.min"}
    assert found.shortfall is not None
    assert found.shortfall <= 0


def test_what_is_hopeless_is_not_tuned_any_further(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger candidate that looked better after the short tuning failed."""
    monkeypatch.setattr(module, "tune", tuned([0.4, 0.5]))
    found = examine(make(), trial(4, cost=0.6, standing=Standing.FAILED))
    assert [each.name for each in found.rungs] == ["cut", "one-shot", "short"]
    assert found.why == "candidate 4 was no smaller and no worse at this point, and failed"


def test_what_answers_too_little_is_not_attacked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 % of 270 images are certainly below 80 %: failed, with how much is missing; unless somebody accepted that."""
    monkeypatch.setattr(module, "tune", tuned([0.3, 0.5, 0.6]))
    found = examine(make())
    assert found.standing is Standing.FAILED
    assert found.shortfall == pytest.approx(0.2)
    assert found.why == "after the full recipe 60.0 % of the select images are right, demanded are 80 %"
    monkeypatch.setattr(module, "tune", tuned([0.3, 0.5, 0.6]))
    monkeypatch.setattr(gates, "certify", certified)
    assert examine(make(accept={"accuracy.min": "known"})).standing is Standing.PASSED


def test_what_is_undecided_is_not_passed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """41.2 % of 1,000 images, [38.1, 44.3], for at least 40 %."""
    monkeypatch.setattr(module, "tune", tuned([0.3, 0.6, 0.9]))
    monkeypatch.setattr(gates, "certify", certified)
    found = examine(make(POLICY.replace("min = 0.3", "min = 0.4")))
    assert found.standing is Standing.UNDECIDED
    assert found.why.startswith("undecided: robustness.linf-2/255.min is 41.2 %, demanded at least 40 %")


def test_a_training_that_is_lost_ends_one_candidate_and_a_full_disk_all(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the machine would be wrong with every candidate."""

    def lost(*args: object, **how: object) -> Any:
        raise FinetuneError("the loss is no longer a number")

    def full(*args: object, **how: object) -> Any:
        raise OutputError("no space left")

    monkeypatch.setattr(module, "tune", lost)
    found = examine(make())
    assert (found.standing, found.why) == (Standing.DROPPED, "the loss is no longer a number")
    monkeypatch.setattr(module, "tune", full)
    with pytest.raises(OutputError):
        examine(make())


def test_an_examiner_takes_no_test_images(dense: Checkpoint, data: Data, make: Make) -> None:
    """It cannot be made with any."""
    with_test = replace(data, test=unread(data.select))
    examiner = make()
    with pytest.raises(AssertionError, match="never meet a test image"):
        Examiner(
            dense,
            with_test,
            task=examiner._task,
            policy=examiner.gate._policy,
            planner=examiner._planner,
            sizes=examiner._sizes,
            dense_accuracy=1.0,
            num_test=1,
            place=Place(),
            worker="here:1",
        )


def test_what_passed_by_quick_is_attacked_by_the_battery_of_the_release(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its training is the one it had; what counts from then on is the later judgement, and sizes stay."""
    batteries: list[object] = []

    def attacked(*args: object, **how: object) -> tuple[Any, None]:
        batteries.append(how["battery"])
        return made_up.certificate(), None

    monkeypatch.setattr(module, "tune", tuned([0.9]))
    monkeypatch.setattr(gates, "certify", attacked)
    examiner = make(POLICY.replace("min = 0.3", "min = 0.6"))
    size = condition("size.max_bytes", found=1, limit=2, decision=Decision.PASSED, shortfall=-0.5)
    before = trial(1, cost=0.5, amount=0.5, conditions=(size,))
    assert examiner.gate.needs_confirming(before)
    after = examiner.confirm(before, progress=SILENT)
    assert batteries == ["standard"]
    assert (after.standing, after.number, after.cost) == (Standing.FAILED, before.number, before.cost)
    assert after.why.startswith("by the battery standard failed: robustness.linf-2/255.min is 41.2 %")
    assert [each.name for each in after.rungs] == [*(each.name for each in before.rungs), "confirm"]
    assert {each.id for each in after.conditions} == {"accuracy.min", "robustness.linf-2/255.min", "size.max_bytes"}
    assert not examiner.gate.needs_confirming(after)


@pytest.mark.parametrize(
    ("policy", "standing"),
    [
        (POLICY + '[evidence]\nbattery = "quick"\n', Standing.PASSED),
        (POLICY.split("[[", maxsplit=1)[0], Standing.PASSED),
        (POLICY, Standing.UNDECIDED),
        (POLICY, Standing.FAILED),
    ],
)
def test_nothing_is_confirmed_that_need_not_be(make: Make, policy: str, standing: Standing) -> None:
    """Where the release attacks by the same battery or not at all, and what did not pass anyway."""
    assert not make(policy).gate.needs_confirming(trial(1, standing=standing))


def confirming(*, holds_from: int, num: int, allows: Sequence[bool] = ()) -> tuple[list[int], dict[int, Trial]]:
    """Confirm candidates of which those from a number on hold; return which were looked at, and what became of all."""
    trials = {number: trial(number, cost=number / 10) for number in range(1, num + 1)}
    tried, left = [], list(allows)

    def again(best: Trial, *, progress: object) -> Trial:
        tried.append(best.number)
        standing = Standing.PASSED if best.number >= holds_from else Standing.FAILED
        return replace(best, standing=standing, rungs=(*best.rungs, rung("confirm")))

    site: Any = SimpleNamespace(
        study=SimpleNamespace(
            trials=lambda: tuple(trials.values()),
            amend=lambda record: trials.update({record.number: record}),
            seen=lambda: None,
        ),
        clock=SimpleNamespace(allows_release=lambda _: left.pop(0) if left else True, of_release=lambda _: 99.0),
        examiner=SimpleNamespace(
            gate=SimpleNamespace(
                battery="standard",
                needs_confirming=lambda best: best.standing is Standing.PASSED and best.rung("confirm") is None,
            ),
            confirm=again,
        ),
    )
    confirm(site)
    return tried, trials


@pytest.mark.parametrize(
    ("holds_from", "num", "tried"),
    [(1, 4, [1]), (3, 4, [1, 3, 2]), (4, 4, [1, 3, 4]), (9, 4, [1, 3, 4]), (20, 20, [1, 11, 16, 19, 20])],
)
def test_where_the_smallest_does_not_hold_the_smallest_that_does_is_looked_for(
    holds_from: int, num: int, tried: list[int]
) -> None:
    """By halves, so that of many only a few meet the dear battery; what is no larger falls with one that it refused."""
    looked_at, trials = confirming(holds_from=holds_from, num=num)
    assert looked_at == tried
    winner = winner_of(tuple(trials.values()))
    assert (None if winner is None else winner.number) == (holds_from if holds_from <= num else None)
    fallen = [each for each in trials.values() if each.standing is Standing.DROPPED]
    assert all("which the battery standard refused" in each.why for each in fallen)


def test_where_no_time_is_left_to_confirm_another_the_one_that_holds_is_taken() -> None:
    """1 is refused, 3 holds, and for 2 there is no time; where nothing was confirmed before, it ends undecided."""
    looked_at, trials = confirming(holds_from=2, num=4, allows=[True, True, False])
    assert looked_at == [1, 3]
    assert trials[2].standing is Standing.DROPPED
    assert "left no time" in trials[2].why
    with pytest.raises(Undecided, match="about 99 s"):
        confirming(holds_from=1, num=4, allows=[False, False])
