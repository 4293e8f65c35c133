"""The one funnel: what reaches it, and which exit code that is."""

import json
import os
import signal
from collections.abc import Callable

import pytest

import cli.commands.doctor
from cli import app
from cli.screen import Screen, parse_duration
from compressor.errors import BundleError, CompressorError, OptionError, Rejected, Undecided


def _raising(error: BaseException) -> Callable[..., int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OptionError("bad value", advice="another"), 2),
        (BundleError("no bundle"), 2),
        (Rejected("parity failed"), 3),
        (Undecided("out of time"), 4),
        (RuntimeError("a bug"), 1),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2),
        (ModuleNotFoundError("No module named 'compressor.attic'", name="compressor.attic"), 1),
        (KeyboardInterrupt(), 130),
        (app.Terminated(), 143),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of end has its code, one sentence on stderr, and no traceback unless --debug asks for it."""
    monkeypatch.setattr(app, "app", lambda *args, **kwargs: _raising(error)())
    assert app.run(["doctor"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
    if isinstance(error, CompressorError) and error.advice:
        assert f"try: {error.advice}" in shown.err


@pytest.mark.parametrize("code", [0, 3, None])
def test_a_script_that_ends_python_is_no_verdict(
    code: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it ends with: a gate that was never reached has not passed."""
    monkeypatch.setattr("compressor.runtime.doctor.checks", _raising(SystemExit(code)), raising=True)
    assert app.run(["doctor"]) == 2
    assert f"called sys.exit({code!r})" in capsys.readouterr().err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--debug is for us."""
    monkeypatch.setattr(app, "app", lambda *args, **kwargs: _raising(RuntimeError("a bug"))())
    assert app.run(["doctor", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_sigterm_ends_with_143(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A real signal, delivered while a command runs."""

    def wait_for_it(*args: object, **kwargs: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        return 0

    monkeypatch.setattr(app, "app", wait_for_it)
    assert app.run(["doctor"]) == 143
    assert "terminated" in capsys.readouterr().err


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command ends with an example of that very command."""
    for name in app.COMMANDS:
        assert app.run([name, "--help"]) == 0
        assert f"Example: compress {name}" in " ".join(capsys.readouterr().out.split())


def test_doctor_speaks_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json, stdout is one record and nothing else."""
    from compressor.runtime import doctor

    monkeypatch.setattr(doctor, "checks", lambda: (doctor.Check(name="python", ok=True, found="3.11"),))
    assert app.run(["doctor", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "compress.doctor/1"
    assert record["checks"] == [{"name": "python", "ok": True, "found": "3.11", "fix": ""}]
    assert cli.commands.doctor.EXAMPLE


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("25m", 1500), ("2h", 7200), ("1.5d", 129600)])
def test_durations(text: str, seconds: float) -> None:
    """A number and one of four units."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10", "-5m", "0s", "infs", "nanm"])
def test_no_durations(text: str) -> None:
    """Anything else is refused, with an example."""
    with pytest.raises(OptionError, match="--time-limit"):
        parse_duration(text)


def test_time_limit_stops_after_saving(capsys: pytest.CaptureFixture[str]) -> None:
    """The limit is looked at when a stage advances, which it does after saving; elsewhere lines tell the progress."""
    screen = Screen(time_limit="0.000001s")
    with pytest.raises(Undecided, match="time limit"), screen.stage("work", total=3, unit="image") as step:
        step.advance(1, "fine")
    assert "work" in capsys.readouterr().err


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet says nothing."""
    screen = Screen(quiet=True)
    screen.say("a word")
    with screen.stage("work") as step:
        step.advance()
    assert capsys.readouterr().err == ""


def test_torchrun_is_refused_where_work_is_not_shared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes that would both do all of it, and write the same files, do nothing; one process is no torchrun."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert app.run(["prune", "model.pt", "--ratio", "0.5"]) == 2
    assert capsys.readouterr().err == (
        "error: torchrun started 2 processes of compress prune, which runs in one\n"
        "  try: run it without torchrun; under it run: certify, finetune\n"
    )
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert app.run(["config", "--quiet"]) == 0
