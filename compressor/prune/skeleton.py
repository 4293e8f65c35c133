"""A copy of a model without numbers: shapes only, so that a forward pass costs neither time nor memory."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressor.errors import PruneError, first_line

ACTIVATIONS = {"relu", "hardtanh", "hardswish", "hardsigmoid", "silu", "gelu", "sigmoid", "elu", "leaky_relu", "mish"}
"""Operations on each number alone, with one tensor."""


def skeleton(model: nn.Module) -> nn.Module:
    """Return a copy whose parameters and buffers have shapes but no values (torch's meta device).

    Raises:
        PruneError: the module cannot be copied, as TorchScript cannot.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise PruneError(
            "a TorchScript model has no modules that could be cut",
            advice="give the state dict and --arch, or the Python module it was scripted from",
        )
    memo: dict[int, Any] = {}
    for tensor in chain(model.parameters(), model.buffers(), _plain_tensors(model)):
        empty = torch.empty_like(tensor, device="meta")
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, requires_grad=tensor.requires_grad) if is_parameter else empty
    return copy.deepcopy(model, memo)


def run_skeleton(
    model: nn.Module,
    input_shape: tuple[int, int, int],
    *,
    batch: int = 1,
    train: bool = False,
    watch: AbstractContextManager[object] | None = None,
) -> Any:
    """Run the forward pass of a skeleton and return its output.

    Args:
        model: from `skeleton`.
        input_shape: (C, H, W) of one image.
        batch: number of images.
        train: train mode (with auxiliary heads) or eval mode.
        watch: a dispatch mode that sees every operation.
    """
    model.train(train)
    kind = next((parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()), torch.float32)
    with torch.no_grad(), torch.device("meta"), plain_attention(), _ShapesOnly(), watch or nullcontext():
        return model(torch.empty(batch, *input_shape, dtype=kind))


def output_shapes(model: nn.Module, input_shape: tuple[int, int, int], *, batch: int, train: bool) -> list[torch.Size]:
    """Return the shape of every tensor that a skeleton answers with."""
    return [tensor.shape for tensor in tensors_in(run_skeleton(model, input_shape, batch=batch, train=train))]


@contextmanager
def explained(input_shape: tuple[int, int, int]) -> Iterator[None]:
    """Turn any error of a forward pass on shapes into one that a person can act on.

    Raises:
        PruneError: with the error of the forward pass.
    """
    try:
        yield
    except Exception as error:
        raise PruneError(
            f"the forward pass of this model cannot be followed at input {input_shape}: {first_line(error)}",
            advice="check --input-size; a forward pass that depends on the values of tensors cannot be pruned here",
        ) from error


def tensors_in(value: Any) -> list[Tensor]:
    """Return all tensors in a tensor, list, tuple or dict, nested."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


def _plain_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Yield tensors that hang on modules as ordinary attributes, neither parameter nor buffer."""
    for module in model.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Tensor))


@contextmanager
def plain_attention() -> Iterator[None]:
    """Switch off the fused path of nn.MultiheadAttention, which hides its products."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)


class _ShapesOnly(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers activations, norms and linear layers by shape: torch's own way to do so takes milliseconds each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name.rstrip("_") in ACTIVATIONS:
            return args[0] if name.endswith("_") else torch.empty_like(args[0])
        if name == "native_batch_norm":
            image, scale, shift, mean, variance, train = args[:6]
            num = image.shape[1]
            for tensor in (scale, shift, mean, variance):
                if tensor is not None and tensor.shape != (num,):
                    raise RuntimeError(f"batch normalisation over {len(tensor)} channels meets {num}")
            saved = image.new_empty(num if train else 0)
            return torch.empty_like(image), saved, torch.empty_like(saved)
        if name == "native_layer_norm":
            image, shape = args[0], torch.Size(args[1])
            leading = image.ndim - len(shape)
            if image.shape[leading:] == shape and all(one is None or one.shape == shape for one in args[2:4]):
                mean = image.new_empty([*image.shape[:leading], *[1] * len(shape)])
                return image.new_empty(image.shape), mean, torch.empty_like(mean)
        if name == "addmm":
            bias, left, right = args
            if left.shape[1] == right.shape[0] and bias.shape == right.shape[1:]:
                return left.new_empty(left.shape[0], right.shape[1])
        return func(*args, **(kwargs or {}))
