"""What a file must prove before it leaves: a shape in it is a promise, an answer is a fact."""

from typing import Any

import numpy as np

from compressor.errors import CompressorError, ExportError
from compressor.export.form import Form
from compressor.export.tracing import BATCH, reason_of
from compressor.load.checkpoint import Checkpoint
from compressor.runtime.quiet import quiet
from compressor.runtime.session import open_session

PROBED_BATCHES = (1, 3, 8)
"""Batch sizes that a dynamic file must really answer."""


def check_file(model: Any, content: bytes, checkpoint: Checkpoint, form: Form) -> None:
    """Read back what was asked for: operator set, batch, a valid graph, one file, and that it runs.

    Args:
        model: the `onnx.ModelProto`.
        content: the same, serialised.
        checkpoint: what it was made from.
        form: what was asked for.

    Raises:
        ExportError: something does not hold.
    """
    _check_opset(model, form)
    if any(value.external_data for value in model.graph.initializer):
        raise ExportError("the exporter kept weights outside the file", advice="use torch 2.11 or newer")
    sizes = [value.type.tensor_type.shape.dim[0] for value in (*model.graph.input, *model.graph.output)]
    wanted = str(form.fixed_batch or BATCH)
    found = [size.dim_param or str(size.dim_value) for size in sizes]
    if found != [wanted, wanted]:
        raise ExportError(
            f"the batch size should be {wanted} at input and output, but tracing fixed it: {' and '.join(found)}",
            advice="look for .view or .reshape with a constant batch size in forward, or use --export-batch 1",
        )
    _check_graph(content)
    _check_answers(content, checkpoint, form)


def _check_opset(model: Any, form: Form) -> None:
    written = {entry.domain: entry.version for entry in model.opset_import}
    if written.get("") != form.opset:
        raise ExportError(
            f"asked for opset {form.opset}, the exporter wrote {written.get('')}", advice="use another --opset"
        )
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain})
    if foreign:
        raise ExportError(
            f"the model needs operators outside the ONNX standard: {', '.join(foreign)}",
            advice="replace what they came from: a bundle must run in any onnxruntime",
        )


def _check_graph(content: bytes) -> None:
    import onnx

    with quiet():
        try:
            onnx.checker.check_model(content, full_check=True)
            reason = None
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
            reason = reason_of(error)
    if reason:
        raise ExportError(f"the exporter wrote an invalid file: {reason}", advice="use another --opset")


def _check_answers(content: bytes, checkpoint: Checkpoint, form: Form) -> None:
    session = open_session(content)
    for size in (form.fixed_batch,) if form.fixed_batch else PROBED_BATCHES:
        try:
            logits = session.answer(np.zeros((size, *checkpoint.input_shape), dtype=np.float32))
        except CompressorError as error:
            raise ExportError(f"the file does not run: {error.message}", advice="use --export-batch 1") from error
        if logits.shape != (size, checkpoint.num_classes):
            raise ExportError(
                f"the file answers {logits.shape} to {size} images; ({size}, {checkpoint.num_classes}) was expected",
                advice="check --num-classes",
            )
