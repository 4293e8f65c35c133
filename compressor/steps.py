"""The stations of the route one at a time, each with what it needs from its neighbours."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from compressor.bench.latency import bench
from compressor.bench.record import Latency, NotMeasured
from compressor.bundle import names, write_bundle
from compressor.certify.certificate import Certificate
from compressor.certify.certify import certify
from compressor.certify.outcomes import Outcomes
from compressor.data import Data, ImageSet, count_duplicates, open_data, stratified
from compressor.errors import DataError, ExportError, Rejected
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes
from compressor.finetune import History, Recipe, finetune
from compressor.load import Checkpoint, load, slim_bytes
from compressor.load.plausible import check_labels, check_plausible, take_class_names
from compressor.progress import SILENT, Progress
from compressor.prune import count_cost
from compressor.records import dump
from compressor.runtime.mobile import to_ort
from compressor.task import HERE, Place, Proof, Timing
from compressor.types import Decision, Precision, Skipped

NUM_CALIBRATION = 256
"""Select images that int8 takes its ranges from, at most."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """One ONNX file and its parity with the torch model."""

    onnx: bytes
    checkpoint: bytes
    """The slim checkpoint file whose digest the ONNX file names."""
    parities: tuple[Parity, ...]
    """On the CPU, and then on the provider that it is meant for."""
    ort: bytes | None = None
    """The same graph for mobile runtimes, where that was asked for."""

    @property
    def parity(self) -> Parity:
        """On the CPU."""
        return self.parities[0]

    @property
    def agrees(self) -> bool:
        """Whether the file answers as the torch model does, wherever it was asked."""
        return all(parity.decision == Decision.PASSED for parity in self.parities)


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


def ship(
    checkpoint: Checkpoint,
    *,
    images: ImageSet | None = None,
    form: Form = PLAIN,
    calibration: Array | None = None,
    also_ort: bool = False,
    provider: str = "cpu",
    progress: Progress = SILENT,
) -> Shipped:
    """Write one ONNX file and compare its answers with the torch model's, on the CPU and on the provider.

    Args:
        checkpoint: the model.
        images: real, labelled images to compare on; None: noise.
        form: how the file is written.
        calibration: from `calibration_of`; int8 needs it.
        also_ort: write the same graph for mobile runtimes, too.
        provider: what the file is meant for.
        progress: listener.

    Raises:
        ExportError: the model cannot be written.
        MachineError: the provider does not load here.
    """
    providers = dict.fromkeys(("cpu", provider))
    with progress.stage("export", total=1 + len(providers), unit="step") as step:
        slim_file = slim_bytes(checkpoint)
        onnx = export_onnx(checkpoint, form, calibration=calibration, checkpoint_sha256=sha256_of_bytes(slim_file))
        step.advance(1, f"{len(onnx):,} bytes")
        parities = []
        for each in providers:
            found = check_parity(checkpoint, onnx, images=images, provider=each, checkpoint_bytes=len(slim_file))
            step.advance(1, f"torch and onnxruntime on {each} differ by at most {found.max_abs:.1e}")
            parities.append(found)
    ort = to_ort(onnx) if also_ort else None
    return Shipped(onnx=onnx, checkpoint=slim_file, parities=tuple(parities), ort=ort)


def calibration_of(data: Data | None, form: Form) -> Array | None:
    """Return the images that int8 takes its ranges from: the select role, evenly spread; None for other precisions.

    Raises:
        ExportError: int8 was asked for, and there are no select images. Test images are never taken.
    """
    if form.precision is not Precision.INT8:
        return None
    if data is None or data.select is None:
        raise ExportError(
            "int8 takes its ranges from select images, and there are none",
            advice="add --data with training images, of which select is a share, or use --precision fp16",
        )
    rows = np.linspace(0, len(data.select) - 1, min(NUM_CALIBRATION, len(data.select))).round().astype(int)
    images: Array = data.select.read(rows.tolist()).numpy()
    return images


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
    return certify(
        checkpoint,
        images,
        threats=proof.threats,
        battery=proof.battery,
        artefact=artefact,
        baseline=baseline,
        data_spec=data.spec,
        duplicates=count_duplicates(images, data.train),
        audit=proof.audit,
        demands=proof.demands,
        corruptions=proof.corruptions,
        corruptions_from=proof.corruptions_from,
        prove=proof.prove,
        seed=seed,
        device=place.device,
        batch_size=place.batch_size,
        state=place.state("certify"),
        crew=place.crew,
        params=cost.params,
        macs=cost.macs,
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


def write_export(exports: Path, name: str, checkpoint: Checkpoint, shipped: Shipped, *, force: bool = False) -> Path:
    """Write what was exported as a folder of its own; nothing in it is certified.

    Raises:
        OutputError: the place cannot be written, or holds something else.
    """
    labels = checkpoint.labels or tuple(str(index) for index in range(checkpoint.num_classes))
    contents = {
        names.MODEL: shipped.onnx,
        names.CHECKPOINT: shipped.checkpoint,
        names.LABELS: "".join(f"{label}\n" for label in labels).encode(),
        **parity_files(shipped),
    }
    if shipped.ort is not None:
        contents[names.MODEL_ORT] = shipped.ort
    return write_bundle(exports, name, contents, rejected=not shipped.agrees, force=force)


def parity_files(shipped: Shipped) -> dict[str, bytes]:
    """Return the parity records by file name: that of the CPU, and one for each other provider."""
    return {names.parity_name(parity.provider): dump(parity) for parity in shipped.parities}


def insist_on_parity(shipped: Shipped, folder: Path) -> None:
    """Refuse a file that does not answer as its torch model does.

    Args:
        shipped: the file.
        folder: where it was kept, for the message.

    Raises:
        Rejected: it does not; nothing is lost.
    """
    for parity in shipped.parities:
        if parity.decision != Decision.PASSED:
            raise Rejected(
                f"the ONNX file does not answer as the torch model on {parity.provider}: {_disagreement(parity)}; kept "
                f"in {folder}",
                advice=_after_disagreement(parity),
            )


def _disagreement(parity: Parity) -> str:
    if parity.max_rel == sys.float_info.max:
        return "it answers NaN or infinity, or not at all"
    return f"logits differ by up to {parity.max_rel:.2g} of the largest, {parity.agreement:.2%} of answers agree"


def _after_disagreement(parity: Parity) -> str:
    if parity.precision == Precision.INT8:
        return "256 levels are too few for this model: use --precision fp16, or fine-tune and calibrate on more images"
    if parity.precision == Precision.FP16:
        return "fp16 is too coarse or too narrow for this model: use --precision fp32"
    return "try another --opset, and report the architecture"
