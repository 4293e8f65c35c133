"""Linear classifiers as ONNX files, written by hand: logits = flatten(images) @ weights."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def linear_onnx(
    weights: np.ndarray, *, shape: tuple[int, int, int], batch: int | str = "batch", kind: str = "float32", **notes: str
) -> bytes:
    """Return the file for `weights` (C * H * W, K) float32 on images of `shape`: float32, float16 or uint8.

    A file that takes float16 answers float16.
    """
    elements = {
        "float32": TensorProto.FLOAT,
        "float16": TensorProto.FLOAT16,
        "uint8": TensorProto.UINT8,
        "float64": TensorProto.DOUBLE,
    }[kind]
    answers = TensorProto.FLOAT16 if kind == "float16" else TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["logits"], to=answers),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("images", elements, [batch, *shape])],
        [helper.make_tensor_value_info("logits", answers, [batch, weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, notes)
    return bytes(model.SerializeToString())


def random_weights(shape: tuple[int, int, int], num_classes: int = 3, seed: int = 0) -> np.ndarray:
    """Return (C * H * W, num_classes) float32."""
    size = int(np.prod(shape))
    return np.random.default_rng(seed).normal(size=(size, num_classes)).astype(np.float32)
