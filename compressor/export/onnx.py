"""One self-contained `model.onnx`: weights and normalisation inside, and the same bytes wherever it is made.

The exporter leaves source paths, stack traces and its own notes on every node (measured: 62 kB on resnet18). They are
removed: they would tell where the file was built, and would make its digest depend on it.
"""

import copy
import json
from typing import Any

import numpy as np
import torch
from torch import nn

from compressor.errors import CompressorError, ExportError, OptionError
from compressor.export.fusible import half_comes_last
from compressor.load.checkpoint import Checkpoint
from compressor.records import tool_version
from compressor.runtime.machine import installed_version
from compressor.runtime.quiet import quiet
from compressor.runtime.session import Session, open_session

OPSETS = (18, 19, 20)
"""What the exporter writes. It raises a lower request to 18 with a log line only (measured), so we refuse it."""

MAX_BYTES = 2**31 - 1
"""A protobuf message cannot be larger, and we ship one file."""

EXAMPLE_BATCH = 2
"""Not 1, which tracing may take for a constant."""

PROBED_BATCHES = (1, 3, 8)
"""Batch sizes that a dynamic file must really answer before it leaves this function."""

DYNAMIC = "dynamic"
CHECKPOINT_KEY = "checkpoint_sha256"
"""The note by which the file names the slim checkpoint that it was made from."""

INPUT, OUTPUT, BATCH = "images", "logits", "batch"


def export_onnx(
    checkpoint: Checkpoint,
    *,
    opset: int = 18,
    export_batch: str | int = DYNAMIC,
    checkpoint_sha256: str | None = None,
) -> bytes:
    """Write a checkpoint as ONNX: `images` float32 in [0, 1] to `logits` float32.

    The checkpoint's model is not touched. Equal checkpoints give equal bytes in any folder, process and run with the
    same versions of torch, onnxscript and compress.

    Args:
        checkpoint: what to export; its normalisation becomes part of the file.
        opset: 18, 19 or 20.
        export_batch: `dynamic`, or the one batch size the file shall take.
        checkpoint_sha256: digest of the slim checkpoint file, noted in the ONNX file; None: `checkpoint.sha256`.

    Returns:
        The file: batch sizes verified by running them, metadata inside, no path and no time in it.

    Raises:
        OptionError: a batch size that is none.
        LoadError: the checkpoint has no preprocessing.
        ExportError: an opset that the exporter does not write, or a model that it cannot, with its first reason.
    """
    batch = _read_batch(export_batch)
    if opset not in OPSETS:
        raise ExportError(
            f"opset {opset} cannot be written; the lowest is {OPSETS[0]}, the highest {OPSETS[-1]}",
            advice=f"use --opset {OPSETS[0]}",
        )
    _check_size(num_weight_bytes(checkpoint))
    model = _traced(_own_copy(checkpoint.classifier()), checkpoint.input_shape, opset=opset, batch=batch)
    _strip(model.graph)
    half_comes_last(model.graph)
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    notes = _notes(checkpoint, opset=opset, batch=batch, checkpoint_sha256=checkpoint_sha256 or checkpoint.sha256)
    for key, value in sorted(notes.items()):
        model.metadata_props.add(key=key, value=value)
    _check_size(model.ByteSize())
    content = bytes(model.SerializeToString(deterministic=True))
    _verify(model, content, checkpoint, opset=opset, batch=batch)
    return content


def fits_one_file(checkpoint: Checkpoint) -> bool:
    """Say whether the weights of a checkpoint fit one ONNX file. Nothing is copied or traced to find out."""
    return num_weight_bytes(checkpoint) <= MAX_BYTES


def num_weight_bytes(checkpoint: Checkpoint) -> int:
    """Return the size of all parameters and buffers in bytes."""
    return sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values() if isinstance(tensor, torch.Tensor))


def _read_batch(export_batch: str | int) -> int | None:
    """Return the one batch size, or None for a dynamic one."""
    if export_batch == DYNAMIC:
        return None
    if str(export_batch).isdecimal() and int(export_batch) >= 1:
        return int(export_batch)
    raise OptionError(f"--export-batch {export_batch!r} is neither {DYNAMIC} nor a number", advice="use dynamic, or 1")


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ExportError(
            f"the model needs {num_bytes / 2**30:.1f} GiB, and one ONNX file holds at most 2 GiB",
            advice="prune it further: a bundle ships one self-contained file",
        )


def _own_copy(classifier: nn.Module) -> nn.Module:
    """Return a copy in eval mode on the CPU, so that exporting changes nothing of the caller's."""
    try:
        mine = copy.deepcopy(classifier)
    except (RuntimeError, TypeError) as error:
        raise ExportError(
            f"the model cannot be copied: {_first_line(error)}", advice="detach tensors that modules hold as attributes"
        ) from error
    return mine.to(device="cpu", dtype=torch.float32).eval().requires_grad_(requires_grad=False)


def _traced(classifier: nn.Module, shape: tuple[int, int, int], *, opset: int, batch: int | None) -> Any:
    """Run torch's exporter and return its `onnx.ModelProto`."""
    example = torch.zeros(batch or EXAMPLE_BATCH, *shape)
    failure: Exception | None = None
    with quiet():
        try:
            program = torch.onnx.export(
                classifier,
                (example,),
                dynamo=True,
                optimize=True,
                external_data=False,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=None if batch else ({0: torch.export.Dim(BATCH)},),
                verbose=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever a traced model and the exporter can raise
            failure = error
    if failure is not None or program is None:
        raise ExportError(
            f"torch cannot export this model: {_first_line(_root(failure))}",
            advice="replace the operation it names by one that torch.export can trace",
        ) from failure
    return program.model_proto


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


def _notes(checkpoint: Checkpoint, *, opset: int, batch: int | None, checkpoint_sha256: str) -> dict[str, str]:
    """Return what the file says about itself. Nothing here may depend on time or place."""
    return {
        "architecture": checkpoint.architecture,
        "batch": str(batch or DYNAMIC),
        CHECKPOINT_KEY: checkpoint_sha256,
        "input_layout": "NCHW",
        "input_range": "[0, 1]",
        "input_shape": json.dumps(list(checkpoint.input_shape)),
        "input_type": "float32",
        "labels": json.dumps(list(checkpoint.labels or ())),
        "onnx_version": installed_version("onnx") or "",
        "onnxscript_version": installed_version("onnxscript") or "",
        "opset": str(opset),
        "precision": "fp32",
        "preprocess": checkpoint.preprocess.text() if checkpoint.preprocess else "none",
        "tool": "compress",
        "tool_version": tool_version(),
        "torch_version": str(torch.__version__),
    }


def _verify(model: Any, content: bytes, checkpoint: Checkpoint, *, opset: int, batch: int | None) -> None:
    """Read back what was asked for: opset, batch, valid graph, one file, and that it runs."""
    import onnx

    written = {entry.domain: entry.version for entry in model.opset_import}
    if written.get("") != opset:
        raise ExportError(
            f"asked for opset {opset}, the exporter wrote {written.get('')}", advice="use another --opset"
        )
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain})
    if foreign:
        raise ExportError(
            f"the model needs operators outside the ONNX standard: {', '.join(foreign)}",
            advice="replace what they came from: a bundle must run in any onnxruntime",
        )
    if any(value.external_data for value in model.graph.initializer):
        raise ExportError("the exporter kept weights outside the file", advice="use torch 2.11 or newer")
    sizes = [value.type.tensor_type.shape.dim[0] for value in (*model.graph.input, *model.graph.output)]
    wanted = str(batch or BATCH)
    found = [size.dim_param or str(size.dim_value) for size in sizes]
    if found != [wanted, wanted]:
        raise ExportError(
            f"the batch size should be {wanted} at input and output, but tracing fixed it: {' and '.join(found)}",
            advice="look for .view or .reshape with a constant batch size in forward, or use --export-batch 1",
        )
    with quiet():
        try:
            onnx.checker.check_model(content, full_check=True)
            reason = None
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
            reason = _first_line(error)
    if reason:
        raise ExportError(f"the exporter wrote an invalid file: {reason}", advice="use another --opset")
    _run(open_session(content), checkpoint, batches=(batch,) if batch else PROBED_BATCHES)


def _run(session: Session, checkpoint: Checkpoint, *, batches: tuple[int, ...]) -> None:
    """Answer each batch size once: a shape in the file is a promise, an answer is a fact."""
    for size in batches:
        try:
            logits = session.run(np.zeros((size, *checkpoint.input_shape), dtype=np.float32))
        except CompressorError as error:
            raise ExportError(f"the file does not run: {error.message}", advice="use --export-batch 1") from error
        if logits.shape != (size, checkpoint.num_classes):
            raise ExportError(
                f"the file answers {logits.shape} to {size} images; ({size}, {checkpoint.num_classes}) was expected",
                advice="check --num-classes",
            )


def _root(error: BaseException | None) -> BaseException | None:
    """Return the first cause: the exporter wraps it in pages of advice."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(error: BaseException | None) -> str:
    text = str(error) if error is not None else "no reason given"
    line = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return line.encode("ascii", "replace").decode()[:300]
