"""From the records of a release to the files of its bundle."""

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from compressor.bench.record import Latency
from compressor.bundle import names
from compressor.bundle.names import folder_name
from compressor.bundle.replay_images import Adversarial, read_replay, replay_bytes
from compressor.bundle.replay_script import replay_script
from compressor.certify.certificate import Certificate
from compressor.certify.outcomes import Outcomes
from compressor.data import ImageSet
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes
from compressor.finetune import History
from compressor.gate.verdict import Verdict
from compressor.load import Checkpoint
from compressor.prune import Plan
from compressor.records import dump
from compressor.report import (
    InputFacts,
    LayerWidth,
    ModelSize,
    Summary,
    attestation,
    html_page,
    model_card,
    sbom,
    summarise,
)
from compressor.report.pictures import samples
from compressor.report.stored import history_facts, search_facts
from compressor.runtime.session import open_session

NUM_PROBES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything that a release found out, and the two model files it is about."""

    name: str
    dense: Checkpoint
    dense_size: ModelSize
    slim: Checkpoint
    onnx: bytes
    slim_file: bytes
    ort: bytes | None
    """The same graph for mobile runtimes, where that was asked for."""
    plan: Plan
    history: History | None
    parities: tuple[Parity, ...]
    """On the CPU, and then on the provider that the file is meant for."""
    certificate: Certificate
    outcomes: Outcomes
    control: Certificate | None
    control_history: History | None
    latency: tuple[Latency, ...]
    """One per configuration that was timed; at least one."""
    policy: bytes
    verdict: Verdict
    probes: ImageSet
    """Test images, of which a few travel along."""
    commands: tuple[str, ...]
    """What was typed to make this."""
    trials: bytes | None = None
    """Content of trials.json, where the model was searched for."""


def summary_of(records: Records, replay: bytes) -> Summary:
    """Gather what every report is written from.

    Args:
        records: everything that was found out.
        replay: the content of `replay.npz`.
    """
    channels, height, width = records.slim.input_shape
    preprocess = records.slim.preprocess
    return summarise(
        name=records.name,
        created=records.verdict.created,
        certificate=records.certificate,
        parity=records.parities[0],
        latency=records.latency[0],
        verdict=records.verdict,
        dense=records.dense_size,
        control=records.control,
        layers=layer_widths(records.dense.model, records.slim.model),
        epochs=history_facts(dump(records.history)).points if records.history else (),
        search=search_facts(records.trials) if records.trials else None,
        samples=samples(read_replay(replay), [each.label for each in records.certificate.result.per_class]),
        commands=(*records.commands, f"compress verify {folder_name(records.name, records.onnx)}"),
        image=InputFacts(
            channels=channels,
            height=height,
            width=width,
            resize=preprocess.resize if preprocess else None,
            interp=preprocess.interp if preprocess else "bilinear",
            kind=open_session(records.onnx).input_type,
        ),
    )


def bundle_files(records: Records, summary: Summary, replay: bytes) -> dict[str, bytes]:
    """Return the content of every file of the bundle but `SHA256SUMS`.

    Args:
        records: everything that was found out.
        summary: what the reports are written from.
        replay: the content of `replay.npz`.
    """
    labels = records.slim.labels or tuple(str(index) for index in range(records.slim.num_classes))
    contents = {
        names.MODEL: records.onnx,
        names.CHECKPOINT: records.slim_file,
        names.MODEL_ORT: records.ort,
        names.PLAN: dump(replace(records.plan, widths=_widths(summary.layers))),
        names.HISTORY: dump(records.history) if records.history else None,
        names.CERTIFICATE: dump(records.certificate),
        names.OUTCOMES: records.outcomes.to_bytes(),
        names.CONTROL: dump(records.control) if records.control else None,
        names.CONTROL_HISTORY: dump(records.control_history) if records.control_history else None,
        names.TRIALS: records.trials,
        names.POLICY: records.policy,
        names.VERDICT: dump(records.verdict),
        names.LABELS: "".join(f"{label}\n" for label in labels).encode(),
        names.CARD: model_card(summary),
        names.REPORT: html_page(summary),
        names.ATTESTATION: attestation(records.verdict, model_sha256=sha256_of_bytes(records.onnx)),
        names.SBOM: sbom(summary),
        names.REPLAY: replay,
        names.REPLAY_SCRIPT: replay_script(),
    }
    contents |= {names.parity_name(each.provider): dump(each) for each in records.parities}
    contents |= {_latency_name(place, each): dump(each) for place, each in enumerate(records.latency)}
    return {name: content for name, content in contents.items() if content is not None}


def _latency_name(place: int, latency: Latency) -> str:
    """Return `latency.json` for the first configuration, and a name that says which for every other one."""
    row = latency.rows[0]
    return names.LATENCY if place == 0 else f"latency-{row.provider}-b{row.batch}-t{row.threads}.json"


def layer_widths(dense: nn.Module, slim: nn.Module) -> tuple[LayerWidth, ...]:
    """Return the filters of every convolution and linear layer, before and after; 0 where its block left."""
    after = dict(slim.named_modules())
    return tuple(
        LayerWidth(name=name, before=_width(module), after=_width(after[name]) if name in after else 0)
        for name, module in dense.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    )


def _width(module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    return module.out_features if isinstance(module, nn.Linear) else 0


def _widths(layers: tuple[LayerWidth, ...]) -> dict[str, tuple[int, int]]:
    return {layer.name: (layer.before, layer.after) for layer in layers}


def replay_of(records: Records) -> bytes:
    """Return `replay.npz`: the images that travel along, with the answers that the shipped file gave here."""
    probes = range(min(NUM_PROBES, len(records.probes)))
    replayed = records.outcomes.replay
    threats = list(dict.fromkeys(replayed.threats))
    adversarial = []
    for threat in threats:
        rows = np.array([each == threat for each in replayed.threats])
        adversarial.append(
            Adversarial(
                threat=threat,
                images=replayed.images[rows],
                labels=replayed.labels[rows],
                clean=replayed.clean[rows],
            )
        )
    return replay_bytes(
        records.probes.read(probes).numpy(),
        np.asarray(records.probes.labels[: len(probes)]),
        adversarial,
        answer=open_session(records.onnx).answer,
        artefact_sha256=sha256_of_bytes(records.onnx),
    )
