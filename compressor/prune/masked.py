"""The oracle of slimming: the dense model whose leaving channels say nothing to anyone."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressor.prune.coupling import CouplingGraph

Leaving = Mapping[str, Sequence[int]]
"""Group name to the units that leave."""


def masked(dense: nn.Module, graph: CouplingGraph, leaving: Leaving) -> nn.Module:
    """Return a copy of the dense model whose leaving channels are zero wherever they live.

    Filters, biases, normalisation and the columns that read a channel are zeroed, so the channel says nothing to
    anyone. The exception are norms over channels: their statistics still count it, unless the forward pass runs under
    `kept_statistics`. Tensors that no channel leaves are shared with the dense model.
    """
    gone = graph.channels(leaving)
    memo: dict[int, Any] = {id(tensor): tensor for name, tensor in _tensors(dense).items() if name not in gone}
    copied = copy.deepcopy(dense, memo)
    tensors = _tensors(copied)
    with torch.no_grad():
        for name, dims in gone.items():
            for dim, channels in dims.items():
                if name in tensors:
                    tensors[name].index_fill_(dim, torch.tensor(sorted(channels)), 0)
    return copied


class kept_statistics(TorchDispatchMode):  # type: ignore[no-untyped-call] # noqa: N801 - used as a context
    """While active, layer and group norms of a masked model average over the channels that stay.

    Of all operations only these two (`native_layer_norm`, `native_group_norm`) see how many channels there are; with
    their statistics taken over the channels that stay, masked and slim answers are equal. They are recognised by their
    scale. Gradients must be off, not inference mode on: that hides which operations a layer is made of.
    """

    def __init__(self, model: nn.Module, graph: CouplingGraph, leaving: Leaving) -> None:
        """Look up the scales of all norms.

        Args:
            model: from `masked`.
            graph: of the dense model.
            leaving: as given to `masked`.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        gone = graph.channels(leaving)
        self._kept = {
            id(tensor): {
                dim: torch.tensor([channel for channel in range(tensor.shape[dim]) if channel not in channels])
                for dim, channels in gone[name].items()
            }
            for name, tensor in _tensors(model).items()
            if name in gone
        }

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name == "native_layer_norm" and id(args[2]) in self._kept:
            image, scale, shift = args[0], args[2], args[3]
            kept = {dim + image.ndim - scale.ndim: index for dim, index in self._kept[id(scale)].items()}
            narrow = _narrow(image, kept)
            own = [None if one is None else _narrow(one, self._kept[id(scale)]) for one in (scale, shift)]
            made = func(narrow, list(own[0].shape), *own, *args[4:])  # type: ignore[union-attr]
            return (_spread(made[0], image, kept), *made[1:])
        if name == "native_group_norm" and id(args[1]) in self._kept:
            image, kept = args[0], {1: self._kept[id(args[1])][0]}
            own = [None if one is None else one[kept[1]] for one in args[1:3]]
            made = func(_narrow(image, kept), *own, args[3], len(kept[1]), *args[5:])
            return (_spread(made[0], image, kept), *made[1:])
        return func(*args, **(kwargs or {}))


def _narrow(tensor: Tensor, kept: Mapping[int, Tensor]) -> Tensor:
    for dim, index in kept.items():
        tensor = tensor.index_select(dim, index)
    return tensor.contiguous()


def _spread(narrow: Tensor, like: Tensor, kept: Mapping[int, Tensor]) -> Tensor:
    """Return a tensor of the dense shape, zero where channels leave."""
    for dim, index in kept.items():
        shape = [like.shape[axis] if axis == dim else size for axis, size in enumerate(narrow.shape)]
        narrow = narrow.new_zeros(shape).index_copy_(dim, index, narrow)
    return narrow


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
