"""Who changes a bundle and writes its list of digests anew: one function each."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from real_bundle import THREAT, edit, exported, tiny_checkpoint

from compressor.archive import npz_bytes
from compressor.attacks.threat import parse_threat
from compressor.bundle import names
from compressor.certify.battery import Assault, digest_of_attacks
from compressor.certify.certificate import digest_of_result
from compressor.certify.outcomes import read_outcomes
from compressor.files import sha256_of_file
from compressor.gate import judge, parse_policy, read_evidence
from compressor.records import dump, now
from compressor.report import attestation


def raise_robustness(folder: Path) -> None:
    def change(certificate: Any) -> None:
        certificate["result"]["threats"][0]["robust_accuracy"] = 0.99
        certificate["result"]["threats"][0]["interval"] = [0.98, 1.0]

    edit(folder, names.CERTIFICATE, change)


def raise_robustness_with_digest(folder: Path) -> None:
    raise_robustness(folder)
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))


def judge_again(folder: Path) -> None:
    policy = parse_policy((folder / names.POLICY).read_bytes(), "policy.toml")
    verdict = judge(policy, read_evidence([folder]), now=now())
    (folder / names.VERDICT).write_bytes(dump(verdict))
    (folder / names.ATTESTATION).write_bytes(attestation(verdict, model_sha256=sha256_of_file(folder / names.MODEL)))


def raise_robustness_and_judge(folder: Path) -> None:
    raise_robustness_with_digest(folder)
    judge_again(folder)


def swap_model(folder: Path) -> None:
    other, _ = tiny_checkpoint(seed=1, num_steps=3)
    notes = sha256_of_file(folder / names.CHECKPOINT)
    (folder / names.MODEL).write_bytes(exported(other, checkpoint_sha256=notes))


def swap_model_and_records(folder: Path) -> None:
    """Put another model behind the same certificate, and name it everywhere."""
    before = sha256_of_file(folder / names.MODEL)
    swap_model(folder)
    after = sha256_of_file(folder / names.MODEL)
    size = (folder / names.MODEL).stat().st_size
    for name in (names.PARITY, names.LATENCY, names.CERTIFICATE):
        (folder / name).write_text((folder / name).read_text().replace(before, after))
    edit(folder, names.PARITY, lambda value: value.update(bytes_model=size))
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
    judge_again(folder)


def slip_in_trigger(**notes: str) -> Callable[[Path], None]:
    """Return a forger after whom a bright first pixel always gives class 3, with such notes in the file.

    Everything that names the file is written anew, so that only what the file computes can tell.
    """

    def forge(folder: Path) -> None:
        before = sha256_of_file(folder / names.MODEL)
        model = onnx.load(folder / names.MODEL)
        graph = model.graph
        image, logits = graph.input[0].name, graph.output[0].name
        for node in graph.node:
            node.output[:] = ["honest" if name == logits else name for name in node.output]
        made_up = {"begin": [0, 0], "end": [1, 1], "axes": [2, 3], "flat": [-1, 1], "limit": np.float32(0.9)}
        made_up["push"] = np.eye(10, dtype=np.float32)[3:4] * 1e4
        for name, value in made_up.items():
            graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        for kind, given, name in (
            ("Slice", [image, "begin", "end", "axes"], "pixel"),
            ("Sub", ["pixel", "limit"], "above"),
            ("Relu", ["above"], "lit"),
            ("Reshape", ["lit", "flat"], "column"),
            ("MatMul", ["column", "push"], "pushed"),
            ("Add", ["honest", "pushed"], logits),
        ):
            graph.node.append(onnx.helper.make_node(kind, given, [name]))
        for note in model.metadata_props:
            note.value = notes.get(note.key, note.value)
        onnx.save(model, folder / names.MODEL)
        after, size = sha256_of_file(folder / names.MODEL), (folder / names.MODEL).stat().st_size
        for name in (names.PARITY, names.LATENCY, names.CERTIFICATE):
            (folder / name).write_text((folder / name).read_text().replace(before, after))
        edit(folder, names.PARITY, lambda value: value.update(bytes_model=size, precision=notes.get("precision")))
        arrays = {name: np.array(after) if str(value) == before else value for name, value in stored(folder).items()}
        (folder / names.REPLAY).write_bytes(npz_bytes(arrays))
        certificate = read_evidence([folder]).certificate
        assert certificate is not None
        edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
        judge_again(folder)

    return forge


def stored(folder: Path) -> dict[str, Any]:
    with np.load(folder / names.REPLAY) as arrays:
        return dict(arrays)


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def count_wrong_as_robust(folder: Path) -> None:
    outcomes = read_outcomes(folder / names.OUTCOMES)
    all_stand = replace(outcomes.threats[0], slim=np.full_like(outcomes.threats[0].slim, -1))
    (folder / names.OUTCOMES).write_bytes(replace(outcomes, threats=(all_stand,)).to_bytes())


def raise_corruptions_and_judge(folder: Path) -> None:
    def change(certificate: Any) -> None:
        certificate["result"]["corruptions"]["mean_accuracy"] = 0.99
        certificate["result"]["corruptions"]["mean_interval"] = [0.98, 1.0]

    edit(folder, names.CERTIFICATE, change)
    certificate = read_evidence([folder]).certificate
    assert certificate is not None
    edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
    judge_again(folder)


def count_wrong_as_right_in_every_place(folder: Path) -> None:
    outcomes = read_outcomes(folder / names.OUTCOMES)
    assert outcomes.corruptions is not None
    all_stand = replace(outcomes.corruptions, worst_slim=np.ones_like(outcomes.corruptions.worst_slim))
    (folder / names.OUTCOMES).write_bytes(replace(outcomes, corruptions=all_stand).to_bytes())


def change_result(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Return a forger who changes the certificate's result, digests it anew and judges it anew."""

    def forge(folder: Path) -> None:
        edit(folder, names.CERTIFICATE, lambda value: change(value["result"]))
        certificate = read_evidence([folder]).certificate
        assert certificate is not None
        edit(folder, names.CERTIFICATE, lambda value: value.update(result_sha256=digest_of_result(certificate.result)))
        judge_again(folder)

    return forge


def change_threat(**values: Any) -> Callable[[Path], None]:
    return change_result(lambda result: result["threats"][0].update(values))


def more_steps(result: Any) -> None:
    result["threats"][0]["attacks"][1]["settings"]["num_steps"] = 1000


def more_steps_with_digest(result: Any) -> None:
    more_steps(result)
    threat = result["threats"][0]
    attacks = tuple(Assault(name=each["name"], settings=each["settings"]) for each in threat["attacks"])
    threat["battery_sha256"] = digest_of_attacks(attacks, parse_threat(THREAT))


def another_first(result: Any) -> None:
    transfer = {"name": "transfer", "settings": {"source": "d4" * 32}, "num_attempted": 50, "num_broken": 0}
    result["threats"][0]["attacks"].insert(0, transfer)


def change_parity(**values: Any) -> Callable[[Path], None]:
    def forge(folder: Path) -> None:
        edit(folder, names.PARITY, lambda value: value.update(values))
        judge_again(folder)

    return forge


def add_record(name: str, copy: str, **values: Any) -> Callable[[Path], None]:
    """Return a forger who slips in one record more, in whose light nobody judged."""

    def forge(folder: Path) -> None:
        value = json.loads((folder / name).read_bytes()) | values
        (folder / copy).write_text(json.dumps(value, indent=2) + "\n")

    return forge


def call_it(battery: str) -> Callable[[Any], None]:
    """Return a forger of the battery's name who writes the claim anew as well."""

    def change(result: Any) -> None:
        result["claim"] = result["claim"].replace("the battery quick is", f"the battery {battery} is")
        assert f"battery {battery}" in result["claim"]
        result["threats"][0]["battery"] = battery

    return change


def date_back(folder: Path) -> None:
    """Judge as if it had been before the records were made, when a waiver still counted."""
    policy = parse_policy((folder / names.POLICY).read_bytes(), "policy.toml")
    verdict = judge(policy, read_evidence([folder]), now="2025-06-01T00:00:00+00:00")
    (folder / names.VERDICT).write_bytes(dump(verdict))
    (folder / names.ATTESTATION).write_bytes(attestation(verdict, model_sha256=sha256_of_file(folder / names.MODEL)))


FORGERIES: list[tuple[Callable[[Path], None], set[str]]] = [
    (raise_robustness, {"certificate", "outcomes", "claim", "verdict"}),
    (raise_robustness_with_digest, {"outcomes", "claim", "verdict"}),
    (raise_robustness_and_judge, {"outcomes", "claim"}),
    (count_wrong_as_robust, {"outcomes", "adversarial"}),
    (raise_corruptions_and_judge, {"outcomes", "claim"}),
    (count_wrong_as_right_in_every_place, {"outcomes"}),
    (swap_model, {"one model", "export", "parity", "replay", "attestation", "verdict"}),
    (swap_model_and_records, {"one model", "export", "parity", "replay"}),
    (slip_in_trigger(), {"export"}),
    (slip_in_trigger(precision="int8"), {"export", "one model"}),
    (slip_in_trigger(torch_version="2.13.0"), {"export"}),
    (slip_in_trigger(tool_version="0.0.9"), {"export"}),
    (date_back, {"verdict"}),
    (change_result(lambda result: result["artefact"].update(precision="int8")), {"one model", "claim"}),
    (lambda folder: (folder / names.TRIALS).write_text("{}"), {"certificate"}),
    (rewrite(names.POLICY, "0.3", "0.01"), {"verdict"}),
    (rewrite(names.VERDICT, '"passed"', '"failed"'), {"verdict", "attestation"}),
    (rewrite(names.PARITY, '"passed"', '"failed"'), {"parity", "verdict"}),
    (rewrite(names.PLAN, '"filters": ', '"filters": 1'), {"plan"}),
    (rewrite(names.LABELS, "3\n", "8\n"), {"labels"}),
    (rewrite(names.ATTESTATION, '"PASSED"', '"FAILED"'), {"attestation"}),
    (rewrite(names.REPLAY_SCRIPT, "def sha256", "print()\n\n\ndef sha256"), {"script"}),
    (rewrite(names.LATENCY, '"artefact_sha256": "', '"artefact_sha256": "f'), {"one model", "verdict"}),
    (lambda folder: (folder / names.CERTIFICATE).write_text("{}"), {"certificate", "outcomes", "one model", "verdict",
     "checkpoint", "labels", "battery", "claim"}),
    (lambda folder: (folder / names.OUTCOMES).write_bytes(b"PK"), {"outcomes", "adversarial"}),
    (lambda folder: (folder / names.MODEL).write_bytes(b"nothing"), {"one model", "checkpoint", "export", "parity",
     "replay", "labels", "attestation", "verdict", "adversarial"}),
    (lambda folder: (folder / names.OUTCOMES).unlink(), {"digests"}),
    (change_threat(battery="full"), {"battery", "claim"}),
    (change_result(call_it("full")), {"battery"}),
    (change_threat(battery_sha256="b2" * 32), {"battery"}),
    (change_result(more_steps), {"battery"}),
    (change_result(more_steps_with_digest), {"battery"}),
    (change_result(another_first), {"battery", "outcomes"}),
    (change_threat(confidence=0.99), {"battery"}),
    (change_threat(interval_method="confidence-sequence"), {"battery"}),
    (change_threat(decided_after=7), {"battery"}),
    (change_threat(proved_accuracy=0.9), {"outcomes"}),
    (change_threat(audit={"num_audited": 20, "num_broken": 0, "interval": [0.0, 0.01]}), {"battery", "claim"}),
    (change_threat(audit={"num_audited": 0, "num_broken": 0, "interval": [0.0, 0.01]}), {"battery", "claim"}),
    (change_result(lambda result: result.update(claim="This model is proved robust.")), {"claim"}),
    (add_record(names.PARITY, "parity-cuda.json", provider="cuda"), {"verdict"}),
    (add_record(names.PARITY, "parity-cuda.json", provider="cuda", decision="failed"), {"verdict", "parity"}),
    (add_record(names.LATENCY, "latency-cpu-b8-t1.json", created="2026-01-01T00:00:00+00:00"), {"verdict"}),
    (change_parity(max_rel=0.5), {"parity"}),
    (change_parity(agreement=1.5), {"parity"}),
    (change_parity(accuracy_torch=0.0, accuracy_onnx=1.0), {"parity"}),
]  # fmt: skip
