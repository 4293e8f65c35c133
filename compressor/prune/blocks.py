"""Whole residual blocks: which can be left out, and which matter least.

A block can go when its input and output have one shape, it adds its input to what it computes, it stands in a row of
blocks (nn.Sequential, nn.ModuleList), and the forward pass works without it. It becomes the identity.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressor.prune.cut import remove_blocks
from compressor.prune.skeleton import output_shapes, run_skeleton, skeleton


def find_blocks(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Return the names of all removable residual blocks, in the order of the model.

    Args:
        model: any classifier; not changed.
        input_shape: (C, H, W).

    Raises:
        PruneError: the model cannot be copied.
    """
    empty = skeleton(model)
    watch = _Watch()
    hooks = []
    for name, module in empty.named_modules():
        parent = empty.get_submodule(name.rpartition(".")[0])
        if name and isinstance(parent, nn.Sequential | nn.ModuleList) and _has_weights(module):
            hooks += [module.register_forward_pre_hook(watch.enter(name)), module.register_forward_hook(watch.leave)]
    run_skeleton(empty, input_shape, watch=watch)
    for hook in hooks:
        hook.remove()
    found = [name for name, visit in watch.visits.items() if visit.is_residual and visit.keeps_shape and visit.num == 1]
    # A row of blocks adds its input too (in its first block): only the innermost are blocks.
    found = [name for name in found if not any(other.startswith(f"{name}.") for other in found)]
    order = {name: number for number, (name, _) in enumerate(empty.named_modules())}
    found.sort(key=order.__getitem__)
    if _works_without(empty, found, input_shape):
        return tuple(found)
    return tuple(name for name in found if _works_without(empty, [name], input_shape))


def same_weights(model: nn.Module, removed: Iterable[str] = ()) -> nn.Module:
    """Return a copy of the structure that shares all tensors with the model, without some blocks."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    shared = copy.deepcopy(model, memo)
    remove_blocks(shared, removed)
    return shared


@dataclass(slots=True)
class _Visit:
    """One module in one forward pass."""

    image: Tensor | None = None
    num: int = 0
    is_residual: bool = False
    keeps_shape: bool = False


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees which modules add their own input to something."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.visits: dict[str, _Visit] = {}
        self.running: list[_Visit] = []

    def enter(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        """Return the hook that notes what comes in."""

        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            visit = self.visits.setdefault(name, _Visit())
            visit.num += 1
            visit.image = args[0] if len(args) == 1 and isinstance(args[0], Tensor) else None
            self.running.append(visit)

        return hook

    def leave(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        """Compare what goes out with what came in; a hook."""
        visit = self.running.pop()
        visit.keeps_shape = isinstance(output, Tensor) and visit.image is not None and output.shape == visit.image.shape

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket.__name__ in ("add", "add_"):
            for visit in self.running:
                visit.is_residual |= any(operand is visit.image for operand in args[:2] if isinstance(operand, Tensor))
        return func(*args, **(kwargs or {}))


def _has_weights(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _works_without(empty: nn.Module, names: Sequence[str], input_shape: tuple[int, int, int]) -> bool:
    trial = copy.deepcopy(empty)
    remove_blocks(trial, names)
    expected = output_shapes(empty, input_shape, batch=2, train=False)
    try:
        return output_shapes(trial, input_shape, batch=2, train=False) == expected
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError, AttributeError):
        return False


def mean_weights(model: nn.Module, names: Sequence[str]) -> dict[str, float]:
    """Return the mean absolute weight of each block's layers."""
    found = {}
    for name in names:
        parameters = model.get_submodule(name).parameters()
        weights = [parameter.detach() for parameter in parameters if parameter.ndim > 1]
        total = sum(weight.abs().sum(dtype=torch.float64) for weight in weights)
        found[name] = float(total) / sum(weight.numel() for weight in weights)
    return found
