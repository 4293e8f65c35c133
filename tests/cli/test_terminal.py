"""What a person sees: lines of 80 columns, no colour where none is wanted, and the next command at the end."""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import made_up
import pytest

from cli import app, screen, texts, verdicts
from cli.columns import WIDTH, in_columns
from compressor.bench.record import NotMeasured
from compressor.estimate import Estimate, StageEstimate
from compressor.gate import evidence_of, judge, parse_policy
from compressor.records import dump
from compressor.report import summarise
from compressor.runtime import doctor

ROOT = Path(__file__).resolve().parents[2]
ESCAPE, COLOUR = re.compile(r"\x1b"), re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d")
LONG = "one of very many words that say what was found on this machine and why it is not enough, "
DRAWN = """
import time
from cli.screen import Screen
screen = Screen()
screen.say("[red]a word[/red]")
with screen.stage("attack", total=3, unit="image") as step:
    for _ in range(3):
        step.advance(1, "fine")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a certificate and a latency."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certificate.json").write_bytes(dump(made_up.certificate()))
    (tmp_path / "latency.json").write_bytes(dump(made_up.latency()))
    return tmp_path


def seen(*arguments: str, **variables: str) -> str:
    """Return what a fresh process draws on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "xterm-256color", **variables}
    with subprocess.Popen([sys.executable, *arguments], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            told += part
            if not part:
                break
        process.wait(timeout=60)
    os.close(ours)
    return told.decode()


def test_rows_go_on_below_their_column() -> None:
    """What is too long is wrapped there; what cannot be broken stays whole, so that it can be pasted."""
    assert in_columns("name  ", "short") == "name  short"
    assert in_columns("name  ", "") == "name"
    lines = in_columns("name  ", LONG * 3).splitlines()
    assert len(lines) > 2
    assert all(len(line) <= WIDTH for line in lines)
    assert all(line.startswith(" " * 6) for line in lines[1:])
    assert in_columns("", "/a" * 80) == "/a" * 80


@pytest.mark.parametrize("command", app.COMMANDS)
def test_help_fits(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """80 columns, also where a help text is long."""
    monkeypatch.setenv("COLUMNS", "80")
    assert app.run([command, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= WIDTH


def test_results_fit() -> None:
    """With long reasons and the largest numbers; commands that can be pasted are the exception."""
    latency = replace(made_up.latency(), not_measured=(NotMeasured(what="against", reason=LONG * 2),), noisy=True)
    estimate = Estimate(stages=(StageEstimate(stage="certify", seconds=1e5, what=LONG * 2),), disk_bytes=10**10)
    for text in (texts.latency_text(latency, Path("latency.json")), texts.estimate_text(estimate)):
        assert max(map(len, text.splitlines())) <= WIDTH
        assert " ".join(LONG.split()) in " ".join(text.split())


def test_the_doctor_ends_with_the_first_repair(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or, where nothing is missing, with the demo."""
    fine = doctor.Check(name="python", ok=True, found=LONG * 2)
    broken = doctor.Check(name="disk", ok=False, found="0 bytes", fix="make room")
    for found, last in (((fine,), "next: compress demo"), ((fine, broken, broken), "next: make room")):
        monkeypatch.setattr(doctor, "checks", lambda found=found: found)
        assert app.run(["doctor"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == last
        assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize(
    ("line", "last"),
    [
        (["config", "bench"], "next: compress bench --help"),
        (["config"], "next: compress COMMAND --help"),
        (["report", "certificate.json"], "next: compress gate certificate.json --policy policy.toml"),
        (["report", "certificate.json", "-o", "a.md", "--format", "markdown"],
         "next: compress gate certificate.json --policy policy.toml"),
        (["gate", "certificate.json", "latency.json", "--init"],
         "next: compress gate certificate.json latency.json --policy policy.toml"),
    ],
)  # fmt: skip
def test_the_last_line_is_the_next_command(
    line: list[str], last: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever was asked, a person knows how to go on; the words before fit a terminal."""
    assert app.run(line) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == last
    assert max(map(len, lines)) <= WIDTH


def test_a_bench_leads_to_a_ratio_and_then_to_the_gate() -> None:
    """Without another model there is no ratio that a policy could demand."""
    model, path = Path("model.onnx"), Path("latency.json")
    assert texts.after_bench(model, path, is_compared=False) == "next: compress bench model.onnx --against DENSE"
    assert texts.after_bench(model, path, is_compared=True) == "next: compress gate latency.json --policy policy.toml"


def test_a_dry_run_speaks_json(
    here: Path, digits_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One record with the stages, their seconds and the disk; nothing is written."""
    (here / "policy.toml").write_text(
        'schema = "compress.policy/1"\n[[robustness]]\nthreat = "linf:1/255"\nmin = 0.1\n'
    )
    line = ["release", str(digits_checkpoint), "--data", "digits", "--ratio", "0.5", "--policy", "policy.toml"]
    before = sorted(here.rglob("*"))
    assert app.run([*line, "--dry-run", "--json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "compress.estimate/1"
    assert [each["stage"] for each in record["stages"]] == ["fine-tune", "certify"]
    assert record["seconds"] == sum(each["seconds"] for each in record["stages"]) > 0
    assert sorted(here.rglob("*")) == before


def test_colours_and_bars_are_for_terminals_that_want_them() -> None:
    """By default both; with NO_COLOR no colour; with TERM=dumb no escape sequence, and lines instead of a bar."""
    drawn = seen("-c", DRAWN)
    assert COLOUR.search(drawn)
    assert "[red]a word[/red]" in drawn
    plain = seen("-c", DRAWN, NO_COLOR="1")
    assert not COLOUR.search(plain)
    assert "3/3" in plain
    dumb = seen("-c", DRAWN, TERM="dumb")
    assert not ESCAPE.search(dumb)
    assert "attack: 3/3 image, fine" in dumb


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_help_without_colours(variables: dict[str, str]) -> None:
    """Help heeds the same variables."""
    assert COLOUR.search(seen("-m", "cli", "gate", "--help"))
    assert not COLOUR.search(seen("-m", "cli", "gate", "--help", **variables))


def test_errors_are_broken_between_words_on_a_terminal_only() -> None:
    """A line that is too long goes on below its first word; elsewhere each sentence stays one line."""
    bad = ("-m", "cli", "gate", "x" * 30, "--policy", "absent.toml", "--previous", "b", "--format", "junit")
    drawn = seen(*bad, COLUMNS="60").replace("\r", "").splitlines()
    assert len(drawn) > 2
    assert max(map(len, drawn)) < 60
    assert drawn[0].startswith("error: --previous is shown in text")
    assert drawn[1].startswith(" " * 7)
    piped = subprocess.run([sys.executable, *bad], capture_output=True, text=True, check=False, cwd=ROOT)
    assert piped.returncode == 2
    assert " ".join(" ".join(drawn).split()) == " ".join(piped.stderr.split())
    assert [line[:7] for line in piped.stderr.splitlines()] == ["error: ", "  try: "]


def test_what_cannot_be_broken_stays_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A path is pasted as one word, also where the terminal is narrower."""
    monkeypatch.setattr(screen, "_terminal_width", lambda: 12)
    screen.complain(f"cannot open {'/a' * 30}", "")
    assert capsys.readouterr().err == f"error: cannot\n       open\n       {'/a' * 30}\n"


def test_a_release_ends_with_the_command_that_makes_it_again_and_the_next_one() -> None:
    """The bundle's path stands alone in its line; one with a space can be pasted."""
    evidence = evidence_of(certificate=made_up.certificate(), parity=made_up.parity())
    verdict = judge(
        parse_policy('schema = "compress.policy/1"\n[accuracy]\nmin = 0.8', "p"), evidence, now=made_up.LATER
    )
    summary = summarise(name="x", created=made_up.LATER, certificate=made_up.certificate(), verdict=verdict)
    lines = verdicts.released_text(
        summary, verdict, Path("my exports/x-1a2b3c4d"), ("compress release x.pt",)
    ).splitlines()
    assert "bundle: my exports/x-1a2b3c4d" in lines
    assert lines[-4:] == ["again:", "  compress release x.pt", "", "next: compress verify 'my exports/x-1a2b3c4d'"]
