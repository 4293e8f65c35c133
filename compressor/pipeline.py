"""The route, top to bottom, as one call.

load -> plan -> slim -> fine-tune -> export -> parity -> certify -> bench -> judge -> bundle -> report
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from compressor.asked import admitted, battery_of, timings_of
from compressor.assemble import NUM_PROBES, Records, bundle_files, replay_of, summary_of
from compressor.bundle import write_bundle
from compressor.certify.campaign import in_random_order
from compressor.certify.certificate import Certificate, with_commands
from compressor.data import Data, stratified
from compressor.errors import DataError
from compressor.export.form import Form
from compressor.export.onnx import export_onnx, fits_one_file
from compressor.gate.evidence import evidence_of
from compressor.gate.judge import judge
from compressor.gate.policy import demands_of, threats_of
from compressor.gate.verdict import Verdict
from compressor.load import Checkpoint
from compressor.progress import SILENT, Progress
from compressor.prune import count_cost
from compressor.records import now
from compressor.report import ModelSize, Summary
from compressor.shipping import calibration_of, insist_on_parity, ship, write_export
from compressor.shrink import shrink
from compressor.steps import fit, measure, open_model, prove, tune
from compressor.subject import TOO_LARGE
from compressor.task import Proof, Task
from compressor.types import Decision, Precision, Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a release ends with."""

    bundle: Path
    verdict: Verdict
    summary: Summary


def release(source: Path | nn.Module, task: Task, *, progress: Progress = SILENT) -> Released:
    """Take a checkpoint the whole route: one bundle, passed or rejected.

    Args:
        source: a checkpoint file, or a module in memory.
        task: everything that is asked for.
        progress: listener.

    Raises:
        CompressorError: of the station that could not go on; nothing half-written is left.
    """
    policy = admitted(task)
    policy_bytes, timings = task.policy.read_bytes(), timings_of(task, policy)
    place, seed = task.place, task.seed

    dense, data = fit(
        open_model(source, progress=progress, **task.source),
        task.data,
        expect_accuracy=task.expect_accuracy,
        seed=seed,
        device=place.device,
        cache=place.cache_dir,
        progress=progress,
    )
    if data.test is None:
        raise DataError(f"{data.spec} has no test images", advice="a release is certified on a test split")
    shrunk = shrink(
        dense,
        cut=task.cut,
        data=data,
        recipe=task.recipe,
        form=task.form,
        timing=timings[0],
        seed=seed,
        place=place,
        progress=progress,
    )
    control = control_history = None
    if task.control and shrunk.history is not None:
        control, control_history = tune(dense, data, task.recipe, teacher=dense, place=place, progress=progress)

    name = task.name or name_of(source)
    shipped = ship(
        shrunk.checkpoint,
        images=data.test,
        form=task.form,
        calibration=calibration_of(data, task.form),
        also_ort=task.also_ort,
        provider=timings[0].provider,
        progress=progress,
    )
    if not shipped.agrees:
        kept = write_export(task.output, name, shrunk.checkpoint, shipped, force=task.force)
        insist_on_parity(shipped, kept)
    dense_onnx = _as_delivered(dense, task.form)
    proof = Proof(
        threats=threats_of(policy),
        battery=battery_of(task, policy),
        num_images=task.num_images,
        audit=task.audit,
        corruptions=task.corruptions or policy.corruptions.min is not None,
        corruptions_from=task.corruptions_from,
        prove=task.prove,
    )
    prove_it = partial(prove, data=data, seed=seed, place=place, progress=progress)
    decided = replace(proof, demands=demands_of(policy) if task.decide else None, searched=task.searched)
    certificate, outcomes = prove_it(shrunk.checkpoint, proof=decided, artefact=shipped.onnx, baseline=dense)
    certificate = with_commands(certificate, task.commands)
    reference = None
    if control is not None:
        seen = _looked_at(data, task, certificate)
        reference = with_commands(prove_it(control, data=seen, proof=proof, title="control")[0], task.commands)
    beside = Skipped(reason=TOO_LARGE) if dense_onnx is None else dense_onnx
    latency = tuple(measure(shipped.onnx, against=beside, timing=each, progress=progress) for each in timings)

    evidence = evidence_of(
        certificate=certificate,
        parity=shipped.parity,
        more_parities=shipped.parities[1:],
        latency=latency,
        model=shipped.onnx,
    )
    verdict = judge(policy, evidence, now=now(), accept=task.accept)

    dense_cost = count_cost(dense.model, dense.input_shape)
    records = Records(
        name=name,
        dense=dense,
        dense_size=ModelSize(
            params=dense_cost.params, macs=dense_cost.macs, num_bytes=None if dense_onnx is None else len(dense_onnx)
        ),
        slim=shrunk.checkpoint,
        onnx=shipped.onnx,
        slim_file=shipped.checkpoint,
        plan=shrunk.plan,
        history=shrunk.history,
        parities=shipped.parities,
        ort=shipped.ort,
        certificate=certificate,
        outcomes=outcomes,
        control=reference,
        control_history=control_history,
        latency=latency,
        policy=policy_bytes,
        verdict=verdict,
        probes=stratified(data.test, NUM_PROBES, seed=seed),
        commands=task.commands,
        trials=task.trials,
    )
    replay = replay_of(records)
    summary = summary_of(records, replay)
    bundle = write_bundle(
        task.output,
        records.name,
        bundle_files(records, summary, replay),
        rejected=verdict.decision is not Decision.PASSED,
        force=task.force,
    )
    return Released(bundle=bundle, verdict=verdict, summary=summary)


def _looked_at(data: Data, task: Task, certificate: Certificate) -> Data:
    """Return the data with the test images that the certificate is about, of which deciding early leaves out some."""
    if not task.decide:
        return data
    wanted = in_random_order(stratified(data.need("test"), task.num_images, seed=task.seed), task.seed)
    return replace(data, test=wanted.take(range(certificate.result.data.num_images)))


def _as_delivered(dense: Checkpoint, form: Form) -> bytes | None:
    """Return the file that the slim one is timed beside: float32, as the model was delivered.

    None where no ONNX file can hold it, which is what the slim one is for.
    """
    return export_onnx(dense, replace(form, precision=Precision.FP32)) if fits_one_file(dense) else None


def name_of(source: Path | nn.Module) -> str:
    """Return a bundle's name for a checkpoint: its file name without what a folder's name cannot hold."""
    stem = source.stem if isinstance(source, Path) else type(source).__name__
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", stem).strip("-.") or "model"
