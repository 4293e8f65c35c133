"""What the options about fine-tuning come to, and which of them contradict each other."""

import json
from pathlib import Path

import pytest
import torch

from cli.app import run
from compressor.finetune.precision import best_precision


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tune(checkpoint: Path, *words: str) -> int:
    return run(["finetune", str(checkpoint), "--data", "digits", "--quiet", *words])


def test_options_and_pairs_change_the_named_recipe(digits_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The history records the recipe as it was carried out, and how fast it went is printed."""
    Path("mine.toml").write_text("epochs = 9\nweight_decay = 0.001\n")
    words = "--recipe mine.toml --epochs 1 --lr 0.01 --batch-size 200 --augment noise --set mixup=0.1 --set seed=4"
    assert tune(digits_checkpoint, *words.split()) == 2
    assert "--seed" in capsys.readouterr().err
    assert tune(digits_checkpoint, *words.removesuffix("--set seed=4").split(), "--json") == 0
    recipe = json.loads(capsys.readouterr().out)["history"]["recipe"]
    expected = {"epochs": 1, "lr": 0.01, "batch_size": 200, "augment": "noise", "mixup": 0.1, "weight_decay": 0.001}
    assert {name: recipe[name] for name in expected} == expected
    assert (recipe["mirror"], recipe["compile"]) == (False, False)
    assert recipe["precision"] == best_precision(torch.device("cpu"))
    assert tune(digits_checkpoint, "--epochs", "1", "-o", "other.safetensors") == 0
    assert "images/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--set lr=0.1 --lr 0.2", "--set lr=... says what --lr says"),
        ("--set batch_size=8 --batch-size 16", "says what --batch-size says"),
        ("--set dropout=1", "known: epochs"),
        ("--recipe long", "few, full"),
        ("--adversarial-method trades", "add --adversarial"),
        ("--adversarial linf:1/10 --adversarial-method fgsm", "one of pgd, trades, fast, free"),
        ("--augment cutout", "resized-crop, trivial-augment, augmix, noise"),
    ],
)
def test_contradictions_and_unknown_names_are_refused(
    words: str, message: str, digits_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and the sentence names what there is; nothing is trained."""
    assert tune(digits_checkpoint, *words.split()) == 2
    assert message in capsys.readouterr().err
    assert not list(Path().glob("*.safetensors"))


def test_a_file_of_settings_may_hold_pairs(digits_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`set` is a list there; the dry run shows what comes of it."""
    Path("compress.toml").write_text('[finetune]\nset = ["mixup=0.3", "ema_decay=0.9"]\nrecipe = "full"\n')
    assert tune(digits_checkpoint, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert all(part in shown for part in ("mixup=0.3", "ema_decay=0.9", "epochs=60"))
