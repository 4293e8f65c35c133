"""The order of GELU's factors: the same bits, and one operator in onnxruntime."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, checker, helper, load, numpy_helper

from compressor.export.fusible import half_comes_last
from compressor.runtime import open_session


def gelu(*, half: float = 0.5, read_twice: bool = False) -> ModelProto:
    """Return a classifier of flattened images behind a GELU as torch's exporter writes it."""
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(half)}
    nodes = [
        helper.make_node("Flatten", ["images"], ["x"]),
        helper.make_node("Div", ["x", "root"], ["scaled"]),
        helper.make_node("Erf", ["scaled"], ["erf"]),
        helper.make_node("Add", ["erf", "one"], ["sum"]),
        helper.make_node("Mul", ["half", "sum"], ["inner"]),
        helper.make_node("Mul", ["x", "inner"], ["gelu"]),
        helper.make_node("Add", ["gelu", "inner" if read_twice else "one"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "gelu",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 16])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def operators_run(model: ModelProto, folder: Path) -> set[str]:
    """Return the operators that onnxruntime makes of a model, without those that suit this processor only."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {node.op_type for node in load(options.optimized_model_filepath).graph.node}


def test_onnxruntime_sees_a_gelu_where_the_half_comes_last(tmp_path: Path) -> None:
    """And only there; the graph stays valid and sorted, and answers as before."""
    model = gelu()
    images = np.random.default_rng(0).normal(0, 3, (5, 1, 4, 4)).astype(np.float32)
    before = open_session(model.SerializeToString()).run(images)
    assert "Erf" in operators_run(model, tmp_path)
    assert half_comes_last(model.graph) == 1
    assert [list(node.input) for node in model.graph.node if node.op_type == "Mul"] == [["x", "sum"], ["inner", "half"]]
    checker.check_model(model, full_check=True)
    assert "Gelu" in operators_run(model, tmp_path)
    np.testing.assert_allclose(open_session(model.SerializeToString()).run(images), before, rtol=1e-5, atol=1e-6)


def test_halving_last_changes_no_bit() -> None:
    """Multiplying by a half is exact, first or last."""
    x, total = np.random.default_rng(0).normal(0, 3, (2, 1000)).astype(np.float32)
    assert np.array_equal(x * (np.float32(0.5) * total), (x * total) * np.float32(0.5))


@pytest.mark.parametrize("model", [gelu(half=0.4), gelu(read_twice=True)])
def test_what_is_no_gelu_stays(model: ModelProto) -> None:
    """Another factor, or a product that something else reads too."""
    content = model.SerializeToString()
    assert half_comes_last(model.graph) == 0
    assert model.SerializeToString() == content
