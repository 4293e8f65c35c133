"""compress finetune and prune: what they write, what they refuse before any training, and what they would do."""

import json
from pathlib import Path

import pytest

from cli import app, identical
from compressor.finetune import History
from compressor.finetune.history import SCHEMA
from compressor.finetune.training import Training
from compressor.records import parse


@pytest.fixture
def here(digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder; `finetune` and `prune` find the checkpoint by its path."""
    monkeypatch.chdir(tmp_path)
    return digits_checkpoint


def history_at(path: str) -> History:
    """Return a history file."""
    return parse(Path(path).read_bytes(), History, source=path)


def run(words: str, checkpoint: Path) -> int:
    """Run one command on the checkpoint, quietly."""
    command, *options = words.split()
    return app.run([command, str(checkpoint), "--data", "digits", "--quiet", *options])


def test_the_history_stands_beside_the_checkpoint(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Epoch, loss, accuracy and images a second; run again, the same files; another training needs another place."""
    assert run("finetune --epochs 2", here) == 0
    history = history_at("digits-tuned.history.json")
    assert [epoch.number for epoch in history.epochs] == [1, 2]
    assert all(epoch.images_per_second > 0 and 0 < epoch.select_accuracy <= 1 for epoch in history.epochs)
    assert f"wrote {Path('digits-tuned.history.json')}" in capsys.readouterr().out
    checkpoint = Path("digits-tuned.safetensors").read_bytes()
    for words in ("finetune --epochs 2", "finetune --epochs 2 --no-resume"):
        assert run(words, here) == 0
        assert Path("digits-tuned.safetensors").read_bytes() == checkpoint
    capsys.readouterr()


@pytest.mark.parametrize("change", ["--epochs 3", "--seed 1", "--lr 0.01"])
def test_another_training_is_refused_before_it_begins(
    change: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after the last epoch: no step is taken, both files stay, and --force overwrites them."""
    assert run("finetune --epochs 1", here) == 0
    before = Path("digits-tuned.safetensors").read_bytes(), Path("digits-tuned.history.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_take_step", lambda *_: pytest.fail("it trained"))
        assert run(f"finetune {change}", here) == 2
    assert "of another training" in capsys.readouterr().err
    assert before == (Path("digits-tuned.safetensors").read_bytes(), Path("digits-tuned.history.json").read_bytes())
    assert run(f"finetune {change} --force", here) == 0
    assert Path("digits-tuned.history.json").read_bytes() != before[1]


def test_a_file_that_nobody_vouches_for_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint without a history, and a history that is none."""
    Path("digits-tuned.safetensors").write_bytes(b"somebody's")
    assert run("finetune --epochs 1", here) == 2
    assert "no history beside it" in capsys.readouterr().err
    Path("digits-tuned.history.json").write_text("{}")
    assert run("finetune --epochs 1", here) == 2
    assert Path("digits-tuned.safetensors").read_bytes() == b"somebody's"


def test_prune_writes_its_history_and_refuses_as_early(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same ratio is the same run; another one cuts other weights, and stops before it trains."""
    assert run("prune --ratio 0.5 --epochs 1", here) == 0
    assert len(history_at("digits-slim.history.json").epochs) == 1
    assert run("prune --ratio 0.5 --epochs 1", here) == 0
    capsys.readouterr()
    monkeypatch.setattr(Training, "_take_step", lambda *_: pytest.fail("it trained"))
    assert run("prune --ratio 0.3 --epochs 1", here) == 2
    assert "of another training" in capsys.readouterr().err


def test_epochs_between_steps_are_in_the_history(here: Path) -> None:
    """Two steps: the epoch in between with what had been cut, then the whole recipe; run again, the same run."""
    assert run("prune --ratio 0.5 --steps 2 --epochs 2", here) == 0
    history = history_at("digits-slim.history.json")
    assert history.earlier is not None
    (between,) = history.earlier
    assert between.what.startswith("pruned")
    assert [epoch.number for epoch in between.epochs] == [1]
    assert len(history.epochs) == 2
    assert between.key != history.key
    assert run("prune --ratio 0.5 --steps 2 --epochs 2", here) == 0
    assert run("prune --ratio 0.5 --steps 2 --epochs 2 --seed 1", here) == 2


@pytest.mark.parametrize(
    ("words", "name"), [("finetune --epochs 2", "digits-tuned"), ("prune --ratio 0.5 --epochs 2", "digits-slim")]
)
def test_divergence_in_the_first_epoch_leaves_the_model_and_says_so(
    words: str, name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; the model as it was before, statistics re-estimated, is written all the same."""
    assert run(f"{words} --lr 1e6", here) == 2
    assert "training diverged in epoch 1" in capsys.readouterr().err
    history = history_at(f"{name}.history.json")
    assert (history.epochs, history.best_epoch) == ((), 0)
    assert "diverged in epoch 1" in history.notes[-1]
    assert run(f"finetune --epochs 1 --output {name}-later.safetensors", Path(f"{name}.safetensors")) == 0


def test_divergence_between_steps_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the cut that was asked for is nobody's wish."""
    assert run("prune --ratio 0.5 --steps 2 --epochs 1 --lr 1e6", here) == 2
    assert "step 1 of 2: training diverged" in capsys.readouterr().err
    assert not list(Path().glob("digits*"))


def test_a_dry_run_prints_the_recipe_as_it_would_be_carried_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Batch, micro-batch, learning rate, epochs and time; nothing is written."""
    assert run("finetune --epochs 7 --dry-run", here) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "would fine-tune on 1,078 images, judged by 270 select images" in told
    for words in ("epochs=7", "batch_size=128", "micro_batch=128", "augment=crop", "lr=0.02"):
        assert words in told
    assert "9 steps of 1 x 128 images" in told
    assert "learning rate 0.02 at its peak" in told
    assert "time about" in told
    assert list(Path().iterdir()) == []


def test_two_histories_of_one_training_are_the_same_run(here: Path) -> None:
    """Whatever the clock and the number of processes said; a loss is another matter."""
    assert run("finetune --epochs 1", here) == 0
    content = Path("digits-tuned.history.json").read_bytes()
    plain = json.loads(content)
    plain["created"], plain["num_processes"] = "later", 2
    plain["epochs"][0] |= {"seconds": 9.0, "images_per_second": 1.0}
    assert identical.is_same_run(content, json.dumps(plain).encode())
    plain["epochs"][0]["loss"] += 1e-3
    assert not identical.is_same_run(content, json.dumps(plain).encode())
    assert identical.HISTORY == SCHEMA
