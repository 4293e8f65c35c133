"""The stations of the route one at a time, each with what it needs from its neighbours."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from compressor.bench.latency import bench
from compressor.bench.record import Latency, NotMeasured
from compressor.certify.certificate import Certificate
from compressor.certify.certify import certify
from compressor.certify.outcomes import Outcomes
from compressor.data import Data, duplicates_with, open_data, stratified
from compressor.errors import DataError
from compressor.finetune import History, Recipe, finetune
from compressor.load import Checkpoint, load
from compressor.load.plausible import check_labels, check_plausible, take_class_names
from compressor.progress import SILENT, Progress
from compressor.prune import count_cost
from compressor.task import HERE, Place, Proof, Timing
from compressor.types import Skipped


def open_model(source: Path | nn.Module, *, progress: Progress = SILENT, **how: Any) -> Checkpoint:
    """Load a checkpoint and tell what was recognised.

    Args:
        source: a checkpoint file, or a module in memory.
        progress: listener.
        **how: passed on to `load` (arch, preprocess, input_size, num_classes, labels, trust_pickle).

    Raises:
        LoadError: the checkpoint cannot be loaded.
    """
    checkpoint = load(source, **how)
    for note in checkpoint.notes:
        progress.say(note)
    return checkpoint


def fit(
    checkpoint: Checkpoint,
    data: str,
    *,
    expect_accuracy: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> tuple[Checkpoint, Data]:
    """Open the data of a loaded checkpoint, and take from it what the file does not say.

    The model as delivered must answer better than chance; one that was pruned or tuned here was checked before.

    Raises:
        LoadError: the checkpoint has no preprocessing.
        DataError: the images cannot be used, or the model is near chance on them.
    """
    checkpoint.classifier()  # raises where no preprocessing is known, before any image is read
    images = open_data(
        data,
        preprocess=checkpoint.preprocess,
        input_size=checkpoint.input_shape[1:] if checkpoint.input_known else None,
        channels=checkpoint.input_shape[0],
        seed=seed,
        cache=cache,
        progress=progress,
    )
    for note in images.notes:
        progress.say(note)
    present = images.test or images.train
    if present is not None and not checkpoint.input_known:
        checkpoint = replace(checkpoint, input_shape=present.shape, input_known=True)
    checkpoint, notes = take_class_names(checkpoint, images)
    for note in notes:
        progress.say(note)
    check_labels(checkpoint, images)
    probes = images.select or images.test
    if probes is not None and not checkpoint.history:
        accuracy = check_plausible(checkpoint, probes, expect_accuracy=expect_accuracy, seed=seed, device=device)
        progress.say(f"as delivered, the model answers {accuracy:.1%} of a sample of {probes.role} images right")
    return checkpoint, images


def tune(
    checkpoint: Checkpoint,
    data: Data,
    recipe: Recipe,
    *,
    teacher: Checkpoint | None = None,
    place: Place = HERE,
    admit: Callable[[str], None] | None = None,
    progress: Progress = SILENT,
) -> tuple[Checkpoint, History]:
    """Fine-tune on the train role and keep the best epoch by the select role.

    Args:
        checkpoint: what is tuned.
        data: with training and select images.
        recipe: how.
        teacher: the dense model.
        place: where state is kept, and the processes that share the work.
        admit: told the digest of all that decides the outcome before any training; may raise.
        progress: listener.
    """
    return finetune(
        checkpoint,
        data,
        recipe,
        teacher=teacher,
        device=place.device,
        state=place.state("finetune"),
        crew=place.crew,
        admit=admit,
        progress=progress,
    )


def prove(
    checkpoint: Checkpoint,
    data: Data,
    *,
    proof: Proof,
    artefact: bytes | None = None,
    baseline: Checkpoint | None = None,
    seed: int = 0,
    place: Place = HERE,
    title: str = "slim",
    progress: Progress = SILENT,
) -> tuple[Certificate, Outcomes]:
    """Run the battery on a seeded, stratified sample of the test role.

    Raises:
        DataError: there are no test images.
        CertifyError: the battery cannot run on this model.
    """
    if data.test is None:
        raise DataError(f"{data.spec} has no test images", advice="certify needs a test split: see --data in --help")
    images = stratified(data.test, proof.num_images, seed=seed)
    cost = count_cost(checkpoint.model, checkpoint.input_shape)
    baseline_macs = 0 if baseline is None else count_cost(baseline.model, baseline.input_shape).macs
    return certify(
        checkpoint,
        images,
        threats=proof.threats,
        battery=proof.battery,
        artefact=artefact,
        baseline=baseline,
        data_spec=data.spec,
        duplicates=duplicates_with(images, data.train),
        audit=proof.audit,
        demands=proof.demands,
        corruptions=proof.corruptions,
        corruptions_from=proof.corruptions_from,
        prove=proof.prove,
        searched=proof.searched,
        seed=seed,
        device=place.device,
        batch_size=place.batch_size,
        state=place.state("certify"),
        crew=place.crew,
        params=cost.params,
        macs=cost.macs,
        baseline_macs=baseline_macs,
        title=title,
        progress=progress,
    )


def measure(
    onnx: bytes, *, against: bytes | Skipped | None = None, timing: Timing | None = None, progress: Progress = SILENT
) -> Latency:
    """Time one ONNX file, in turns with another when one is given; what hinders that is noted in the record.

    Raises:
        MachineError: the provider did not load here.
    """
    timing = timing or Timing()
    hindered = [NotMeasured(what="against", reason=against.reason)] if isinstance(against, Skipped) else []
    return bench(
        onnx,
        against=None if isinstance(against, Skipped) else against,
        not_measured=hindered,
        provider=timing.provider,
        batches=timing.batches,
        threads=timing.threads,
        num_runs=timing.num_runs,
        cuda_graphs=timing.cuda_graphs,
        progress=progress,
    )
