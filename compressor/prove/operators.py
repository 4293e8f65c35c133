"""Every operator that bounds are known for, in tables: by exact class of a module, by function, by name of a method."""

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from compressor.prove.program import Map, Shape, arrangement, convolution, dense, scaling


class UnknownOperatorError(Exception):
    """An operator that is out of reach; its text is the reason."""


def reshaping(shape: Shape, value: Tensor, name: str) -> Map:
    """Return the step that keeps each image's values in their order.

    Args:
        shape: of one image's values before.
        value: what came out for the probes, (B, *new).
        name: what to call the operator.
    """
    new = tuple(value.shape[1:])
    if torch.Size(new).numel() != torch.Size(shape).numel():
        raise UnknownOperatorError(f"{name} mixes images of a batch")
    return arrangement(lambda values: values.reshape(len(values), *new), shape)


def _double(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().double()


def _convolution(module: nn.Conv2d, shape: Shape, value: Tensor) -> Map:
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise UnknownOperatorError(
            f"Conv2d with padding {module.padding!r}, mode {module.padding_mode!r} has no bound here"
        )
    return convolution(
        module.weight.detach().double(),
        _double(module.bias),
        stride=(module.stride[0], module.stride[1]),
        padding=(module.padding[0], module.padding[1]),
        dilation=(module.dilation[0], module.dilation[1]),
        groups=module.groups,
        size=(shape[1], shape[2]),
        out_size=(value.shape[2], value.shape[3]),
    )


def _linear(module: nn.Linear, shape: Shape, value: Tensor) -> Map:  # noqa: ARG001 - one face for all layers
    if len(shape) != 1:
        raise UnknownOperatorError("Linear on more than one axis per image has no bound here")
    return dense(module.weight.detach().double(), _double(module.bias))


def _norm(module: nn.BatchNorm2d, shape: Shape, value: Tensor) -> Map:  # noqa: ARG001
    mean, variance = _double(module.running_mean), _double(module.running_var)
    if mean is None or variance is None or module.training:
        raise UnknownOperatorError(f"{type(module).__name__} without running statistics has no bound here")
    factor = 1 / (variance + module.eps).sqrt()
    if module.weight is not None:
        factor = factor * module.weight.detach().double()
    offset = -mean * factor
    if module.bias is not None:
        offset = offset + module.bias.detach().double()
    places = (-1, *(1 for _ in shape[1:]))
    return scaling(factor.reshape(places), offset.reshape(places), shape)


def _same(module: nn.Module, shape: Shape, value: Tensor) -> Map:  # noqa: ARG001
    if module.training and isinstance(module, nn.Dropout | nn.Dropout2d):
        raise UnknownOperatorError(f"{type(module).__name__} in training mode has no bound here")
    return scaling(None, None, shape)


def _pooling(module: nn.Module, shape: Shape, value: Tensor) -> Map:  # noqa: ARG001
    return arrangement(module, shape)


def _flatten(module: nn.Module, shape: Shape, value: Tensor) -> Map:
    return reshaping(shape, value, type(module).__name__)


def _keeps_images(n: fx.Node) -> bool:
    """Say whether an index takes every image: its first part is a plain `:`, and all parts are numbers or slices."""
    index = n.args[1]
    parts = index if isinstance(index, tuple) else (index,)
    return bool(parts[0] == slice(None)) and all(isinstance(part, int | slice) or part is Ellipsis for part in parts)


def _pads_zeros(n: fx.Node) -> bool:
    mode = n.args[2] if len(n.args) > 2 else n.kwargs.get("mode", "constant")
    value = n.args[3] if len(n.args) > 3 else n.kwargs.get("value")
    return bool(mode == "constant") and bool(value in (None, 0, 0.0))


def _averages_values(n: fx.Node) -> bool:
    """Say whether a mean leaves the axis of the images alone."""
    dims = n.args[1] if len(n.args) > 1 else n.kwargs.get("dim")
    axes = dims if isinstance(dims, tuple | list) else (dims,)
    return all(isinstance(axis, int) and axis in (1, 2, 3, -1, -2) for axis in axes)


def _is_asleep(n: fx.Node) -> bool:
    """Say whether a dropout is called without training."""
    return (n.args[2] if len(n.args) > 2 else n.kwargs.get("training", True)) is False


def _always(n: fx.Node) -> bool:  # noqa: ARG001
    return True


SUMS: dict[Any, int | None] = {
    operator.add: 1,
    operator.iadd: 1,
    torch.add: 1,
    "add": 1,
    "add_": 1,
    operator.sub: -1,
    operator.isub: -1,
    torch.sub: -1,
    "sub": -1,
    operator.mul: None,
    operator.imul: None,
    torch.mul: None,
    "mul": None,
    operator.truediv: None,
    torch.div: None,
    "div": None,
}
"""Sign of the second value where both depend on the image; None: only one may."""

RECTIFIERS: set[Any] = {nn.ReLU, F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}

LAYERS: dict[Any, Callable[[Any, Shape, Tensor], Map]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    nn.Identity: _same,
    nn.Dropout: _same,
    nn.Dropout2d: _same,
    nn.Flatten: _flatten,
    nn.AvgPool2d: _pooling,
    nn.AdaptiveAvgPool2d: _pooling,
}
"""By exact class: a subclass may do anything."""

RESHAPES: set[Any] = {torch.flatten, torch.reshape, "flatten", "view", "reshape"}

MOVES: dict[Any, Callable[[fx.Node], bool]] = {
    operator.getitem: _keeps_images,
    F.pad: _pads_zeros,
    F.avg_pool2d: _always,
    F.adaptive_avg_pool2d: _always,
    F.dropout: _is_asleep,
    torch.mean: _averages_values,
    "mean": _averages_values,
    "contiguous": _always,
}
"""Linear without negative entries, under the condition beside each. `F.pad` by a negative width drops values."""
