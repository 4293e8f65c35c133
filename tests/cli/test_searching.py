"""`compress search` on the command line: what reaches the library, what is shown, and which exit code it is."""

import importlib
import json
from pathlib import Path
from typing import Any

import made_up
import pytest

from cli import app, typed, verdicts
from compressor.gate import judge, parse_policy
from compressor.gate.evidence import evidence_of
from compressor.search import Found, Trials, Wanted
from compressor.search.record import SCHEMA, Dense
from compressor.task import Task
from compressor.types import Minimise, Scope, Structure

POLICY = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.5\n'
LINE = ["search", "fine.safetensors", "--data", "digits", "--policy", "policy.toml", "--minimise", "params", "--quiet"]


def trials() -> Trials:
    """Return the record of a search that tried nothing."""
    return Trials(
        schema=SCHEMA,
        created="2026-01-02T03:04:05+00:00",
        tool_version="1",
        study="compress-0123",
        minimise=Minimise.PARAMS,
        seed=0,
        role="select",
        num_images=100,
        policy_sha256="0" * 64,
        dense=Dense(sha256="0" * 64, macs=1, params=1, num_bytes=None, p50_ms=None, accuracy=0.9, robust={}),
        trials=(),
        winner=None,
        seconds=0.0,
    )


def found(**changes: Any) -> Found:
    """Return what a search ends with where nothing passed."""
    made: dict[str, Any] = {
        "trials": trials(), "released": None, "reason": "nothing passed", "kept": Path("kept.json"), "is_over": True,
    }  # fmt: skip
    return Found(**{**made, **changes})


def released(minimum: float) -> Any:
    """Return a release that was judged, with a model that answers 85.1 %."""
    policy = parse_policy(POLICY.replace("0.5", str(minimum)), "policy.toml")
    verdict = judge(policy, evidence_of(certificate=made_up.certificate()), now=made_up.LATER)
    summary = type("Summary", (), {"commands": ("compress search",)})()
    return type("Released", (), {"verdict": verdict, "summary": summary, "bundle": Path("exports/a")})()


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Task, Wanted]]:
    """Stand in a folder with a policy; the search itself answers with what `ends_with` was told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "fine.safetensors").write_bytes(b"")
    monkeypatch.setattr(verdicts, "released_text", lambda *args: "released")
    taken: list[tuple[Task, Wanted]] = []
    ends_with(monkeypatch, taken, found())
    return taken


def ends_with(monkeypatch: pytest.MonkeyPatch, taken: list[tuple[Task, Wanted]], end: Found) -> None:
    """Let the search end so."""

    def search(source: Path, task: Task, wanted: Wanted, **how: object) -> Found:
        taken.append((task, wanted))
        return end

    monkeypatch.setattr(importlib.import_module("compressor.search"), "search", search)


def test_what_is_typed_is_what_is_searched(calls: list[tuple[Task, Wanted]]) -> None:
    """What is named is fixed, all else is searched for."""
    more = ["--structure", "both", "--criterion", "l2", "--global", "--keep", "conv1", "--round-to", "4"]
    assert app.run([*LINE, *more, "--trials", "7", "--workers", "2", "--block-criterion", "l1"]) == 3
    ((task, wanted),) = calls
    assert wanted == Wanted(
        minimise=Minimise.PARAMS,
        num_trials=7,
        workers=2,
        structure=Structure.BOTH,
        criterion="l2",
        is_spread_fixed=True,
    )
    assert (task.cut.scope, task.cut.keep, task.cut.round_to) == (Scope.GLOBAL, ("conv1",), 4)
    assert (task.cut.ratio, task.cut.target_macs, task.cut.ready) == (None, None, None)
    assert task.commands == (f"compress {' '.join([*LINE, *more])} --trials 7 --workers 2 --block-criterion l1",)


def test_by_default_everything_is_searched_for(calls: list[tuple[Task, Wanted]]) -> None:
    """Twenty candidates, or as many as the budget allows."""
    assert app.run(LINE) == app.run([*LINE, "--budget", "2h"]) == 3
    (_, plain), (_, timed) = calls
    assert plain == Wanted(minimise=Minimise.PARAMS)
    assert (plain.most_trials, timed.most_trials, timed.budget_seconds) == (20, float("inf"), 7200.0)


@pytest.mark.parametrize(("minimum", "code"), [(0.5, 0), (0.99, 3), (0.851, 4)])
def test_the_verdict_on_test_is_the_exit_code(
    calls: list[tuple[Task, Wanted]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    minimum: float,
    code: int,
) -> None:
    """And where it does not pass, that no other candidate is tried is said."""
    ends_with(monkeypatch, calls, found(released=released(minimum), reason="", kept=None))
    monkeypatch.setattr(verdicts, "post", lambda *args: None)
    assert app.run(LINE) == code
    assert ("No other candidate is tried" in " ".join(capsys.readouterr().out.split())) is (code != 0)


def test_nothing_passed_is_a_rejection(calls: list[tuple[Task, Wanted]], capsys: pytest.CaptureFixture[str]) -> None:
    """The table and the place of the record on stdout, the reason as the error."""
    assert app.run(LINE) == 3
    shown = capsys.readouterr()
    assert "trials: kept.json" in shown.out
    assert shown.err.startswith("error: nothing passed\n  try: ")


def test_who_leaves_before_the_others_are_done_has_rejected_nothing(
    calls: list[tuple[Task, Wanted]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4, since there is no bundle, and a sentence that says who releases."""
    ends_with(monkeypatch, calls, found(reason="2 candidates are still examined", kept=None, is_over=False))
    assert app.run(LINE) == 4
    assert "2 candidates are still examined" in capsys.readouterr().out


def test_json_is_one_record(calls: list[tuple[Task, Wanted]], capsys: pytest.CaptureFixture[str]) -> None:
    """Also where nothing passed."""
    assert app.run([*LINE, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["bundle"], told["reason"]) == ("compress.searched/1", None, "nothing passed")
    assert told["trials"]["schema"] == "compress.search/1"


def test_a_shared_database_is_searched_by_the_same_command_at_once(
    calls: list[tuple[Task, Wanted]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its password stands in no record, and no lock keeps the second process out."""
    locked: list[object] = []
    monkeypatch.setattr("cli.alone.alone", locked.append)
    assert app.run([*LINE, "--storage", "postgresql://me:secret@host/search"]) == 3
    ((task, wanted),) = calls
    assert wanted.storage == "postgresql://me:secret@host/search"
    assert task.commands[0].endswith("--storage postgresql://me:...@host/search")
    assert locked == []
    assert app.run(LINE) == 3
    assert len(locked) == 1


def test_passwords_are_taken_out_wherever_they_stand() -> None:
    """A URL without one stays."""
    assert typed.PASSWORD.sub(r"\1:...@", "a://b:c@d e://f/g") == "a://b:...@d e://f/g"
