"""What a target wrote is judged beside the bundle's own records: the real replay.py, then the real gate."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import LATER, parity
from real_bundle import LOOSE

from cli.app import run
from compressor.bench.record import Latency
from compressor.bundle import write_bundle
from compressor.errors import EvidenceError
from compressor.export.record import Parity
from compressor.gate import Evidence, evidence_of, judge, parse_policy, read_evidence
from compressor.gate.verdict import Condition
from compressor.records import dump, parse
from compressor.types import Decision

DEMANDS = LOOSE + "[parity]\nmin_agreement = 0.999\n[[latency]]\n"
FAST_ENOUGH = DEMANDS + "max_p50_ms = 10000\n"
OF_THE_BUNDLE = "some processor"
"""The device that the bundle's own latency names."""

TARGET = {"tool_version": "replay/1", "accuracy_torch": None}


@pytest.fixture(scope="module")
def replayed(honest: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a bundle, and the folder in which its replay.py wrote what it found."""
    place = tmp_path_factory.mktemp("target")
    bundle = write_bundle(place, "tiny", honest, rejected=False, force=False)
    command = [sys.executable, str(bundle / "replay.py"), "--runs", "20", "--output", str(place / "results")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return bundle, place / "results"


def gate(policy: Path, text: str, *evidence: Path) -> int:
    """Judge by a policy of this text."""
    policy.write_text(text)
    return run(["gate", *(str(each) for each in evidence), "--policy", str(policy), "--quiet"])


def test_what_the_target_wrote_is_accepted(
    replayed: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both records stand beside the bundle's own: passed, and the verdict says that a target replayed it."""
    bundle, results = replayed
    evidence = (bundle, results / "latency.json", results / "parity.json")
    assert gate(tmp_path / "policy.toml", FAST_ENOUGH, *evidence) == 0
    assert "of 2 records (cpu and cpu, replayed on a target)" in " ".join(capsys.readouterr().out.split())


def test_a_slow_target_is_rejected(
    replayed: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A demand on that device: by its name, or on any device, where the slowest record counts."""
    bundle, results = replayed
    path = results / "latency.json"
    found = parse(path.read_bytes(), Latency, source="latency.json")
    row = replace(found.rows[0], device_name="NVIDIA Jetson Orin Nano", p50_ms=5000.0)
    slow = tmp_path / "slow.json"
    slow.write_bytes(dump(replace(found, rows=(row,))))
    for device, limit, code in (
        ("*Orin*", 10, 3),
        ("*orin*", 10_000, 0),
        (OF_THE_BUNDLE, 10, 0),
        ("*", 10, 3),
        ("*Xavier*", 10, 4),
    ):
        text = f'{DEMANDS}device = "{device}"\nmax_p50_ms = {limit}\n'
        assert gate(tmp_path / "policy.toml", text, bundle, slow, results / "parity.json") == code, device
    assert "only cpu, batch 1, 1 thread on some processor" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["parity", "latency"])
def test_a_record_about_another_file_does_not_count(
    replayed: tuple[Path, Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is concluded from it: 4, which blocks, and both digests are named."""
    bundle, results = replayed
    kind = {"parity": Parity, "latency": Latency}[name]
    record = parse((results / f"{name}.json").read_bytes(), kind, source=name)
    other = tmp_path / "other.json"
    other.write_bytes(dump(replace(record, artefact_sha256="f" * 64)))
    assert gate(tmp_path / "policy.toml", FAST_ENOUGH, bundle, other) == 4
    assert "is about another file (ffffffffffff)" in " ".join(capsys.readouterr().out.split())


def test_a_target_on_which_it_does_not_hold_is_rejected(replayed: tuple[Path, Path], tmp_path: Path) -> None:
    """The bundle's own record passed, and that does not help."""
    bundle, results = replayed
    found = parse((results / "parity.json").read_bytes(), Parity, source="parity.json")
    path = tmp_path / "failed.json"
    path.write_bytes(dump(replace(found, decision="failed", max_abs=3.0, max_rel=0.5, agreement=0.5)))
    assert gate(tmp_path / "policy.toml", FAST_ENOUGH, bundle, results / "parity.json", path) == 3


def _condition(evidence: Evidence, condition_id: str) -> Condition:
    policy = parse_policy("[parity]\nmin_agreement = 0.99\n", "policy.toml")
    return next(each for each in judge(policy, evidence, now=LATER).conditions if each.id == condition_id)


@pytest.mark.parametrize(
    ("targets", "decision", "agreement"),
    [
        ([], Decision.PASSED, Decision.PASSED),
        ([parity(**TARGET)], Decision.PASSED, Decision.PASSED),
        ([parity(**TARGET), parity(provider="cuda", **TARGET)], Decision.PASSED, Decision.PASSED),
        ([parity(**TARGET), parity(**TARGET, agreement=0.98)], Decision.PASSED, Decision.FAILED),
        ([parity(**TARGET, decision="failed", max_rel=0.0), parity(**TARGET)], Decision.FAILED, Decision.PASSED),
    ],
)
def test_every_record_must_hold(targets: list[Parity], decision: Decision, agreement: Decision) -> None:
    """The worst of them is judged, whichever it is."""
    evidence = Evidence(parity=parity(), more_parities=tuple(targets))
    assert _condition(evidence, "parity.decision").decision is decision
    assert _condition(evidence, "parity.min_agreement").decision is agreement


def test_a_target_alone_says_nothing_about_torch() -> None:
    """It compares the file with the file: a demand on agreement with torch stays undecided."""
    found = _condition(Evidence(more_parities=(parity(**TARGET),)), "parity.min_agreement")
    assert found.decision is Decision.UNDECIDED
    assert "not with torch" in found.reason


def test_two_records_of_the_maker_are_still_one_too_many(tmp_path: Path) -> None:
    """Only targets may write several: nobody can tell which of two exports is meant."""
    for name, record in (("one", parity()), ("two", parity(max_abs=0.0)), ("three", parity(**TARGET))):
        (tmp_path / f"{name}.json").write_bytes(dump(record))
    with pytest.raises(EvidenceError, match="two different parity records"):
        read_evidence([tmp_path / "one.json", tmp_path / "two.json", tmp_path / "three.json"])
    found = read_evidence([tmp_path / "one.json", tmp_path / "three.json"])
    assert (found.parity, found.more_parities) == (parity(), (parity(**TARGET),))


def test_the_makers_records_on_several_providers_all_count(tmp_path: Path) -> None:
    """A bundle holds one for each provider that its file is meant for; the CPU's is first, and each must hold."""
    for name, record in (("parity-cuda", parity(provider="cuda", agreement=0.98)), ("parity", parity())):
        (tmp_path / f"{name}.json").write_bytes(dump(record))
    found = read_evidence([tmp_path])
    assert (found.parity, found.more_parities) == (parity(), (parity(provider="cuda", agreement=0.98),))
    assert set(found.digests) == set(evidence_of(parity=parity(), more_parities=found.more_parities).digests)
    assert _condition(found, "parity.min_agreement").decision is Decision.FAILED
