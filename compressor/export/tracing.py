"""From a module to an `onnx.ModelProto`, by whichever of torch's two exporters writes the operator set."""

import copy
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compressor.errors import ExportError, first_line
from compressor.export.form import Form
from compressor.runtime.quiet import quiet

INPUT, OUTPUT, BATCH = "images", "logits", "batch"

LOWEST_BY_EXPORT = 18
"""Below, `torch.onnx.export(dynamo=True)` writes 18 all the same."""

EXAMPLE_BATCH = 2
"""Not 1, which tracing may take for a constant."""

UNSUPPORTED = re.compile(r"operator '(?:aten::)?([^']+)' to ONNX opset version \d+ is not supported")
ADDED_IN = re.compile(r"added in version (\d+)")


def own_copy(classifier: nn.Module) -> nn.Module:
    """Return a copy in eval mode on the CPU, so that exporting changes nothing of the caller's.

    Raises:
        ExportError: it holds something that cannot be copied.
    """
    try:
        mine = copy.deepcopy(classifier)
    except (RuntimeError, TypeError) as error:
        raise ExportError(
            f"the model cannot be copied: {reason_of(error)}", advice="detach tensors that modules hold as attributes"
        ) from error
    return mine.to(device="cpu", dtype=torch.float32).eval().requires_grad_(requires_grad=False)


def traced(classifier: nn.Module, example: Tensor, form: Form) -> Any:
    """Run one of torch's exporters.

    Args:
        classifier: from `own_copy`.
        example: (N, ...), what the file shall take; N is `form.fixed_batch` or `EXAMPLE_BATCH`.
        form: operator set and batch.

    Returns:
        An `onnx.ModelProto` from `images` to `logits`.

    Raises:
        ExportError: an operation that cannot be written, with the first reason.
    """
    return (_by_export if form.opset >= LOWEST_BY_EXPORT else _by_script)(classifier, example, form)


def _by_export(classifier: nn.Module, example: Tensor, form: Form) -> Any:
    failure: Exception | None = None
    with quiet():
        try:
            program = torch.onnx.export(
                classifier,
                (example,),
                dynamo=True,
                optimize=True,
                external_data=False,
                opset_version=form.opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=None if form.fixed_batch else ({0: torch.export.Dim(BATCH)},),
                verbose=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever a traced model and the exporter can raise
            failure = error
    if failure is not None or program is None:
        raise _untraceable(failure)
    return program.model_proto


def _by_script(classifier: nn.Module, example: Tensor, form: Form) -> Any:
    """Run the older exporter, which follows one pass and knows operator sets below 18."""
    import onnx

    failure: Exception | None = None
    with quiet(), tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(
                classifier,
                (example,),
                written,
                dynamo=False,
                external_data=False,
                opset_version=form.opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes=None if form.fixed_batch else {INPUT: {0: BATCH}, OUTPUT: {0: BATCH}},
            )
            model = onnx.load(written)
            if form.fixed_batch:  # the exporter makes a name up; that the file answers so is checked later
                model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = form.fixed_batch
        except Exception as error:  # noqa: BLE001 - whatever a traced model and the exporter can raise
            failure = error
    if failure is not None:
        advice = f"use --opset {LOWEST_BY_EXPORT}, which torch writes in another way"
        raise _unknown_to(form.opset, failure) or _untraceable(failure, advice)
    return model


def _unknown_to(opset: int, failure: Exception) -> ExportError | None:
    """Return the error about an operator that this operator set lacks, None where that was not the reason."""
    operator = UNSUPPORTED.search(str(failure))
    if operator is None:
        return None
    lowest = ADDED_IN.search(str(failure))
    return ExportError(
        f"opset {opset} cannot hold this model's operator {operator[1]}"
        + (f"; the lowest that can is {lowest[1]}" if lowest else ""),
        advice=f"use --opset {lowest[1] if lowest else LOWEST_BY_EXPORT}",
    )


def _untraceable(
    failure: Exception | None, advice: str = "replace the operation it names by one that torch.export can trace"
) -> ExportError:
    error = ExportError(
        f"torch cannot export this model: {reason_of(_root(failure))}",
        advice=advice,
    )
    error.__cause__ = failure
    return error


def _root(error: BaseException | None) -> BaseException | None:
    """Return the first cause: the exporter wraps it in pages of advice."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return error


def reason_of(error: BaseException | None) -> str:
    """Return the first line that an error says, in ASCII, at most 300 characters."""
    line = "no reason given" if error is None else first_line(error)
    return line.encode("ascii", "replace").decode()[:300]
