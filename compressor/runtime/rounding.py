"""Fewer bits: the same graph in float16, or in int8 between pairs of QuantizeLinear and DequantizeLinear.

onnxruntime's own converters do the work. What they leave wrong is put right here, or refused.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.errors import ExportError, first_line
from compressor.runtime.quiet import quiet
from compressor.runtime.raw import onnxruntime
from compressor.runtime.session import to_frames
from compressor.types import InputForm

LARGEST_FP16 = 65504.0

AT_ONCE = 16
"""Images per calibration pass."""

ANSWERS = ("Gemm", "MatMul")
"""Operators whose results stay float32 unless another int8 operator reads them: 256 levels of logits would tie."""

Array = npt.NDArray[np.float32]


def to_fp16(model: Any) -> Any:
    """Return the graph in float16, float32 at its input and output.

    Args:
        model: an `onnx.ModelProto` in float32; may be changed.

    Raises:
        ExportError: a weight that float16 cannot hold.
    """
    import onnx

    for value in model.graph.initializer:
        largest = np.abs(onnx.numpy_helper.to_array(value)).max(initial=0) if value.data_type == FLOAT else 0
        if not largest <= LARGEST_FP16:
            raise ExportError(
                f"fp16 cannot hold {value.name}: it reaches {largest:.3g}, and fp16 ends at {LARGEST_FP16:,.0f}",
                advice="use --precision fp32",
            )
    onnxruntime()
    with quiet():
        from onnxruntime.transformers.float16 import convert_float_to_float16

        rounded = convert_float_to_float16(model, keep_io_types=True)
    nodes = _in_order(list(rounded.graph.node), rounded.graph)
    rounded.graph.ClearField("node")
    rounded.graph.node.extend(nodes)
    return rounded


FLOAT = 1
"""`onnx.TensorProto.FLOAT`."""


def _in_order(nodes: list[Any], graph: Any) -> list[Any]:
    """Return the nodes, each after what it reads: the converter appends its casts at the end (measured)."""
    known = {"", *(value.name for value in (*graph.input, *graph.initializer))}
    ordered: list[Any] = []
    while nodes:
        waiting = []
        for node in nodes:
            if known.issuperset(node.input):
                ordered.append(node)
                known.update(node.output)
            else:
                waiting.append(node)
        if len(waiting) == len(nodes):
            raise ExportError("the float16 graph has a circle", advice="use --precision fp32")
        nodes = waiting
    return ordered


def to_int8(model: Any, images: Array, *, input_form: InputForm, batch: int | None) -> Any:
    """Return the graph in int8: weights per channel, activations by the ranges they take on images.

    Activations are uint8 with a zero point, weights int8: the pair that is fast on x86 processors (measured on one with
    VNNI: half the time of float32; signed activations were slower than float32) and on ARM. TensorRT wants signed
    activations without zero point, and so does not take this file.

    Args:
        model: an `onnx.ModelProto` in float32; may be changed.
        images: (N, C, H, W) float32 in [0, 1], N >= 1.
        input_form: what the graph takes.
        batch: the one batch size that it takes; None: any.

    Raises:
        ExportError: onnxruntime cannot quantise it, or there is nothing to quantise.
    """
    import onnx

    onnxruntime()
    failure: Exception | None = None
    with quiet(), tempfile.TemporaryDirectory() as folder:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        written = Path(folder) / "model.onnx"
        try:
            quantize_static(
                model,
                written,
                _Feed(model.graph.input[0].name, images, input_form=input_form, batch=batch),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"OpTypesToExcludeOutputQuantization": list(ANSWERS)},
            )
            rounded = onnx.load(written)
        except Exception as error:  # noqa: BLE001 - the quantiser's exceptions share no other base
            failure = error
    if failure is not None:
        raise ExportError(
            f"onnxruntime cannot quantise this model: {first_line(failure)}",
            advice="use --precision fp16",
        ) from failure
    if not any(node.op_type == "QuantizeLinear" for node in rounded.graph.node):
        raise ExportError("no operator of this model can be computed in int8", advice="use --precision fp16")
    return rounded


class _Feed:
    """What onnxruntime's calibration reads: batches of inputs, one after the other, then None."""

    def __init__(self, name: str, images: Array, *, input_form: InputForm, batch: int | None) -> None:
        self._batches = _batches(name, images, input_form=input_form, batch=batch)

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        return next(self._batches, None)


def _batches(
    name: str, images: Array, *, input_form: InputForm, batch: int | None
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    size = batch or AT_ONCE
    for start in range(0, len(images), size):
        part = images[start : start + size]
        if batch is not None:  # a file of one batch size: the last batch is filled up with images seen before
            part = np.concatenate([part, np.resize(images, (batch - len(part), *images.shape[1:]))])
        yield {name: to_frames(part) if input_form is InputForm.UINT8_NHWC else part}
