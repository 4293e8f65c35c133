"""Reading evidence from files and bundles, explanations, and the starter policy."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_up import LATER, certificate, latency, parity, row, threat_result

from compressor.attacks import parse_threat
from compressor.certify.certificate import CurvePoint
from compressor.errors import BundleError, EvidenceError, PolicyError
from compressor.files import sha256_of_bytes
from compressor.gate import evidence_of, explain, judge, parse_policy, read_evidence, starter_policy
from compressor.gate.explain import WIDTH, explained
from compressor.gate.policy import condition_ids
from compressor.records import dump


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a folder with three records and a model file."""
    for name, record in (("certificate", certificate()), ("parity", parity()), ("latency", latency())):
        (tmp_path / f"{name}.json").write_bytes(dump(record))
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "plan.json").write_text('{"schema": "compress.plan/1"}')
    return tmp_path


def test_a_bundle_gives_its_three_records(bundle: Path) -> None:
    """Other files of the bundle are left alone, and the model file is digested."""
    evidence = read_evidence([bundle])
    assert (evidence.certificate, evidence.parity, evidence.latency) == (certificate(), parity(), (latency(),))
    assert (evidence.model_sha256, evidence.model_bytes) == (sha256_of_bytes(b"model"), 5)
    assert evidence.digests == evidence_of(certificate=certificate(), parity=parity(), latency=[latency()]).digests


def test_what_no_digest_binds_is_no_evidence(bundle: Path) -> None:
    """Signatures stand beside the list of digests, so anybody can add a file that is called like one."""
    before = read_evidence([bundle])
    for name in ("latency-orin.sigstore.json", "parity-cuda.sigstore.json"):
        (bundle / name).write_bytes(dump(latency(rows=(row(p50_ms=0.001),))))
    assert read_evidence([bundle]) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"confidence": 0.95', '"confidence": 1.0'),
        ('"confidence": 0.95', '"confidence": -0.5'),
        ('"both": ', '"both": -'),
        ('"both": ', f'"both": {"9" * 400}'),
        ('"num_images": ', f'"num_images": {"9" * 20}'),
    ],
)
def test_figures_that_cannot_be_are_no_record(bundle: Path, old: str, new: str) -> None:
    """Nothing can be computed from them, and that is no fault of ours."""
    text = (bundle / "certificate.json").read_text()
    assert old in text
    (bundle / "certificate.json").write_text(text.replace(old, new))
    with pytest.raises(EvidenceError):
        read_evidence([bundle])


def test_files_are_told_apart_by_their_schema(bundle: Path, tmp_path: Path) -> None:
    """Names do not matter, and the same file twice counts once."""
    odd = tmp_path / "whatever.txt"
    odd.write_bytes(dump(latency(rows=(row(batch=8),))))
    evidence = read_evidence([bundle / "latency.json", odd, bundle / "latency.json"])
    assert [record.rows[0].batch for record in evidence.latency] == [1, 8]
    assert evidence.certificate is None
    assert evidence.model_sha256 is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"", "is not JSON"),
        ("a.json", b"\xff\xfe", "is not JSON"),
        ("a.json", b"[" * 100_000, "is not JSON"),
        ("a.json", b"[]", "is no record of compress"),
        ("a.json", b'{"schema": 3}', "is no record of compress"),
        ("a.json", b'{"schema": ["x"]}', "is no record of compress"),
        ("a.json", b'{"schema": "compress.verdict/1"}', "'compress.verdict/1' record, which is no evidence"),
        ("a.json", b'{"schema": "compress.parity/1"}', "is not a Parity record"),
        ("a.json", dump(parity())[:-40], "is not JSON"),
        ("a.json", dump(parity()).replace(b'"provider"', b'"Provider"'), "is not a Parity record: "),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """One sentence with the path, whatever the bytes are."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvidenceError) as caught:
        read_evidence([tmp_path / name])
    assert words in caught.value.message
    assert name in caught.value.message


def test_a_folder_without_records_is_no_bundle(tmp_path: Path) -> None:
    """Bad input, not undecided."""
    with pytest.raises(BundleError, match="holds no certificate"):
        read_evidence([tmp_path])


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    """So is a path that is not there."""
    with pytest.raises(EvidenceError, match="there is no"):
        read_evidence([tmp_path / "absent"])


def test_two_certificates_are_one_too_many(bundle: Path, tmp_path: Path) -> None:
    """Nobody can tell which one is meant."""
    (tmp_path / "other.json").write_bytes(dump(certificate(seed=1)))
    with pytest.raises(EvidenceError, match="two different certificates"):
        read_evidence([bundle, tmp_path / "other.json"])


def test_every_condition_is_explained() -> None:
    """Whatever id a verdict can show has a text of its own, within 80 columns."""
    policy = parse_policy(
        '[accuracy]\nmin=0\nmax_drop=0\nmax_class_drop=0\nmax_ece=0\n[[robustness]]\nthreat="linf:2/255"\nmin=0\nmax_drop=0\n'
        "[corruptions]\nmin=0\n[size]\nmax_bytes=1\nmax_macs=1\nmax_params=1\n[[latency]]\nmax_p50_ms=1\nmax_ratio_p50=1\n"
        "[parity]\nmin_agreement=0\n[evidence]\nbattery='x'\nmin_images=1\nseed=0\nmax_age='1d'\nmax_duplicates=0\n"
        f'data_sha256="{"0" * 64}"\n',
        "p",
    )
    evidence = evidence_of(certificate=certificate(), parity=parity(), latency=[latency()])
    ids = [each.id for each in judge(policy, evidence, now=LATER).conditions] + ["flag.anything.linf-2/255"]
    assert set(condition_ids(policy)) < set(ids)
    texts = {each: explain(each) for each in ids}
    assert all(len(line) <= WIDTH for text in texts.values() for line in text.splitlines())
    assert all("What usually fixes it." in text for text in texts.values())
    assert len(ids) == len(explained())


def test_an_unknown_condition_is_refused_with_the_nearest() -> None:
    """A mistyped id gets a suggestion."""
    with pytest.raises(PolicyError) as caught:
        explain("acuracy.min")
    assert caught.value.advice == "did you mean accuracy.min?"


def test_the_starter_policy_passes_what_it_was_written_from() -> None:
    """Epsilons at which 30 to 70 % is kept, figures rounded to the safe side, comments beside them."""
    evidence = evidence_of(certificate=certificate(), parity=parity(), latency=[latency()])
    text = starter_policy(certificate(), latency())
    policy = parse_policy(text, "policy.toml")
    assert [(str(each.threat), each.min) for each in policy.robustness] == [("linf:1/255", 0.58), ("linf:2/255", 0.38)]
    verdict = judge(policy, evidence, now=LATER)
    blocking = {each.id for each in verdict.conditions if each.decision != "passed"}
    assert all(each.endswith("max_drop") for each in blocking), blocking
    assert "measured 41.2 %" in text


def test_the_starter_policy_takes_epsilons_from_the_curve() -> None:
    """Where nothing was attacked at a stated threat, the curve tells; a little slack is left for the battery."""
    policy = parse_policy(starter_policy(certificate(threats=())), "p")
    assert [(str(each.threat), each.min) for each in policy.robustness] == [("linf:1/255", 0.58), ("linf:2/255", 0.37)]


@pytest.mark.parametrize(
    ("norm", "epsilon", "written"),
    [
        ("linf", "16/85", "linf:48/255"),
        ("linf", "1/15", "linf:17/255"),
        ("linf", "2/255", "linf:2/255"),
        ("linf", "1/510", "linf:1/510"),
        ("linf", "3/100", "linf:3/100"),
        ("linf", "1", "linf:1"),
        ("l2", "1/5", "l2:1/5"),
    ],
)
def test_the_starter_policy_writes_steps_of_255(norm: str, epsilon: str, written: str) -> None:
    """As people write them, where that is exact; the threat stays the same."""
    made = certificate(threats=(), curve=(CurvePoint(norm=norm, epsilon=epsilon, accuracy=0.5),))
    text = starter_policy(made)
    assert f'threat = "{written}"' in text
    (found,) = parse_policy(text, "p").robustness
    assert found.threat == parse_threat(f"{norm}:{epsilon}")


@pytest.mark.parametrize(
    "made",
    [
        None,
        certificate(threats=(), curve=()),
        certificate(
            threats=(threat_result(robust_accuracy=0.01, interval=(0.0, 0.03)),),
            curve=(CurvePoint(norm="linf", epsilon="8/255", accuracy=0.0),),
        ),
    ],
)
def test_the_starter_policy_is_always_a_policy(made: object) -> None:
    """Without a telling epsilon it says so in a comment and still demands something."""
    text = starter_policy(made)  # type: ignore[arg-type]
    assert parse_policy(text, "p").robustness == ()
    assert "# [[robustness]]" in text
    assert parse_policy(starter_policy(made, latency(against=None)), "p").latency[0].max_p50_ms == 0.53  # type: ignore[arg-type]


def test_the_gate_needs_neither_torch_nor_onnxruntime_nor_scipy() -> None:
    """It must run where only typer, rich and pydantic are installed."""
    code = (
        "import sys, compressor.gate as gate; gate.starter_policy(None); gate.explain('accuracy.min');"
        "heavy = {'torch', 'onnxruntime', 'scipy', 'numpy', 'onnx'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
