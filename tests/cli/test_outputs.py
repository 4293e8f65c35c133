"""What lies at a destination already: an identical run is replaced, anything else is refused, before any work."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest

from cli import app, outputs
from cli.identical import asked_of_certificate, is_same_run, refuse_other
from compressor.bench.record import SCHEMA as LATENCY
from compressor.certify.certificate import SCHEMA as CERTIFICATE
from compressor.certify.certificate import digest_of_result
from compressor.errors import OptionError, OutputError
from compressor.records import dump, to_plain

POLICY = 'schema = "compress.policy/1"\n[accuracy]\nmin = {}\n[evidence]\nmax_age = "3650d"\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a certificate and a policy that it fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "certificate.json").write_bytes(dump(made_up.certificate()))
    (tmp_path / "policy.toml").write_text(POLICY.format(0.99))
    return tmp_path


def test_a_certificate_is_its_result() -> None:
    """When it was made and how long that took is nothing that is judged; a figure is."""
    first = made_up.certificate()
    later = replace(first, created=made_up.LATER, run=replace(first.run, seconds=1.0, batch_size=8))
    assert is_same_run(dump(first), dump(later))
    assert not is_same_run(dump(first), dump(made_up.certificate(clean_accuracy=0.852)))
    assert not is_same_run(dump(first), dump(made_up.parity()))


def test_a_latency_is_what_was_timed() -> None:
    """No two measurements agree. Another model, configuration or processor is another run."""
    first = made_up.latency()
    again = made_up.latency(created=made_up.LATER, rows=(made_up.row(p50_ms=0.5, p90_ms=0.6),), noisy=True)
    assert is_same_run(dump(first), dump(again))
    for row in (made_up.row(threads=2), made_up.row(batch=8), made_up.row(device_name="Other CPU")):
        assert not is_same_run(dump(first), dump(made_up.latency(rows=(row,))))
    assert not is_same_run(dump(first), dump(made_up.latency(against=None)))
    assert not is_same_run(dump(first), dump(made_up.latency(artefact_sha256="00" * 32)))


@pytest.mark.parametrize("content", [b"", b"text", b"[]", b'{"schema": "compress.certificate/1"}', b"\xff\xfe"])
def test_other_files_are_not_of_the_same_run(content: bytes) -> None:
    """Whatever lies under the name, it is told apart and no traceback comes of it."""
    assert not is_same_run(content, dump(made_up.certificate()))


def test_what_a_run_is_asked_for_is_compared_before_it_begins(tmp_path: Path) -> None:
    """The same request is let through; each other one is refused with what differs, and --force allows it."""
    path = tmp_path / "certificate.json"
    asked = asked_of_certificate(to_plain(made_up.certificate()))
    refuse_other(path, CERTIFICATE, asked, force=False)
    path.write_bytes(dump(made_up.certificate()))
    refuse_other(path, CERTIFICATE, asked, force=False)
    for name, other in (("the seed", 1), ("the threats", ["l2:1/2"]), ("the model", "00" * 32), ("the baseline", None)):
        with pytest.raises(OutputError, match=name):
            refuse_other(path, CERTIFICATE, asked | {name: other}, force=False)
        refuse_other(path, CERTIFICATE, asked | {name: other}, force=True)
    with pytest.raises(OutputError, match=r"is a compress\.certificate/1 record"):
        refuse_other(path, LATENCY, {}, force=False)
    path.write_text("notes")
    with pytest.raises(OutputError, match="no record of compress"):
        refuse_other(path, CERTIFICATE, {}, force=False)


@pytest.mark.parametrize("form", ["json", "text", "markdown", "junit"])
def test_gating_twice_gives_the_verdict_twice(here: Path, form: str) -> None:
    """The exit code is the verdict's own both times, also an hour later and with a certificate made anew."""
    line = ["gate", "certificate.json", "--policy", "policy.toml", "--format", form, "-o", "."]
    assert app.run(line) == 3
    assert app.run(line) == 3
    (here / "certificate.json").write_bytes(dump(made_up.certificate(created="2026-08-22T15:00:00+00:00")))
    assert app.run(line) == 3


def test_gating_something_else_into_the_same_file_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict is shown, the file stays, and --force overwrites it."""
    line = ["gate", "certificate.json", "--policy", "policy.toml", "--json", "-o", "verdict.json"]
    assert app.run(line) == 3
    before = (here / "verdict.json").read_bytes()
    (here / "policy.toml").write_text(POLICY.format(0.98))
    capsys.readouterr()
    assert app.run(line) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["decision"] == "failed"
    assert "--force" in shown.err
    assert (here / "verdict.json").read_bytes() == before
    assert app.run([*line, "--force"]) == 3


def test_an_unknown_ending_is_no_folder(here: Path) -> None:
    """`report -o out.pdf` is a mistake; a folder of that name is fine."""
    assert app.run(["report", "certificate.json", "-o", "out.pdf"]) == 2
    assert not (here / "out.pdf").exists()
    with pytest.raises(OptionError, match=r"ends in .5"):
        outputs.destination(Path("run-1.5"), "certificate.json", (".json",))
    (here / "run-1.5").mkdir()
    assert outputs.destination(Path("run-1.5"), "certificate.json", (".json",)) == Path("run-1.5/certificate.json")


def test_each_certificate_keeps_its_own_outcomes() -> None:
    """The default name has the default neighbour; another name gives it to its neighbour."""
    assert outputs.outcomes_beside(Path("a/certificate.json")) == Path("a/outcomes.npz")
    assert outputs.outcomes_beside(Path("a/resnet20.json")) == Path("a/resnet20-outcomes.npz")


def test_what_belongs_together_is_written_together(tmp_path: Path) -> None:
    """Where one of two files is refused, or its place cannot be written, the other is not written either."""
    one, two = tmp_path / "one.json", tmp_path / "two.npz"
    two.write_bytes(b"of another run")
    with pytest.raises(OutputError, match=r"two\.npz exists"):
        outputs.write_outputs({one: b"one", two: b"two"}, force=False)
    assert not one.exists()
    blocked = tmp_path / "a-file" / "three.npz"
    blocked.parent.write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        outputs.write_outputs({one: b"one", blocked: b"three"}, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-file", "two.npz"]
    outputs.write_outputs({one: b"one", two: b"two"}, force=True)
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")


@pytest.mark.slow
def test_certifying_and_timing_twice(digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated step succeeds; one with another seed or model is refused before it begins."""
    monkeypatch.chdir(tmp_path)
    line: list[Any] = ["certify", digits_checkpoint, "--data", "digits", "--threat", "linf:1/255", "--quiet"]
    line = [str(word) for word in [*line, "--battery", "quick", "--num-images", 20]]
    assert app.run([*line, "-o", "mine.json", "--no-resume"]) == 0
    created = json.loads(Path("mine.json").read_text())["result_sha256"]
    assert app.run([*line, "-o", "mine.json", "--no-resume"]) == 0
    assert json.loads(Path("mine.json").read_text())["result_sha256"] == created
    assert app.run(line) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"mine-outcomes.npz", "outcomes.npz", "certificate.json"}

    def nothing_may_begin(*args: object, **kwargs: object) -> None:
        pytest.fail("it began to work")

    monkeypatch.setattr("compressor.steps.prove", nothing_may_begin)
    assert app.run([*line, "--seed", "1"]) == 2
    assert app.run(["bench", str(digits_checkpoint), "-o", "certificate.json", "--quiet"]) == 2
    assert app.run(["bench", str(digits_checkpoint), "--quiet"]) == 0
    assert app.run(["bench", str(digits_checkpoint), "--quiet"]) == 0
    monkeypatch.setattr("compressor.steps.measure", nothing_may_begin)
    assert app.run(["bench", str(digits_checkpoint), "--batch", "2", "--quiet"]) == 2


def test_an_edited_certificate_is_another_one() -> None:
    """Its digest alone is not believed."""
    honest = made_up.certificate()
    edited = replace(honest, result=replace(honest.result, seed=7))
    assert edited.result_sha256 != digest_of_result(edited.result)
    assert not is_same_run(dump(edited), dump(honest))
