"""A small real bundle verifies, and every forgery of it is either noticed or named as one that cannot be."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from compressor.attacks.threat import parse_threat
from compressor.bench.record import SCHEMA as LATENCY_SCHEMA
from compressor.bench.record import Latency, LatencyRow
from compressor.bundle import names, write_bundle
from compressor.bundle.names import SUMS, bundle_digest, format_sums
from compressor.bundle.replay_images import Adversarial, replay_bytes
from compressor.bundle.replay_script import replay_script
from compressor.certify.battery import Assault, digest_of_attacks
from compressor.certify.certificate import Certificate, digest_of_result
from compressor.certify.certify import certify
from compressor.certify.claim import claim_text
from compressor.certify.numbers import stated_numbers
from compressor.certify.outcomes import Outcomes, read_outcomes, recompute
from compressor.data import ImageSet, open_data, parse_preprocess, stratified
from compressor.errors import BundleError, DataError, OptionError, PolicyError
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.gate import judge, parse_policy, read_evidence
from compressor.gate.evidence import evidence_of
from compressor.load import Checkpoint, build, slim_bytes
from compressor.load.checkpoint import sha256_of_weights
from compressor.prune import Plan, count_cost, plan, slim
from compressor.records import dump, now, tool_version
from compressor.report import attestation
from compressor.runtime.session import open_session
from compressor.types import Decision
from compressor.verify import Status, VerifyReport, verify
from compressor.verify import model as model_checks

THREAT = "linf:1/255"
POLICY = f"""schema = "compress.policy/1"
[[robustness]]
threat = "{THREAT}"
min = 0.3
"""
STRICT = POLICY.replace("0.3", "0.99")
LOOSE = POLICY.replace("0.3", "0.01")
NUM_IMAGES = 60


@dataclass(frozen=True, kw_only=True)
class Made:
    """Everything that the files of a bundle are made of."""

    checkpoint: Checkpoint
    chosen: Plan
    onnx: bytes
    slim_file: bytes
    certificate: Certificate
    outcomes: Outcomes
    images: ImageSet


def tiny_checkpoint(seed: int = 0, num_steps: int = 25) -> tuple[Checkpoint, Plan]:
    """Return a residual network of 2,000 parameters, pruned and then trained on digits for a second."""
    torch.manual_seed(seed)
    arguments: dict[str, Any] = {"num_classes": 10, "in_channels": 1, "width": 4}
    train = open_data("digits", preprocess=parse_preprocess("none")).need("train")
    model = build("cifar:resnet8", **arguments)
    dense = Checkpoint(
        model=model,
        architecture="cifar:resnet8",
        arguments=arguments,
        input_shape=train.shape,
        num_classes=10,
        preprocess=parse_preprocess("none"),
        labels=train.class_names,
        sha256=sha256_of_weights(model.state_dict()),
    )
    chosen = plan(dense, ratio=0.25, seed=0)
    model = slim(dense, chosen).model.train()
    images, labels = train.read(range(256)), torch.from_numpy(train.labels[:256])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    for _ in range(num_steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return dense.followed_by(model.eval(), "pruned and trained"), chosen


EXPORTS: dict[str, bytes] = {}


def exported(checkpoint: Checkpoint, form: Form = PLAIN, *, checkpoint_sha256: str) -> bytes:
    """Return `export_onnx` of a checkpoint, from memory if it was exported before."""
    key = sha256_of_weights(checkpoint.model.state_dict()) + checkpoint_sha256 + repr(form)
    if key not in EXPORTS:
        EXPORTS[key] = export_onnx(checkpoint, form, checkpoint_sha256=checkpoint_sha256)
    return EXPORTS[key]


def make(checkpoint: Checkpoint, chosen: Plan, threat: str = THREAT) -> Made:
    """Export and certify a checkpoint."""
    slim_file = slim_bytes(checkpoint)
    onnx = exported(checkpoint, checkpoint_sha256=sha256_of_bytes(slim_file))
    images = stratified(open_data("digits", preprocess=checkpoint.preprocess).need("test"), NUM_IMAGES, seed=0)
    cost = count_cost(checkpoint.model, checkpoint.input_shape)
    certificate, outcomes = certify(
        checkpoint,
        images,
        threats=[parse_threat(threat)],
        battery="quick",
        artefact=onnx,
        data_spec="digits",
        corruptions=True,
        params=cost.params,
        macs=cost.macs,
    )
    return Made(
        checkpoint=checkpoint,
        chosen=chosen,
        onnx=onnx,
        slim_file=slim_file,
        certificate=certificate,
        outcomes=outcomes,
        images=images,
    )


def files_of(made: Made, policy: str = POLICY) -> tuple[dict[str, bytes], Decision]:
    """Return the files of a bundle, judged by a policy."""
    parity = check_parity(made.checkpoint, made.onnx, images=made.images, checkpoint_bytes=len(made.slim_file))
    sha256 = sha256_of_bytes(made.onnx)
    row = LatencyRow(
        provider="cpu",
        device_name="some processor",
        batch=1,
        threads=1,
        num_runs=10,
        p50_ms=1.0,
        p90_ms=1.5,
        p99_ms=None,
        images_per_second=1000.0,
        nodes_on_provider_fraction=1.0,
        transfers_included=True,
    )
    latency = Latency(
        schema=LATENCY_SCHEMA,
        created=now(),
        tool_version=tool_version(),
        artefact_sha256=sha256,
        rows=(row,),
        against=None,
        host={},
        noisy=False,
    )
    evidence = evidence_of(certificate=made.certificate, parity=parity, latency=[latency], model=made.onnx)
    verdict = judge(parse_policy(policy, "policy.toml"), evidence, now=now())
    shown = made.outcomes.replay
    replay = replay_bytes(
        made.images.read(range(16)).numpy(),
        made.images.labels[:16],
        [Adversarial(threat=THREAT, images=shown.images, labels=shown.labels)],
        answer=open_session(made.onnx).run,
        artefact_sha256=sha256,
    )
    files = {
        names.MODEL: made.onnx,
        names.CHECKPOINT: made.slim_file,
        names.PLAN: dump(made.chosen),
        names.PARITY: dump(parity),
        names.CERTIFICATE: dump(made.certificate),
        names.OUTCOMES: made.outcomes.to_bytes(),
        names.LATENCY: dump(latency),
        names.POLICY: policy.encode(),
        names.VERDICT: dump(verdict),
        names.LABELS: "".join(f"{label}\n" for label in made.checkpoint.labels or ()).encode(),
        names.CARD: b"card",
        names.REPORT: b"report",
        names.SBOM: b"{}",
        names.ATTESTATION: attestation(verdict, model_sha256=sha256),
        names.REPLAY: replay,
        names.REPLAY_SCRIPT: replay_script(),
    }
    return files, verdict.decision


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute on one thread: for so small a network more of them take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _exports_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export equal checkpoints once for all tests: it takes seconds, and its sameness has tests of its own."""
    monkeypatch.setattr(model_checks, "export_onnx", exported)


@pytest.fixture(scope="module")
def made() -> Made:
    """Return an honest certificate of a small network."""
    return make(*tiny_checkpoint())


@pytest.fixture(scope="module")
def honest(made: Made) -> dict[str, bytes]:
    """Return the files of a bundle that passed."""
    files, decision = files_of(made)
    assert decision is Decision.PASSED
    return files


@pytest.fixture
def folder(honest: dict[str, bytes], tmp_path: Path) -> Path:
    """Return a bundle that passed."""
    return write_bundle(tmp_path, "tiny", honest, rejected=False, force=False)


def fresh_sums(folder: Path) -> None:
    """Write the list of digests anew, as a forger would."""
    listed = [path.name for path in folder.iterdir() if path.name != SUMS]
    (folder / SUMS).write_bytes(format_sums({name: sha256_of_file(folder / name) for name in listed}))


def edit(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads((folder / name).read_bytes())
    change(value)
    (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def statuses(report: VerifyReport) -> dict[str, Status]:
    """Return the status of each check by its name."""
    return {check.name: check.status for check in report.checks}


def contradicted(report: VerifyReport) -> set[str]:
    """Return the names of what does not hold."""
    return {check.name for check in report.contradictions}


def test_an_honest_bundle_holds(folder: Path) -> None:
    """Every check says how far it went, and without a digest told by another way it is not called authentic."""
    report = verify(folder)
    assert statuses(report) == {
        "digests": Status.RECOMPUTED,
        "authenticity": Status.NOT_CHECKED,
        "one model": Status.RECOMPUTED,
        "checkpoint": Status.RECOMPUTED,
        "plan": Status.RECOMPUTED,
        "export": Status.RECOMPUTED,
        "parity": Status.RECOMPUTED,
        "replay": Status.RECOMPUTED,
        "certificate": Status.RECOMPUTED,
        "outcomes": Status.RECOMPUTED,
        "battery": Status.RECOMPUTED,
        "claim": Status.RECOMPUTED,
        "verdict": Status.RECOMPUTED,
        "labels": Status.CONSISTENT,
        "attestation": Status.RECOMPUTED,
        "script": Status.RECOMPUTED,
        "words": Status.NOT_CHECKED,
        "unfollowed": Status.NOT_CHECKED,
        "data": Status.NOT_CHECKED,
        "recheck": Status.NOT_CHECKED,
    }
    assert (report.holds, report.authentic, report.decision, report.demanded) == (True, False, Decision.PASSED, None)
    assert report.conclusion == "consistent, not authentic; its own verdict is passed"


def test_the_digest_that_was_told_makes_it_authentic(folder: Path) -> None:
    """With the right bundle digest it is authentic; with another one it does not hold."""
    digest = bundle_digest((folder / SUMS).read_bytes())
    assert verify(folder, expect_digest=f"sha256:{digest.upper()}").authentic
    report = verify(folder, expect_digest="0" * 64)
    assert contradicted(report) == {"authenticity"}
    assert not report.authentic


@pytest.mark.parametrize("name", [*names.JUDGED, SUMS])
def test_one_changed_byte_anywhere_does_not_hold(folder: Path, name: str) -> None:
    """In every file, at a few random places."""
    path = folder / name
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        report = verify(folder)
        assert not report.holds
        assert contradicted(report) == {"digests"}
        assert name in report.checks[0].detail or name == SUMS


def _raise_robustness(folder: Path) -> None:
    def change(certificate: Any) -> None:
        certificate["result"]["threats"][0]["robust_accuracy"] = 0.99
        certificate["result"]["threats"][0]["interval"] = [0.98, 1.0]

    edit(folder, names.CERTIFICATE, change)


def _raise_robustness_with_digest(folder: Path) -> None:
    _raise_robustness(folder)
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))


def _judge_again(folder: Path) -> None:
    policy = parse_policy((folder / names.POLICY).read_bytes(), "policy.toml")
    verdict = judge(policy, read_evidence([folder]), now=now())
    (folder / names.VERDICT).write_bytes(dump(verdict))
    (folder / names.ATTESTATION).write_bytes(attestation(verdict, model_sha256=sha256_of_file(folder / names.MODEL)))


def _raise_robustness_and_judge(folder: Path) -> None:
    _raise_robustness_with_digest(folder)
    _judge_again(folder)


def _swap_model(folder: Path) -> None:
    other, _ = tiny_checkpoint(seed=1, num_steps=3)
    notes = sha256_of_file(folder / names.CHECKPOINT)
    (folder / names.MODEL).write_bytes(exported(other, checkpoint_sha256=notes))


def _swap_model_and_records(folder: Path) -> None:
    """Put another model behind the same certificate, and name it everywhere."""
    before = sha256_of_file(folder / names.MODEL)
    _swap_model(folder)
    after = sha256_of_file(folder / names.MODEL)
    size = (folder / names.MODEL).stat().st_size
    for name in (names.PARITY, names.LATENCY, names.CERTIFICATE):
        (folder / name).write_text((folder / name).read_text().replace(before, after))
    edit(folder, names.PARITY, lambda value: value.update(bytes_model=size))
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
    _judge_again(folder)


def _rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def _count_wrong_as_robust(folder: Path) -> None:
    outcomes = read_outcomes(folder / names.OUTCOMES)
    all_stand = replace(outcomes.threats[0], slim=np.full_like(outcomes.threats[0].slim, -1))
    (folder / names.OUTCOMES).write_bytes(replace(outcomes, threats=(all_stand,)).to_bytes())


def _raise_corruptions_and_judge(folder: Path) -> None:
    def change(certificate: Any) -> None:
        certificate["result"]["corruptions"]["mean_accuracy"] = 0.99
        certificate["result"]["corruptions"]["mean_interval"] = [0.98, 1.0]

    edit(folder, names.CERTIFICATE, change)
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
    _judge_again(folder)


def _count_wrong_as_right_in_every_place(folder: Path) -> None:
    outcomes = read_outcomes(folder / names.OUTCOMES)
    assert outcomes.corruptions is not None
    all_stand = replace(outcomes.corruptions, worst_slim=np.ones_like(outcomes.corruptions.worst_slim))
    (folder / names.OUTCOMES).write_bytes(replace(outcomes, corruptions=all_stand).to_bytes())


def _change_result(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Return a forger who changes the certificate's result, digests it anew and judges it anew."""

    def forge(folder: Path) -> None:
        edit(folder, names.CERTIFICATE, lambda value: change(value["result"]))
        certificate = read_evidence([folder]).certificate
        assert certificate is not None
        edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
        _judge_again(folder)

    return forge


def _change_threat(**values: Any) -> Callable[[Path], None]:
    return _change_result(lambda result: result["threats"][0].update(values))


def _more_steps(result: Any) -> None:
    result["threats"][0]["attacks"][1]["settings"]["num_steps"] = 1000


def _more_steps_with_digest(result: Any) -> None:
    _more_steps(result)
    threat = result["threats"][0]
    attacks = tuple(Assault(name=each["name"], settings=each["settings"]) for each in threat["attacks"])
    threat["battery_sha256"] = digest_of_attacks(attacks, parse_threat(THREAT))


def _another_first(result: Any) -> None:
    transfer = {"name": "transfer", "settings": {"source": "d4" * 32}, "num_attempted": 50, "num_broken": 0}
    result["threats"][0]["attacks"].insert(0, transfer)


def _change_parity(**values: Any) -> Callable[[Path], None]:
    def forge(folder: Path) -> None:
        edit(folder, names.PARITY, lambda value: value.update(values))
        _judge_again(folder)

    return forge


def _call_it(battery: str) -> Callable[[Any], None]:
    """Return a forger of the battery's name who writes the claim anew as well."""

    def change(result: Any) -> None:
        result["claim"] = result["claim"].replace("the battery quick is", f"the battery {battery} is")
        assert f"battery {battery}" in result["claim"]
        result["threats"][0]["battery"] = battery

    return change


FORGERIES: list[tuple[Callable[[Path], None], set[str]]] = [
    (_raise_robustness, {"certificate", "outcomes", "claim", "verdict"}),
    (_raise_robustness_with_digest, {"outcomes", "claim", "verdict"}),
    (_raise_robustness_and_judge, {"outcomes", "claim"}),
    (_count_wrong_as_robust, {"outcomes"}),
    (_raise_corruptions_and_judge, {"outcomes", "claim"}),
    (_count_wrong_as_right_in_every_place, {"outcomes"}),
    (_swap_model, {"one model", "export", "parity", "replay", "attestation", "verdict"}),
    (_swap_model_and_records, {"one model", "export", "parity", "replay"}),
    (_rewrite(names.POLICY, "0.3", "0.01"), {"verdict"}),
    (_rewrite(names.VERDICT, '"passed"', '"failed"'), {"verdict", "attestation"}),
    (_rewrite(names.PARITY, '"passed"', '"failed"'), {"parity", "verdict"}),
    (_rewrite(names.PLAN, '"filters": ', '"filters": 1'), {"plan"}),
    (_rewrite(names.LABELS, "3\n", "8\n"), {"labels"}),
    (_rewrite(names.ATTESTATION, '"PASSED"', '"FAILED"'), {"attestation"}),
    (_rewrite(names.REPLAY_SCRIPT, "def sha256", "print()\n\n\ndef sha256"), {"script"}),
    (_rewrite(names.LATENCY, '"artefact_sha256": "', '"artefact_sha256": "f'), {"one model", "verdict"}),
    (lambda folder: (folder / names.CERTIFICATE).write_text("{}"), {"certificate", "outcomes", "one model", "verdict",
     "checkpoint", "labels", "battery", "claim"}),
    (lambda folder: (folder / names.OUTCOMES).write_bytes(b"PK"), {"outcomes"}),
    (lambda folder: (folder / names.MODEL).write_bytes(b"nothing"), {"one model", "checkpoint", "export", "parity",
     "replay", "labels", "attestation", "verdict"}),
    (lambda folder: (folder / names.OUTCOMES).unlink(), {"digests"}),
    (_change_threat(battery="full"), {"battery", "claim"}),
    (_change_result(_call_it("full")), {"battery"}),
    (_change_threat(battery_sha256="b2" * 32), {"battery"}),
    (_change_result(_more_steps), {"battery"}),
    (_change_result(_more_steps_with_digest), {"battery"}),
    (_change_result(_another_first), {"battery", "outcomes"}),
    (_change_threat(confidence=0.99), {"battery"}),
    (_change_threat(interval_method="confidence-sequence"), {"battery"}),
    (_change_threat(decided_after=7), {"battery"}),
    (_change_threat(proved_accuracy=0.9), {"outcomes"}),
    (_change_threat(audit={"num_audited": 20, "num_broken": 0, "interval": [0.0, 0.01]}), {"battery", "claim"}),
    (_change_threat(audit={"num_audited": 0, "num_broken": 0, "interval": [0.0, 0.01]}), {"battery", "claim"}),
    (_change_result(lambda result: result.update(claim="This model is proved robust.")), {"claim"}),
    (_change_parity(max_rel=0.5), {"parity"}),
    (_change_parity(agreement=1.5), {"parity"}),
    (_change_parity(accuracy_torch=0.0, accuracy_onnx=1.0), {"parity"}),
]  # fmt: skip


@pytest.mark.parametrize(("forge", "caught_by"), FORGERIES)
def test_a_forgery_with_fresh_sums_is_caught(folder: Path, forge: Callable[[Path], None], caught_by: set[str]) -> None:
    """The list of digests is right, and still the files contradict each other: each place is named."""
    forge(folder)
    fresh_sums(folder)
    report = verify(folder)
    assert contradicted(report) == caught_by, report.contradictions
    assert not report.holds
    assert all(name in report.conclusion for name in caught_by)


@pytest.mark.parametrize("version", [tool_version(), "99.0"])
def test_a_battery_in_name_only_meets_no_demand(folder: Path, tmp_path: Path, version: str) -> None:
    """Whoever demands `full` is not satisfied by `quick` under that name, whatever version is said to have made it."""
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE + '[evidence]\nbattery = "full"\n')
    edit(folder, names.CERTIFICATE, lambda value: value.update(tool_version=version))
    _change_result(_call_it("full"))(folder)
    fresh_sums(folder)
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (False, Decision.UNDECIDED)
    assert "your policy" in contradicted(report)
    assert ("battery" in contradicted(report)) == (version == tool_version())
    mine.write_text(LOOSE + '[evidence]\nbattery = "quick"\n')
    assert verify(folder, policy=mine).demanded is Decision.UNDECIDED
    fresh = next(check for check in verify(folder, policy=mine).checks if check.name == "your policy")
    assert "evidence.battery" in fresh.detail


def test_the_battery_that_ran_meets_a_demand_for_it(folder: Path, tmp_path: Path) -> None:
    """The honest bundle, and a policy that demands its battery."""
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE + '[evidence]\nbattery = "quick"\n')
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (True, Decision.PASSED)


@pytest.mark.parametrize(
    ("forge", "word"),
    [
        (_change_result(lambda result: result.update(seed=7)), "seed"),
        (_change_threat(flags=[]), "flags"),
        (_change_threat(num_forward=10**9), "num_forward"),
        (_change_parity(agreement=1.0, max_abs=0.0, max_rel=0.0), "agreement"),
    ],
)
def test_what_cannot_be_followed_is_named(folder: Path, forge: Callable[[Path], None], word: str) -> None:
    """Some figures rest on the maker's word. The report says which instead of passing over them."""
    forge(folder)
    fresh_sums(folder)
    report = verify(folder)
    assert report.holds, report.contradictions
    (check,) = (each for each in report.checks if each.name == "unfollowed")
    assert check.status is Status.NOT_CHECKED
    assert word in check.detail


def test_a_list_of_attacks_is_consistent_only(made: Made, tmp_path: Path) -> None:
    """A TOML list is not in the bundle; its attacks have their digest, and nobody says they are those of the file."""
    threat = replace(made.certificate.result.threats[0], battery="ours.toml")
    claim = made.certificate.result.claim.replace("the battery quick", "the battery ours.toml")
    result = replace(made.certificate.result, threats=(threat,), claim=claim)
    certificate = replace(made.certificate, result=result, result_sha256=digest_of_result(result))
    files = files_of(replace(made, certificate=certificate))[0]
    report = verify(write_bundle(tmp_path, "tiny", files, rejected=False, force=False))
    assert (report.holds, statuses(report)["battery"]) == (True, Status.CONSISTENT)


def test_a_loosened_policy_is_caught_by_what_the_verifier_knows(made: Made, tmp_path: Path) -> None:
    """Judged honestly by a loose policy it is consistent; the expected digest and the verifier's policy tell."""
    folder = write_bundle(tmp_path, "tiny", files_of(made, STRICT)[0], rejected=True, force=False)
    digest = bundle_digest((folder / SUMS).read_bytes())
    for name, content in files_of(made, LOOSE)[0].items():
        (folder / name).write_bytes(content)
    fresh_sums(folder)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, Decision.PASSED)
    assert "not authentic" in report.conclusion
    assert contradicted(verify(folder, expect_digest=digest)) == {"authenticity"}
    mine = tmp_path / "mine.toml"
    mine.write_text(STRICT)
    report = verify(folder, policy=mine)
    assert (contradicted(report), report.demanded) == ({"your policy"}, Decision.FAILED)


def test_a_rejected_bundle_holds_and_says_that_it_failed(made: Made, tmp_path: Path) -> None:
    """What it states is true: it is not good enough. By the verifier's looser policy it may be."""
    files, decision = files_of(made, STRICT)
    assert decision is Decision.FAILED
    folder = write_bundle(tmp_path, "tiny", files, rejected=True, force=False)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, Decision.FAILED)
    assert "its own verdict is failed" in report.conclusion
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE)
    report = verify(folder, policy=mine)
    assert (report.holds, report.demanded) == (True, Decision.PASSED)


def test_a_bundle_that_was_only_exported(honest: dict[str, bytes], tmp_path: Path) -> None:
    """Nothing is claimed, so little is checked; a policy cannot be met."""
    files = {name: honest[name] for name in names.EXPORTED}
    folder = write_bundle(tmp_path, "tiny", files, rejected=False, force=False)
    report = verify(folder)
    assert (report.holds, report.decision) == (True, None)
    assert "not judged" in report.conclusion
    mine = tmp_path / "mine.toml"
    mine.write_text(LOOSE)
    assert contradicted(verify(folder, policy=mine)) == {"your policy"}


def test_with_the_images_clean_answers_are_made_again(folder: Path) -> None:
    """The images are found by name and bytes, and answered as the outcomes say."""
    report = verify(folder, data="digits")
    assert statuses(report)["data"] is Status.RECOMPUTED
    assert statuses(report)["recheck"] is Status.NOT_CHECKED


def _certify_by(made: Made, outcomes: Outcomes) -> Made:
    """Write a certificate that says exactly what these outcomes say."""
    numbers = recompute(outcomes)
    before = made.certificate.result
    threat = replace(
        before.threats[0],
        robust_accuracy=numbers.threats[0].robust_accuracy,
        interval=numbers.threats[0].interval,
        attacks=tuple(
            replace(said, num_attempted=found.num_attempted, num_broken=found.num_broken)
            for said, found in zip(before.threats[0].attacks, numbers.threats[0].attacks, strict=True)
        ),
    )
    result = replace(
        before,
        clean_accuracy=numbers.clean_accuracy,
        clean_interval=numbers.clean_interval,
        per_class=numbers.per_class,
        calibration=numbers.calibration,
        threats=(threat,),
    )
    result = replace(result, claim=claim_text(result.artefact, stated_numbers(result), result.threats))
    certificate = replace(made.certificate, result=result, result_sha256=digest_of_result(result))
    return replace(made, certificate=certificate, outcomes=replace(outcomes, replay=made.outcomes.replay))


def test_an_invented_clean_accuracy_needs_the_images_to_be_caught(made: Made, tmp_path: Path) -> None:
    """All files agree on logits that are right on every image; answering the images tells."""
    right = np.eye(10, dtype=np.float32)[made.outcomes.labels] * 9
    forged = _certify_by(made, replace(made.outcomes, logits=right))
    folder = write_bundle(tmp_path, "tiny", files_of(forged)[0], rejected=False, force=False)
    assert verify(folder).conclusion.startswith("consistent, not authentic")
    assert contradicted(verify(folder, data="digits")) == {"data"}


@pytest.mark.slow
def test_recheck_tells_honest_from_invented_robustness(made: Made, tmp_path: Path) -> None:
    """Survivors of the honest certificate survive other random numbers; invented ones do not."""
    wide = make(made.checkpoint, made.chosen, "linf:1/8")
    folder = write_bundle(tmp_path, "honest", files_of(wide, LOOSE)[0], rejected=False, force=False)
    report = verify(folder, data="digits", recheck=40, seed=7)
    assert report.holds, report.contradictions
    assert statuses(report)["recheck"] is Status.RECOMPUTED
    assert "seed 7" in report.checks[-1].detail
    right = wide.outcomes.answers == wide.outcomes.labels
    stands = replace(wide.outcomes.threats[0], slim=np.where(right, -1, -2).astype(np.int16))
    forged = _certify_by(wide, replace(wide.outcomes, threats=(stands,)))
    folder = write_bundle(tmp_path, "forged", files_of(forged, LOOSE)[0], rejected=False, force=False)
    assert verify(folder).holds
    assert contradicted(verify(folder, data="digits", recheck=40)) == {"recheck"}


def test_what_is_asked_wrongly_is_no_judgement(folder: Path, tmp_path: Path) -> None:
    """A digest that is none, a recheck without images, a policy that cannot be read, no bundle, other images."""
    with pytest.raises(OptionError, match="not a sha256"):
        verify(folder, expect_digest="8f14e45f")
    with pytest.raises(OptionError, match="without --data"):
        verify(folder, recheck=10)
    with pytest.raises(PolicyError):
        verify(folder, policy=tmp_path / "absent.toml")
    with pytest.raises(BundleError):
        verify(tmp_path)
    other = tmp_path / "other.npz"
    np.savez(other, x_test=np.zeros((10, 8, 8, 1), np.uint8), y_test=np.arange(10))
    with pytest.raises(DataError, match="none of the images"):
        verify(folder, data=str(other))
