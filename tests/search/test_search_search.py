"""Whole searches on digits: what passes is bundled, what does not is said, and no candidate meets a test image."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

import compressor
from cli import app
from compressor.errors import DataError
from compressor.files import sha256_of_file
from compressor.finetune import Recipe
from compressor.records import parse
from compressor.search import Trials, Wanted, search
from compressor.task import Cut, Place, Task
from compressor.types import Minimise

pytestmark = pytest.mark.usefixtures("brief_benchmarks")
module = importlib.import_module("compressor.search.search")
"""The file, whose verb hides it in its own package."""

POLICY = """schema = "compress.policy/1"
[accuracy]
min = 0.2
[[robustness]]
threat = "linf:1/64"
max_drop = 0.8
[evidence]
battery = "quick"
"""
FACTORY = """
from dataclasses import replace
from pathlib import Path

from compressor.data import open_data

FLAG = Path(__file__).with_name("released")


def make():
    data = open_data("digits", preprocess=None)
    test = data.test

    def read(wanted):
        assert FLAG.exists(), "a test image was read before there was a winner"
        return test.reader(wanted)

    def digest(index):
        assert FLAG.exists(), "a test image was looked at before there was a winner"
        return test.hasher(index)

    return replace(data, test=replace(test, reader=read, hasher=digest))
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Return the release of a winner: 60 images, the quick battery, two epochs."""
    (tmp_path / "policy.toml").write_text(POLICY)
    return Task(
        data="digits",
        policy=tmp_path / "policy.toml",
        cut=Cut(),
        recipe=Recipe(epochs=2, batch_size=64),
        num_images=60,
        output=tmp_path / "exports",
        place=Place(work_dir=tmp_path / "work"),
    )


@pytest.mark.slow
def test_the_winner_is_not_trained_again(task: Task, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state is that of its trial: the release takes no step, and ends in the same weights as a release alone."""
    stages: list[str] = []
    real = module.release

    def watched(source: Path, chosen: Task, **how: object) -> object:
        history = sorted((tmp_work := chosen.place.state("finetune")).glob("*.pt"))
        before = {path: sha256_of_file(path) for path in history}
        released = real(source, chosen, **how)
        after = {path: sha256_of_file(path) for path in tmp_work.glob("*.pt")}
        assert before
        assert after == before
        stages.append("released")
        alone = real(source, replace(chosen, place=Place(), output=chosen.output / "alone"))
        first, second = ((each.bundle / "model.onnx").read_bytes() for each in (released, alone))
        assert first == second
        return released

    monkeypatch.setattr(module, "release", watched)
    search(digits_checkpoint, task, Wanted(minimise=Minimise.PARAMS, num_trials=1, criterion="l1"))
    assert stages == ["released"]


@pytest.mark.slow
def test_no_test_image_is_read_before_the_winner(
    task: Task, digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither pixels nor digests: such data breaks off whoever looks too early."""
    (tmp_path / "guarded.py").write_text(FACTORY)
    real = module.release

    def released(*args: object, **how: object) -> object:
        (tmp_path / "released").touch()
        return real(*args, **how)

    monkeypatch.setattr(module, "release", released)
    task = replace(task, data=f"{tmp_path / 'guarded.py'}:make")
    found = search(digits_checkpoint, task, Wanted(minimise=Minimise.MACS, num_trials=1, criterion="l1"))
    assert found.released is not None
    (tmp_path / "released").unlink()
    with pytest.raises(AssertionError, match="test image"):
        real(digits_checkpoint, replace(task, cut=Cut(ratio=0.5), place=Place()))


@pytest.mark.slow
def test_where_nothing_passes_the_binding_condition_is_said(
    task: Task, digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, the numbers, the record of the trials, and no bundle."""
    task.policy.write_text(POLICY.replace("min = 0.2", "min = 0.999"))
    line = [
        "search", str(digits_checkpoint), "--data", "digits", "--policy", str(task.policy), "--minimise", "macs",
        "--trials", "2", "--epochs", "1", "--num-images", "100", "-o", str(task.output),
        "--work-dir", str(tmp_path / "work"), "--quiet",
    ]  # fmt: skip
    assert app.run(line) == 3
    shown = capsys.readouterr()
    assert "candidates passed on select images" in shown.err
    assert "accuracy.min is" in shown.err
    assert "demanded at least 99.9 %" in shown.err
    assert all(len(text) <= 80 for text in shown.out.splitlines() if not text.startswith("trials: "))
    (kept,) = [each for each in task.output.rglob("*") if each.is_file()]
    trials = parse(kept.read_bytes(), Trials, source=str(kept))
    assert trials.winner is None
    assert f"none of {len(trials.trials)} candidates" in shown.err
    assert len({each.heat for each in trials.trials}) == 2
    assert kept.parent == task.output / "rejected"


@pytest.mark.slow
def test_a_winner_that_fails_on_test_ends_the_search(
    task: Task, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, a rejected bundle, and no second release."""
    calls: list[Path] = []
    real = module.release
    strict = task.policy.with_name("strict.toml")
    strict.write_text(POLICY.replace("min = 0.2", "min = 0.9999"))

    def failing(source: Path, chosen: Task, **how: object) -> object:
        calls.append(source)
        return real(source, replace(chosen, policy=strict), **how)

    monkeypatch.setattr(module, "release", failing)
    line = [
        "search", str(digits_checkpoint), "--data", "digits", "--policy", str(task.policy), "--minimise", "params",
        "--trials", "1", "--criterion", "l1", "--epochs", "2", "--num-images", "100", "-o", str(task.output),
        "--no-resume", "--quiet",
    ]  # fmt: skip
    assert app.run(line) == 3
    assert len(calls) == 1
    assert "No other candidate is tried" in " ".join(capsys.readouterr().out.split())
    assert [each.name for each in task.output.iterdir()] == ["rejected"]


@pytest.mark.slow
def test_a_search_by_latency_and_by_bytes_measures_files(task: Task, digits_checkpoint: Path) -> None:
    """Every candidate is written and timed beside the dense model, before anything is trained."""
    for minimise in (Minimise.LATENCY, Minimise.BYTES):
        found = search(digits_checkpoint, task, Wanted(minimise=minimise, num_trials=1, criterion="l1"))
        assert found.released is not None
        assert all(each.num_bytes for each in found.trials.trials)
        assert all((each.p50_ms is not None) is (minimise is Minimise.LATENCY) for each in found.trials.trials)


@pytest.mark.slow
def test_without_training_images_nothing_is_searched(task: Task, digits_checkpoint: Path, tmp_path: Path) -> None:
    """They are never made of test images."""
    import numpy as np

    data = compressor.open_data("digits", preprocess=None).need("test")
    np.savez(tmp_path / "test.npz", x_test=data.read(range(40)).numpy(), y_test=data.labels[:40])
    task = replace(task, data=str(tmp_path / "test.npz"))
    with pytest.raises(DataError, match="no training images"):
        search(digits_checkpoint, task, Wanted(minimise=Minimise.MACS))
    assert not (tmp_path / "work").exists()
