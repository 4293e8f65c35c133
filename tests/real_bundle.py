"""A small real bundle: a residual network of 2,000 parameters on digits, pruned, exported, certified and judged."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compressor.attacks.threat import parse_threat
from compressor.bench.record import SCHEMA as LATENCY_SCHEMA
from compressor.bench.record import Latency, LatencyRow
from compressor.bundle import names
from compressor.bundle.names import SUMS, format_sums
from compressor.bundle.replay_images import Adversarial, replay_bytes
from compressor.bundle.replay_script import replay_script
from compressor.certify.certificate import Certificate
from compressor.certify.certify import certify
from compressor.certify.outcomes import Outcomes
from compressor.data import ImageSet, open_data, parse_preprocess, stratified
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.files import sha256_of_bytes, sha256_of_file
from compressor.gate import judge, parse_policy
from compressor.gate.evidence import evidence_of
from compressor.load import Checkpoint, build, slim_bytes
from compressor.load.checkpoint import sha256_of_weights
from compressor.prune import Plan, count_cost, plan, slim
from compressor.records import dump, now, tool_version
from compressor.report import InputFacts, ModelSize, attestation, html_page, model_card, sbom, summarise
from compressor.runtime.session import open_session
from compressor.shipping import calibration_of
from compressor.types import Decision

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


def exported(checkpoint: Checkpoint, form: Form = PLAIN, *, checkpoint_sha256: str, calibration: Any = None) -> bytes:
    """Return `export_onnx` of a checkpoint, from memory if it was exported before."""
    key = sha256_of_weights(checkpoint.model.state_dict()) + checkpoint_sha256 + repr(form)
    if key not in EXPORTS:
        EXPORTS[key] = export_onnx(checkpoint, form, calibration=calibration, checkpoint_sha256=checkpoint_sha256)
    return EXPORTS[key]


def make(
    checkpoint: Checkpoint, chosen: Plan, threat: str = THREAT, *, form: Form = PLAIN, battery: str = "quick"
) -> Made:
    """Export a checkpoint in some form, and certify the file."""
    slim_file = slim_bytes(checkpoint)
    data = open_data("digits", preprocess=checkpoint.preprocess)
    onnx = exported(
        checkpoint, form, checkpoint_sha256=sha256_of_bytes(slim_file), calibration=calibration_of(data, form)
    )
    images = stratified(data.need("test"), NUM_IMAGES, seed=0)
    cost = count_cost(checkpoint.model, checkpoint.input_shape)
    certificate, outcomes = certify(
        checkpoint,
        images,
        threats=[parse_threat(threat)],
        battery=battery,
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
        [
            Adversarial(threat=threat, images=shown.images[rows], labels=shown.labels[rows], clean=shown.clean[rows])
            for threat in dict.fromkeys(shown.threats)
            for rows in [[index for index, each in enumerate(shown.threats) if each == threat]]
        ],
        answer=open_session(made.onnx).answer,
        artefact_sha256=sha256,
    )
    summary = summarise(
        name="tiny",
        created=made.certificate.created,
        certificate=made.certificate,
        parity=parity,
        latency=latency,
        verdict=verdict,
        dense=ModelSize(params=3_000, macs=80_000),
        commands=("compress verify .",),
        image=InputFacts(channels=1, height=8, width=8, kind=open_session(made.onnx).input_type),
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
        names.CARD: model_card(summary),
        names.REPORT: html_page(summary),
        names.SBOM: sbom(summary),
        names.ATTESTATION: attestation(verdict, model_sha256=sha256),
        names.REPLAY: replay,
        names.REPLAY_SCRIPT: replay_script(),
    }
    return files, verdict.decision


def fresh_sums(folder: Path) -> None:
    """Write the list of digests anew, as a forger would."""
    listed = [path.name for path in folder.iterdir() if path.name != SUMS]
    (folder / SUMS).write_bytes(format_sums({name: sha256_of_file(folder / name) for name in listed}))


def edit(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads((folder / name).read_bytes())
    change(value)
    (folder / name).write_text(json.dumps(value, indent=2) + "\n")
