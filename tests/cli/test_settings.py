"""Precedence of settings, and what may not be set from a file."""

from pathlib import Path

import pytest
import typer.main

from cli.app import COMMANDS, app, run
from cli.options import FLAG_ONLY, option_names
from cli.settings import settings_for
from compressor.errors import OptionError

OPTIONS = option_names(COMMANDS)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _value(command: str, key: str, config: Path | None = None) -> object:
    return settings_for(command, OPTIONS, config)[key].value


def test_later_sources_win() -> None:
    """From pyproject.toml over compress.toml to --config; and a command's own table wins within a file."""
    Path("pyproject.toml").write_text("[tool.compress]\nratio = 0.1\narch = 'a'\n")
    assert _value("prune", "ratio") == 0.1
    Path("compress.toml").write_text("ratio = 0.2\n[prune]\nratio = 0.3\n")
    assert _value("prune", "ratio") == 0.3
    assert _value("release", "ratio") == 0.2
    assert _value("release", "arch") == "a"
    Path("mine.toml").write_text("num-images = 7\nratio = 0.4\n")
    assert _value("release", "ratio", Path("mine.toml")) == 0.4
    assert _value("release", "num_images", Path("mine.toml")) == 7


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("policy = 'p.toml'", "only a flag"),
        ("[gate]\npolicy = 'p.toml'", "only a flag"),
        ("trust-pickle = true", "only a flag"),
        ("[gate]\nexplain = 'accuracy.min'", "only a flag"),
        ("[gate]\ninit = true", "only a flag"),
        ("dry-run = true", "only a flag"),
        ("plan-only = true", "only a flag"),
        ("[prune]\nration = 0.5", "did you mean 'ratio'"),
        ("[pruen]\nratio = 0.5", "did you mean [prune]"),
        ("ration = 0.5", "no option of any command; did you mean 'ratio'"),
        ("prune = 1", "no option of any command"),
        ("ratio = ", "is not TOML"),
    ],
)
def test_bad_files_are_refused(text: str, part: str) -> None:
    """A file cannot loosen the gate, and a misspelt key is not ignored where it can be told."""
    Path("compress.toml").write_text(text)
    with pytest.raises(OptionError) as caught:
        settings_for("gate" if "[gate]" in text else "prune", OPTIONS, None)
    assert part in caught.value.message


@pytest.mark.parametrize("name", sorted(FLAG_ONLY))
def test_no_variable_sets_what_only_a_flag_may(name: str) -> None:
    """Also not the environment of a CI job, which a pull request may write."""
    commands = typer.main.get_command(app).commands.values()
    found = [each for command in commands for each in command.params if each.name == name]
    assert found
    assert not any(each.envvar for each in found)


def test_missing_config_is_an_error() -> None:
    """--config names a file that must be there."""
    with pytest.raises(OptionError, match="not a file"):
        settings_for("prune", OPTIONS, Path("absent.toml"))


def test_config_says_where_a_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compress config` shows default, file and variable, each by its name."""
    Path("compress.toml").write_text("seed = 5\n")
    monkeypatch.setenv("COMPRESS_NUM_IMAGES", "77")
    assert run(["config", "certify"]) == 0
    rows = {line.split()[1]: line.split()[2:] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert rows["--seed"] == ["5", "compress.toml"]
    assert rows["--num-images"] == ["77", "COMPRESS_NUM_IMAGES"]
    assert rows["--device"] == ["auto", "default"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_called_like_its_option(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `compress config` lists, and what a file may set, is an option of the command under the same name."""
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["config", command]) == 0
    listed = [line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]]
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in listed if f"{name} " not in shown.replace("/", " ")] == []
