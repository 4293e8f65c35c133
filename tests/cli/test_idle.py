"""Options that would do nothing are refused where somebody typed them, and only there."""

import sys
from pathlib import Path

import pytest

from cli.app import run


@pytest.mark.parametrize("place", ["file", "variable"])
def test_settings_for_other_commands_are_no_mistake(
    place: str, digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A criterion in compress.toml serves runs on filters, and does not stand in the way of one on blocks."""
    monkeypatch.chdir(tmp_path)
    if place == "file":
        Path("compress.toml").write_text('criterion = "l2"\nepochs = 3\n')
    else:
        monkeypatch.setenv("COMPRESS_CRITERION", "l2")
        monkeypatch.setenv("COMPRESS_EPOCHS", "3")
    words = f"prune {digits_checkpoint} --ratio 0.5 --structure blocks --plan-only -o plan.json --quiet"
    assert run(words.split()) == 0
    assert Path("plan.json").is_file()
    assert run([*words.split(), "--criterion", "l2"]) == 2


def test_a_folder_that_is_there_may_have_a_dot(
    digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-o v1.2` is a folder where one of that name is there; a new name with an unknown ending is refused."""
    monkeypatch.chdir(tmp_path)
    words = f"prune {digits_checkpoint} --ratio 0.5 --plan-only --quiet -o v1.2"
    assert run(words.split()) == 2
    assert not Path("v1.2").exists()
    Path("v1.2").mkdir()
    assert run(words.split()) == 0
    assert Path("v1.2/plan.json").is_file()


def test_what_is_said_of_the_model_holds_for_the_teacher(
    digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dense state dict says nothing of its images: it is opened with the size and normalisation given for both."""
    import torch

    from compressor.load import build, load

    monkeypatch.chdir(tmp_path)
    torch.save(build("cifar:resnet8", num_classes=10, in_channels=1).state_dict(), "dense.pt")
    opened = []

    def noted(path, **how):
        opened.append(load(path, **how))
        return opened[-1]

    monkeypatch.setattr(sys.modules["compressor.load"], "load", noted)
    words = f"finetune {digits_checkpoint} --data digits --distill-from dense.pt --epochs 1 --quiet --dry-run"
    assert run([*words.split(), "--input-size", "8", "--preprocess", "none"]) == 0
    assert opened[-1].input_shape == (1, 8, 8)
    assert opened[-1].preprocess == load(digits_checkpoint).preprocess
