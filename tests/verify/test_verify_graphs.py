"""What a file computes is read from its graph, whatever its notes say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from real_bundle import tiny_checkpoint

from compressor.export.form import PLAIN, Form
from compressor.export.onnx import export_onnx
from compressor.load import Checkpoint
from compressor.types import Precision
from compressor.verify.graphs import computed_in, is_same_but_for_ranges, is_same_computation, parsed

INT8 = Form(precision=Precision.INT8)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """Return a small network."""
    return tiny_checkpoint()[0]


def in_int8(checkpoint: Checkpoint, seed: int) -> Any:
    """Return its int8 file, with ranges from other images for each seed."""
    images = np.random.default_rng(seed).random((8, *checkpoint.input_shape), dtype=np.float32)
    return parsed(export_onnx(checkpoint, INT8, calibration=images, checkpoint_sha256="0" * 64))


@pytest.mark.parametrize("precision", list(Precision))
def test_the_precision_is_that_of_the_graph(checkpoint: Checkpoint, precision: Precision) -> None:
    """Of each kind of file that we write."""
    images = np.zeros((2, *checkpoint.input_shape), dtype=np.float32) if precision is Precision.INT8 else None
    assert computed_in(parsed(export_onnx(checkpoint, Form(precision=precision), calibration=images))) is precision


def test_ranges_of_other_images_are_no_difference(checkpoint: Checkpoint) -> None:
    """Two int8 files of one network differ in bytes, and not in what they are."""
    one, other = in_int8(checkpoint, 0), in_int8(checkpoint, 1)
    assert one.SerializeToString() != other.SerializeToString()
    assert is_same_but_for_ranges(one, other)


def a_weight(model: Any) -> None:
    tensor = next(each for each in model.graph.initializer if each.name.endswith("weight_quantized"))
    tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]


def the_unit_of_a_weight(model: Any) -> None:
    tensor = next(each for each in model.graph.initializer if each.name.endswith("conv1.weight_scale"))
    array = onnx.numpy_helper.to_array(tensor) * np.float32(2)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def a_bias(model: Any) -> None:
    tensor = next(each for each in model.graph.initializer if each.name.endswith("bias_quantized"))
    array = onnx.numpy_helper.to_array(tensor) + np.int32(1000)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def an_operator(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("Relu", [model.graph.input[0].name], ["beside"]))


def a_note(model: Any) -> None:
    model.metadata_props[0].value += "x"


@pytest.mark.parametrize("change", [a_weight, the_unit_of_a_weight, a_bias, an_operator, a_note])
def test_anything_else_is_one(checkpoint: Checkpoint, change: Callable[[Any], None]) -> None:
    """Each alone."""
    one, other = in_int8(checkpoint, 0), in_int8(checkpoint, 1)
    change(other)
    assert not is_same_but_for_ranges(one, other)


def test_names_and_order_are_no_computation(checkpoint: Checkpoint) -> None:
    """Other versions of torch call things otherwise; an operator or a weight more is another matter."""
    one = parsed(export_onnx(checkpoint, PLAIN))
    renamed = parsed(one.SerializeToString())
    for node in renamed.graph.node:
        node.name = f"another {node.name}"
    assert is_same_computation(one, renamed)
    an_operator(renamed)
    assert not is_same_computation(one, renamed)
    changed = parsed(one.SerializeToString())
    tensor = max(changed.graph.initializer, key=lambda each: np.prod(each.dims))
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * np.float32(1.5), tensor.name))
    assert not is_same_computation(one, changed)
