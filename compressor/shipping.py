"""The station where a model becomes a file: written, compared with torch, and kept apart where the two disagree."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from compressor.bundle import names, write_bundle
from compressor.data import Data, ImageSet
from compressor.errors import ExportError, Rejected
from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.export.record import Parity
from compressor.files import sha256_of_bytes
from compressor.load import Checkpoint, slim_bytes
from compressor.progress import SILENT, Progress
from compressor.records import dump
from compressor.runtime.mobile import to_ort
from compressor.types import Decision, Precision

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
        **{names.parity_name(parity.provider): dump(parity) for parity in shipped.parities},
    }
    if shipped.ort is not None:
        contents[names.MODEL_ORT] = shipped.ort
    return write_bundle(exports, name, contents, rejected=not shipped.agrees, force=force)


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
