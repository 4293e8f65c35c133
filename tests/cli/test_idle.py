"""Options that would do nothing are refused where somebody typed them, and only there."""

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
