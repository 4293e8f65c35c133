"""What a verdict is shown as, and that showing it never changes what it says."""

import json
from pathlib import Path

import made_up
import pytest

from cli import app, verdicts
from compressor.bundle import names
from compressor.gate import judge, parse_policy
from compressor.gate.evidence import evidence_of
from compressor.gate.verdict import Verdict
from compressor.records import dump

POLICY = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.5\n'


def _verdict(policy: str = POLICY) -> Verdict:
    evidence = evidence_of(certificate=made_up.certificate())
    return judge(parse_policy(policy, "policy.toml"), evidence, now=made_up.LATER)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a certificate, a policy that it meets, and a board to post on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "board.md"))
    (tmp_path / "certificate.json").write_bytes(dump(made_up.certificate()))
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


GATE = ["gate", "certificate.json", "--policy", "policy.toml"]


def test_a_board_that_cannot_be_written_changes_no_verdict(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict is on stdout, its exit code stays, and one sentence on stderr says what is missing."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here))
    assert app.run(GATE) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("PASSED")
    assert shown.err.startswith("warning: the verdict is not in the job's summary")
    assert shown.err.count("\n") == 1


def test_the_gate_posts_its_verdict_once(here: Path) -> None:
    """In Markdown, whatever the format on stdout."""
    assert app.run([*GATE, "--format", "junit"]) == 0
    assert (here / "board.md").read_text().count("accuracy.min") >= 1
    before = (here / "board.md").stat().st_size
    assert app.run(GATE) == 0
    assert before < (here / "board.md").stat().st_size <= 2 * before + 10


def test_a_release_posts_and_the_rejection_of_the_demo_does_not(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The final verdict of a release is a result; the strict one of the demo is shown only as an example."""
    posted: list[Verdict] = []
    monkeypatch.setattr(verdicts, "post", lambda verdict, commands: posted.append(verdict))
    summary = type("Summary", (), {"commands": ("compress release",)})()
    released = type("Released", (), {"verdict": _verdict(), "summary": summary, "bundle": here})()
    monkeypatch.setattr("compressor.pipeline.release", lambda *args, **kwargs: released)
    (here / "fine.safetensors").write_bytes(b"")
    line = ["release", "fine.safetensors", "--data", "digits", "--ratio", "0.5", "--policy", "policy.toml", "--json"]
    assert app.run(line) == 0
    assert posted == [released.verdict]
    strict = _verdict(POLICY.replace("0.5", "0.99"))
    done = type("Demo", (), {"released": released, "strict": strict})()
    monkeypatch.setattr("compressor.demo.demo", lambda **kwargs: done)
    monkeypatch.setattr(verdicts, "released_text", lambda *args: "")
    assert app.run(["demo", "-o", str(here)]) == 0
    assert posted == [released.verdict]


@pytest.mark.parametrize("form", ["json", "markdown", "junit"])
def test_previous_is_refused_where_it_is_not_shown(here: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than parsed and ignored; nothing is judged or posted."""
    (here / "before").mkdir()
    assert app.run([*GATE, "--previous", "before", "--format", form]) == 2
    assert "--previous" in capsys.readouterr().err
    assert not (here / "board.md").exists()


def test_previous_without_a_verdict_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle that was only exported has nothing to compare with."""
    (here / "before").mkdir()
    (here / "before" / names.SUMS).write_bytes(b"")
    (here / "before" / names.MODEL).write_bytes(b"")
    assert app.run([*GATE, "--previous", "before"]) == 2
    assert "before" in capsys.readouterr().err


def test_two_formats_are_refused(here: Path) -> None:
    """--json beside --format junit would write JSON into a file called .xml."""
    assert app.run([*GATE, "--json", "--format", "junit"]) == 2
    assert app.run([*GATE, "--format", "pdf"]) == 2


def test_json_is_json_whatever_is_asked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Explanations and starter policies too: one record on stdout and nothing else."""
    assert app.run(["gate", "--explain", "accuracy.min", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["id"]) == ("compress.explanation/1", "accuracy.min")
    assert app.run(["gate", "certificate.json", "--init", "-o", "starter.toml", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["policy"] == "starter.toml"
    assert written["text"] == (here / "starter.toml").read_text()
