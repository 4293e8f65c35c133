"""What a model file costs, counted in the file itself: the same ruler for every tool."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCost:
    """Work and size of a file, for one image."""

    macs: int
    """Multiply-adds of convolutions and linear layers; those with zeros are done like all others."""
    params: int
    """Numbers in their weights and biases; norms are folded into them."""
    zeros: int
    """How many of these numbers are zero."""
    num_bytes: int
    """Of the file."""


def file_cost(path: Path) -> FileCost:
    """Count what a file of convolutions and linear layers costs.

    Args:
        path: an ONNX classifier with its weights inside.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    macs, used = 0, dict[str, NDArray[np.generic]]()
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        places = shapes[node.output[0]][2:] if node.op_type == "Conv" else []
        macs += prod(places) * arrays[node.input[1]].size
        used |= {name: arrays[name] for name in node.input[1:] if name in arrays}
    return FileCost(
        macs=macs,
        params=sum(array.size for array in used.values()),
        zeros=sum(int((array == 0).sum()) for array in used.values()),
        num_bytes=path.stat().st_size,
    )
