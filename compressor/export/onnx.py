"""One self-contained `model.onnx`: weights and normalisation inside, and the same bytes wherever it is made.

The exporter leaves source paths, stack traces and its own notes on every node (measured: 62 kB on resnet18). They are
removed: they would tell where the file was built, and would make its digest depend on it.
"""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from compressor.errors import ExportError
from compressor.export.checks import check_file
from compressor.export.form import DYNAMIC, PLAIN, Form
from compressor.export.fusible import half_comes_last
from compressor.export.tracing import EXAMPLE_BATCH, own_copy, traced
from compressor.load.checkpoint import Checkpoint
from compressor.records import tool_version
from compressor.runtime.machine import installed_version
from compressor.runtime.rounding import to_fp16, to_int8
from compressor.types import InputForm, Precision

MAX_BYTES = 2**31 - 1
"""A protobuf message cannot be larger, and we ship one file."""

CHECKPOINT_KEY = "checkpoint_sha256"
"""The note by which the file names the slim checkpoint that it was made from."""

Array = npt.NDArray[np.float32]


class FromBytes(nn.Module):
    """A classifier behind the step from raw frames to images: uint8 (N, H, W, C) to float32 in [0, 1] (N, C, H, W)."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, frames: Tensor) -> Tensor:
        """Answer raw frames with logits (N, K)."""
        logits: Tensor = self.classifier(frames.permute(0, 3, 1, 2).to(torch.float32) / 255)
        return logits


def export_onnx(
    checkpoint: Checkpoint,
    form: Form = PLAIN,
    *,
    calibration: Array | None = None,
    checkpoint_sha256: str | None = None,
) -> bytes:
    """Write a checkpoint as ONNX: `images` to `logits` float32.

    The checkpoint's model is not touched. Equal checkpoints, forms and calibration images give equal bytes in any
    folder, process and run with the same versions of torch, onnxscript, onnxruntime and compress.

    Args:
        checkpoint: what to export; its normalisation becomes part of the file.
        form: how: operator set, batch, precision, and what the file takes.
        calibration: (N, C, H, W) float32 in [0, 1], N >= 1, whose activations give int8 its ranges; needed by int8 and
            used by nothing else. Never test images.
        checkpoint_sha256: digest of the slim checkpoint file, noted in the ONNX file; None: `checkpoint.sha256`.

    Returns:
        The file: batch sizes verified by running them, metadata inside, no path and no time in it.

    Raises:
        LoadError: the checkpoint has no preprocessing.
        ExportError: a model that the exporter cannot write, with its first reason; int8 without calibration images.
    """
    _check_size(num_weight_bytes(checkpoint))
    model = _traced(checkpoint, form)
    half_comes_last(model.graph)
    model = _rounded(model, form, calibration)
    _strip(model.graph)
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    notes = _notes(checkpoint, form, checkpoint_sha256=checkpoint_sha256 or checkpoint.sha256)
    for key, value in sorted(notes.items()):
        model.metadata_props.add(key=key, value=value)
    _check_size(model.ByteSize())
    content = bytes(model.SerializeToString(deterministic=True))
    check_file(model, content, checkpoint, form)
    return content


def fits_one_file(checkpoint: Checkpoint) -> bool:
    """Say whether the weights of a checkpoint fit one ONNX file. Nothing is copied or traced to find out."""
    return num_weight_bytes(checkpoint) <= MAX_BYTES


def num_weight_bytes(checkpoint: Checkpoint) -> int:
    """Return the size of all parameters and buffers in bytes."""
    return sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values() if isinstance(tensor, torch.Tensor))


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ExportError(
            f"the model needs {num_bytes / 2**30:.1f} GiB, and one ONNX file holds at most 2 GiB",
            advice="prune it further: a bundle ships one self-contained file",
        )


def _traced(checkpoint: Checkpoint, form: Form) -> Any:
    """Return the float32 `onnx.ModelProto`, which takes what the form says."""
    classifier = own_copy(checkpoint.classifier())
    channels, height, width = checkpoint.input_shape
    num = form.fixed_batch or EXAMPLE_BATCH
    if form.input_form is InputForm.UINT8_NHWC:
        frames = torch.zeros(num, height, width, channels, dtype=torch.uint8)
        return traced(FromBytes(classifier).eval(), frames, form)
    return traced(classifier, torch.zeros(num, channels, height, width), form)


def _rounded(model: Any, form: Form, calibration: Array | None) -> Any:
    """Return the model in the precision that was asked for."""
    if form.precision is Precision.FP16:
        return to_fp16(model)
    if form.precision is Precision.INT8:
        if calibration is None or len(calibration) == 0:
            raise ExportError(
                "int8 takes its ranges from images, and there are none to calibrate on",
                advice="add --data with training images, of which the select role is used; or use --precision fp16",
            )
        return to_int8(model, calibration, input_form=form.input_form, batch=form.fixed_batch)
    return model


def _strip(graph: Any) -> None:
    """Remove documentation and exporter's notes from a graph and all in it, nested graphs too."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                _strip(inner)


def _notes(checkpoint: Checkpoint, form: Form, *, checkpoint_sha256: str) -> dict[str, str]:
    """Return what the file says about itself. Nothing here may depend on time or place."""
    takes_bytes = form.input_form is InputForm.UINT8_NHWC
    notes = {
        "architecture": checkpoint.architecture,
        "batch": str(form.fixed_batch or DYNAMIC),
        CHECKPOINT_KEY: checkpoint_sha256,
        "input_layout": "NHWC" if takes_bytes else "NCHW",
        "input_range": "[0, 255]" if takes_bytes else "[0, 1]",
        "input_shape": json.dumps(list(checkpoint.input_shape)),
        "input_type": "uint8" if takes_bytes else "float32",
        "labels": json.dumps(list(checkpoint.labels or ())),
        "onnx_version": installed_version("onnx") or "",
        "onnxscript_version": installed_version("onnxscript") or "",
        "opset": str(form.opset),
        "precision": form.precision.value,
        "preprocess": checkpoint.preprocess.text() if checkpoint.preprocess else "none",
        "tool": "compress",
        "tool_version": tool_version(),
        "torch_version": str(torch.__version__),
    }
    if form.precision is not Precision.FP32:
        notes["onnxruntime_version"] = installed_version("onnxruntime-gpu") or installed_version("onnxruntime") or ""
    return notes
