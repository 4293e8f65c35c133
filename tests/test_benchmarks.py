"""docs/benchmarks.md is what its rows say, and the rows show what the page claims."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import battery
from benchmarks.battery_claims import REFERENCES, SECONDS, claims
from benchmarks.battery_parts import KINDS, current_code, parts
from benchmarks.battery_row import SCHEMA, Answer, Row, packed, read_rows
from benchmarks.battery_runs import digest_of
from benchmarks.page import PAGE, finetuning, page, throughput
from benchmarks.page_battery import oracles, resnets, speed
from benchmarks.page_latency import against_peer, slim_and_dense, torch_rows
from compressor.attacks.threat import parse_threat
from compressor.certify.certificate import AttackResult
from compressor.records import dump
from compressor.runtime.machine import versions

ROWS = {row.name: row for row in read_rows()}
OPEN = {
    ("oracle-mnist", "`standard` answers no more than reference AutoAttack"),
    ("choice-digits-linf-0.3-seed1", "`standard` leaves at most one image in 500 more than `full`"),
}
"""Targets that may be missed, and the page then says so. Take out what was reached for good."""


def answer(battery: str, stands: list[bool], *, passes: int = 1, seconds: float = 1.0) -> Answer:
    """Return an answer about images that are all right at first."""
    attack = AttackResult(name="a", settings={}, num_attempted=len(stands), num_broken=stands.count(False))
    return Answer(
        battery=battery,
        sha256="",
        attacks=(attack,),
        standing=packed(np.array(stands)),
        num_forward=passes,
        num_backward=0,
        seconds=(seconds,),
        wall_seconds=(seconds,),
        preflight_seconds=(0.0,),
    )


def row(name: str, kind: str, answers: tuple[Answer, ...], num: int) -> Row:
    """Return a row about nothing."""
    host: dict[str, str | int] = {"cpu": "abacus", "cores": 2, "gpu": ""}
    return Row(
        schema=SCHEMA, created="2026-01-02T03:04:05+00:00", kind=kind, name=name, model="bead, painted",
        model_sha256="", threat="linf:1/2", images="beads", num_images=num, seed=0, device="cpu", threads=1,
        code="c0de", versions={"torch": "9"}, host=host, load=1.0, answers=answers,
    )  # fmt: skip


def test_the_page_is_what_the_rows_say() -> None:
    """Nobody edited docs/benchmarks.md by hand."""
    assert PAGE.read_text() == page(read_rows())


def test_the_oracles_have_their_rows() -> None:
    """Both were measured, with all batteries that the page compares."""
    wanted = {part.name: set(part.batteries) for part in parts(repeats=1, num_images=1) if part.kind == "oracle"}
    assert set(wanted) == set(REFERENCES)
    for name, batteries in wanted.items():
        assert {each.battery for each in ROWS[name].answers} == batteries


@pytest.mark.parametrize("name", ROWS)
def test_a_row_shows_what_the_page_claims(name: str) -> None:
    """Targets are reached, but for those that are known to be open."""
    assert {(claim.row, claim.what) for claim in claims(ROWS[name]) if not claim.holds} <= OPEN


@pytest.mark.parametrize("name", ROWS)
def test_no_battery_leaves_more_than_it_began_with(name: str) -> None:
    """What its attacks broke and what stands is what was right; `standard` needs fewer passes than `full`."""
    found = ROWS[name]
    for each in found.answers:
        begun = each.attacks[0].num_attempted
        assert begun - sum(attack.num_broken for attack in each.attacks) == found.num_standing(each)
    standard, full = found.answer("standard"), found.answer("full")
    if standard and full:
        assert standard.num_forward < full.num_forward
        assert standard.num_backward < full.num_backward


def test_parts_have_names_of_their_own() -> None:
    """No row overwrites another, every kind is known, and the claims name rows that exist."""
    found = parts(repeats=2, num_images=100)
    assert len({part.name for part in found}) == len(found)
    assert {part.kind for part in found} == set(KINDS)
    assert {*REFERENCES, *SECONDS} <= {part.name for part in found}


def test_dear_batteries_run_between_cheap_ones() -> None:
    """On an oracle the cheap batteries run once more often than the dear ones, before, between and after them."""
    rounds = parts(repeats=2, num_images=1)[0].rounds
    assert rounds.count("full") == 2
    assert rounds.count("standard") == 3
    assert rounds.index("standard") < rounds.index("full")
    assert "full" not in rounds[-3:]


def test_what_has_its_row_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is kept while code, libraries and its list of attacks are the same; each change drops what it made."""
    monkeypatch.setattr(battery, "FOLDER", tmp_path)
    part = next(part for part in parts(repeats=1, num_images=9) if part.kind == "resnet")
    threat = parse_threat(part.threat)
    digests = {name: digest_of(name, threat, policy=battery.POLICY) for name in part.batteries}
    answers = tuple(replace(answer(name, [True] * 9), sha256=digests[name]) for name in part.batteries)
    made = replace(
        row(part.name, part.kind, answers, 9), threat=part.threat, code=current_code(part.kind), versions=versions()
    )
    assert battery.kept(part) == {}
    for changed, kept in (
        (made, {"standard", "full"}),
        (replace(made, answers=(replace(answers[0], sha256="other"), answers[1])), {"full"}),
        (replace(made, code="other"), set()),
        (replace(made, versions={"torch": "9"}), set()),
        (replace(made, num_images=10), set()),
    ):
        (tmp_path / f"{part.name}.json").write_bytes(dump(changed))
        assert set(battery.kept(part)) == kept


@pytest.mark.parametrize("num", [1, 7, 8, 9, 200])
def test_images_that_stand_come_back(num: int) -> None:
    """One bit per image, for any number of images."""
    stands = np.random.default_rng(num).random(num) < 0.5
    made = row("r", "choice", (answer("standard", stands.tolist()),), num)
    assert np.array_equal(made.stands(made.answers[0]), stands)


@pytest.mark.parametrize(("more", "num", "holds"), [(0, 100, True), (1, 100, False), (1, 500, True), (2, 500, False)])
def test_one_image_in_500_may_be_left(more: int, num: int, holds: bool) -> None:
    """The limit is a share of the images, so with fewer than 500 none may be left."""
    ours, theirs = [True] * (10 + more) + [False] * (num - 10 - more), [True] * 10 + [False] * (num - 10)
    made = row("r", "resnet", (answer("standard", ours), answer("full", theirs)), num)
    assert [claim.holds for claim in claims(made)] == [holds]
    assert f"| {more} |" in resnets([made])


def test_a_target_that_is_missed_is_said() -> None:
    """One image more than reference AutoAttack, or too many passes, are printed as not reached."""
    reference = REFERENCES["oracle-mnist"]
    stands = [True] * reference.autoattack + [False] * (200 - reference.autoattack)
    full = answer("full", stands, passes=reference.passes, seconds=100.0)
    good = row("oracle-mnist", "oracle", (answer("standard", stands, passes=1, seconds=4.0), full), 200)
    assert "not reached" not in oracles([good])
    weak = [True] * (reference.autoattack + 1) + [False] * (199 - reference.autoattack)
    bad = replace(good, answers=(answer("standard", weak, passes=reference.passes, seconds=4.1), full))
    assert oracles([bad]).count("**not reached**") == 3


def test_sections_without_rows_say_so() -> None:
    """A benchmark that nobody ran yet leaves no gap."""
    for text in (
        oracles([]),
        resnets([]),
        speed([]),
        against_peer([]),
        slim_and_dense([]),
        torch_rows([]),
        throughput([]),
        finetuning([]),
    ):
        assert "No rows yet." in text
        assert "python -m benchmarks." in text


def test_fine_tuning_is_compared_with_the_reference_recipe() -> None:
    """The ratio of the pairs stands beside its target; rates of our own stand in a table of theirs."""
    settings = {"threads": 1}
    alone = {"model": "cifar:resnet20", "what": "attack", "batch": 32, "images_per_second": 99.0, "settings": settings}
    pair = {
        "model": "cifar:resnet20", "what": "reference", "batch": 128, "images_per_second": 320.0,
        "reference_images_per_second": 200.0, "ratio": 1.6, "ratios": [1.5, 1.6, 1.7], "precision": "fp32",
        "settings": settings,
    }  # fmt: skip
    record = {"created": "2026-01-02", "command": "python", "host": {"cpu": "abacus", "cores": 2, "gpu": ""}}
    made = record | {"versions": {"torch": "9"}, "rows": [alone, pair]}
    assert "| cifar:resnet20 | cpu, fp32 | 1 | 320 | 200 | 1.60 | 3 |" in throughput([made])
    assert "at least 1.6: 1.60, reached" in throughput([made])
    assert "| cifar:resnet20 | attack | 32 | 99 |" in throughput([made])
    slow = made | {"rows": [pair | {"ratio": 1.59}]}
    assert "1.59, **not reached**" in throughput([slow])


def test_three_epochs_are_compared_with_the_control() -> None:
    """Targets are judged on all training images only; a run that went on elsewhere has no time."""
    rows = [
        {"part": part, "epochs": 3, "num_train": None, "macs_ratio": 2.0, "test_accuracy": accuracy, "seconds": seconds}
        for part, accuracy, seconds in (("plain", 0.84, 100.0), ("ours", 0.866, 150.0), ("control", 0.88, None))
    ]
    record = {"created": "2026-01-02", "command": "python", "host": {"cpu": "abacus", "cores": 2, "gpu": ""}}
    made = record | {"versions": {"torch": "9"}, "rows": rows}
    assert "below the control: 1.4%, reached" in finetuning([made])
    assert "the plain recipe: 1.50, reached" in finetuning([made])
    assert "| control | 3 | all | 2.00x | 88.0% | - |" in finetuning([made])
    short = made | {"rows": [row | {"num_train": 2000} for row in rows]}
    assert "reached" not in finetuning([short])
