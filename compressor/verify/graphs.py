"""What an ONNX file computes, read from its graph: notes in a file are words of whoever wrote it."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from compressor.types import Precision

ROUNDS = "QuantizeLinear"
"""The operator that makes int8 of numbers; what we export in int8 has it before every product."""

UNROUNDS = "DequantizeLinear"

ModelProto = Any
"""`onnx.ModelProto`, whose library has no types."""


def parsed(content: bytes) -> ModelProto:
    """Return the `onnx.ModelProto` of a file."""
    import onnx

    return onnx.load_from_string(content)


def computed_in(model: ModelProto) -> Precision:
    """Return in which numbers a graph computes: by its operators and weights."""
    import onnx

    if any(node.op_type == ROUNDS for node in model.graph.node):
        return Precision.INT8
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    return Precision.FP16 if onnx.TensorProto.FLOAT16 in kinds else Precision.FP32


def is_same_but_for_ranges(one: ModelProto, other: ModelProto) -> bool:
    """Say whether two int8 files differ in nothing but the ranges of their activations, which come from images.

    Ranges are the scale and zero point of what is no weight. Biases are stored in units that follow from them, so they
    are compared as numbers, to one such unit.
    """
    (bare, biases), (other_bare, other_biases) = _without_ranges(one), _without_ranges(other)
    if bare.SerializeToString(deterministic=True) != other_bare.SerializeToString(deterministic=True):
        return False
    return all(_is_near(biases[name], other_biases[name]) for name in biases)


def is_same_computation(one: ModelProto, other: ModelProto) -> bool:
    """Say whether two graphs have the same operators, as often, and the same weights, whatever things are called."""
    return _content(one) == _content(other)


def _content(model: ModelProto) -> tuple[Counter[str], Counter[tuple[str, tuple[int, ...], bytes]]]:
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    weights = Counter((str(array.dtype), array.shape, array.tobytes()) for array in arrays)
    return Counter(node.op_type for node in model.graph.node), weights


def _without_ranges(
    model: ModelProto,
) -> tuple[ModelProto, dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]]:
    """Return a copy with empty ranges, and each bias as numbers, with the size of its unit."""
    import onnx
    from onnx import numpy_helper

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in bare.graph.initializer}
    emptied: set[str] = set()
    biases = {}
    for node in bare.graph.node:
        if node.op_type not in (ROUNDS, UNROUNDS):
            continue
        value, scale, *zero = node.input
        if value not in tensors:
            emptied |= {scale, *zero}
        elif tensors[value].data_type == onnx.TensorProto.INT32 and scale in tensors:
            unit = numpy_helper.to_array(tensors[scale]).astype(np.float64)
            biases[value] = numpy_helper.to_array(tensors[value]) * unit, np.abs(unit)
            emptied |= {value, scale}
    for name in emptied & tensors.keys():
        kind, shape = tensors[name].data_type, list(tensors[name].dims)
        tensors[name].CopyFrom(onnx.TensorProto(name=name, data_type=kind, dims=shape))
    return bare, biases


def _is_near(
    one: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    other: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> bool:
    return one[0].shape == other[0].shape and bool((np.abs(one[0] - other[0]) <= np.maximum(one[1], other[1])).all())
