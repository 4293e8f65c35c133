"""A search that is stopped, in whatever way, ends clearly and goes on where it was: with real processes."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import compressor
from cli import app, reports, screen
from compressor.bench import turns
from compressor.records import parse
from compressor.search import Trials
from compressor.search.alive import is_alive
from compressor.search.bracket import heats_of
from compressor.search.examiner import Examiner
from compressor.search.record import Standing, Trial
from compressor.search.winner import winner_of

POLICY = """schema = "compress.policy/1"
[accuracy]
min = 0.5
[[robustness]]
threat = "linf:1/64"
max_drop = 0.4
[evidence]
battery = "quick"
"""
FEW, MANY = 3, 5
PATIENCE_SECONDS = 300.0
AGAIN = "try: run the same command again: it goes on where it stopped"

Line = Callable[..., list[str]]

pytestmark = pytest.mark.usefixtures("brief_benchmarks")


@pytest.fixture(scope="module")
def line(digits_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Return what makes the command of a search, all in one folder: two epochs, 60 images, the quick battery."""
    here = tmp_path_factory.mktemp("stopped")
    (here / "policy.toml").write_text(POLICY)

    def made(name: str, *more: str, trials: int | None = FEW) -> list[str]:
        return [
            "search", str(digits_checkpoint), "--data", "digits", "--policy", str(here / "policy.toml"),
            "--minimise", "macs", "--epochs", "2", "--num-images", "60", "--seed", "1", "-o", str(here / name),
            "--work-dir", str(here / f"work-{name}"), "--quiet",
            *([] if trials is None else ["--trials", str(trials)]), *more,
        ]  # fmt: skip

    return made


@pytest.fixture(scope="module")
def straight(line: Line) -> tuple[Path, Path]:
    """Return the bundle of a search that nobody stopped, and of the same one that went on to more heats."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "WARM_UP_SECONDS", 0.02)
        patch.setattr(turns, "SECONDS_PER_ROW", 0.1)
        assert app.run(line("straight")) in (0, 4)
        (made,) = bundles(line("straight"))
        few = made.parents[1] / "few"
        shutil.copytree(made, few)  # the best of more may be the same, and then takes its place
        assert app.run(line("straight", trials=MANY)) in (0, 4)
    return few, max(bundles(line("straight")), key=lambda each: len(trials_of(each).trials))


def bundles(command: list[str]) -> list[Path]:
    """Return the bundles that a command has made."""
    return [path.parent for path in Path(command[command.index("-o") + 1]).rglob("SHA256SUMS")]


def trials_of(bundle: Path) -> Trials:
    """Return the record of the search that a bundle carries."""
    return parse((bundle / "trials.json").read_bytes(), Trials, source=str(bundle))


def told(trial: Trial) -> tuple[Any, ...]:
    """Return what a trial found out, without who did it, how long that took, and numbers, which a kill uses up."""
    why = re.sub(r"candidate \d+", "candidate", trial.why)
    return trial.candidate, trial.cut_sha256, trial.cost, trial.accuracy, trial.robust, trial.standing, why


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a shell would: in a group of processes of its own, which is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def state_of(command: list[str]) -> tuple[list[int], list[str]]:
    """Return which trials have ended, and the signatures of the processes that are at work on others."""
    path = Path(command[command.index("--work-dir") + 1]) / "search" / "trials.db"
    try:  # for writing too: what a killed process had half written is rolled back by whoever reads next
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
            ended = database.execute("select number from trials where state in ('COMPLETE', 'PRUNED')").fetchall()
            signed = database.execute(
                "select distinct value_json from trial_user_attributes join trials using (trial_id) "
                "where state = 'RUNNING' and key = 'by'"
            ).fetchall()
    except sqlite3.OperationalError:  # not there yet
        return [], []
    return [number for (number,) in ended], [each for (text,) in signed if is_alive(each := json.loads(text))]


def num_heats(command: list[str]) -> int:
    """Return how many heats have ended."""
    path = Path(command[command.index("--work-dir") + 1]) / "search" / "trials.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
        ((num,),) = database.execute(
            "select count(distinct value_json) from trial_user_attributes join trials using (trial_id) "
            "where state in ('COMPLETE', 'PRUNED') and key = 'heat'"
        ).fetchall()
    return int(num)


def wait_for_trial(command: list[str], process: subprocess.Popen[str], *, num_ended: int, num_at_work: int = 1) -> None:
    """Return in the middle of a heat, after so many trials have ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        ended, at_work = state_of(command)
        if len(ended) >= num_ended and len(at_work) >= num_at_work:
            return
        time.sleep(0.05)
    pytest.fail(f"it never came so far: {process.communicate()[1]}")


def is_clean(command: list[str]) -> bool:
    """Say whether there is nothing half-written, no bundle, and no lock that is still held."""
    work = Path(command[command.index("--work-dir") + 1])
    return not bundles(command) and not [*work.rglob("*.part"), *work.rglob("*.lock"), *work.rglob("*-journal")]


def stop(command: list[str], number: signal.Signals, *, num_ended: int) -> tuple[int, str]:
    """Start a search, send its group a signal in the middle of a heat, and return its code and its words."""
    with started(command) as process:
        wait_for_trial(command, process, num_ended=num_ended)
        os.killpg(process.pid, number)
        _, words = process.communicate(timeout=60)
        return process.returncode, words


@pytest.mark.slow
def test_more_heats_go_on_from_few(straight: tuple[Path, Path]) -> None:
    """None of the few is held again, not even by another record; what was the best of them can only be outdone."""
    few, many = (trials_of(each).trials for each in straight)
    assert [len({each.heat for each in trials}) for trials in (few, many)] == [FEW, MANY]
    assert many[: len(few)] == few
    assert all(sum(each.rung("full") is not None for each in heat) <= 1 for heat in heats_of(many))
    best = [winner_of(each) for each in (few, many)]
    assert None not in best
    assert best[0].standing is Standing.PASSED
    assert best[1].cost <= best[0].cost


@pytest.mark.slow
def test_a_search_ends_with_a_bundle_that_holds(straight: tuple[Path, Path]) -> None:
    """The smallest that passed, with the record of all others, counted in the certificate; verified and reported."""
    bundle = straight[1]
    trials = trials_of(bundle)
    assert json.loads((bundle / "verdict.json").read_bytes())["decision"] != "failed"
    passed = [each for each in trials.trials if each.standing is Standing.PASSED]
    winner = min(passed, key=lambda each: (each.cost, each.number))
    assert trials.winner == winner.number
    result = json.loads((bundle / "certificate.json").read_bytes())["result"]
    had_another = trials_of(straight[0]).winner != winner.number
    before = 1 if had_another else None
    num = len(trials.trials)
    assert result["searched"] == {"num_candidates": num, "role": "select", "num_tested_before": before}
    assert f"among {num} candidates, which were judged on select images" in result["claim"]
    assert ("another winner of this search met the test images before it" in result["claim"]) is had_another
    assert result["model"]["macs"] == winner.macs
    assert result["data"]["split"] == "test"
    report = compressor.verify(bundle)
    assert report.holds, report.contradictions
    page = (bundle / "report.html").read_text()
    assert "Candidates of the search" in page
    assert reports.write([bundle], "html") == page
    assert "chosen" in reports.write([bundle], "text")


@pytest.mark.slow
def test_however_it_was_stopped_the_end_is_the_same(
    line: Line, straight: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C, SIGTERM, a time limit and kill -9, each in the middle of a heat: then one run ends it all."""
    command = line("stopped")
    found, words = stop(command, signal.SIGINT, num_ended=1)
    assert (found, words) == (130, f"error: interrupted\n  {AGAIN}\n")
    assert is_clean(command)
    kept = state_of(command)[0]

    found, words = stop(command, signal.SIGTERM, num_ended=len(kept))
    assert (found, words) == (143, f"error: terminated\n  {AGAIN}\n")
    assert is_clean(command)

    real = Examiner._tuned
    with monkeypatch.context() as patch:

        def too_late(*args: Any, **how: Any) -> Any:
            patch.setattr(screen.time, "monotonic", lambda: time.perf_counter() + 1e6)
            return real(*args, **how)

        patch.setattr(Examiner, "_tuned", too_late)
        before = state_of(command)[0]
        assert app.run([*command, "--time-limit", "1h"]) == 4
    assert "error: the time limit was reached before the work was done" in capsys.readouterr().err
    assert is_clean(command)
    assert state_of(command) == (before, [])

    found, words = stop(command, signal.SIGKILL, num_ended=len(kept) + 1)
    assert (found, words) == (-signal.SIGKILL, "")
    assert not bundles(command)
    assert state_of(command)[0][: len(kept)] == kept

    assert app.run(command) in (0, 4)
    (bundle,) = bundles(command)
    ours, theirs = trials_of(bundle), trials_of(straight[0])
    assert [told(each) for each in ours.trials] == [told(each) for each in theirs.trials]
    assert len({each.worker for each in ours.trials}) > 1
    assert (bundle / "model.onnx").read_bytes() == (straight[0] / "model.onnx").read_bytes()
    assert not list(Path(command[command.index("--work-dir") + 1]).rglob("*.part"))


@pytest.mark.slow
def test_two_processes_end_together_and_share_one_study(line: Line) -> None:
    """By Ctrl-C, and when the first is killed: the other does not outlive it. Nothing that had ended is done again."""
    command = line("two", "--workers", "2", trials=100)
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with started(command) as process:
            wait_for_trial(command, process, num_ended=0, num_at_work=2)
            at_work = state_of(command)[1]
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does
            else:
                process.send_signal(number)
            _, words = process.communicate(timeout=60)  # which ends only when both have let go of stderr
            assert process.returncode == code
            assert words == ("" if code < 0 else f"error: interrupted\n  {AGAIN}\n")
            assert not any(is_alive(each) for each in at_work)
        assert not bundles(command)
    kept = state_of(command)[0]
    num = (num_heats(command) if kept else 0) + 2
    command = line("two", "--workers", "2", trials=num)
    assert app.run(command) in (0, 4)
    (bundle,) = bundles(command)
    assert len(heats_of(trials_of(bundle).trials)) == num
    assert state_of(command)[0][: len(kept)] == kept


@pytest.mark.slow
def test_a_budget_that_is_too_short_for_anything_is_said(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    """4, before anything is trained; nothing is written but the empty study."""
    command = line("short", "--budget", "0.5s", trials=None)
    assert app.run(command) == 4
    assert "the budget is too short for a single candidate and its release" in capsys.readouterr().err
    assert is_clean(command)
    assert state_of(command) == ([], [])
