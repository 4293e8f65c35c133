"""What a model costs: counted on the model itself, or predicted for what would be left of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from compressor.prune.coupling import CouplingGraph, Role
from compressor.prune.skeleton import explained, run_skeleton, skeleton
from compressor.records import strict


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Size and work of a model, for one image in eval mode."""

    filters: int
    """Output channels of all convolution and linear modules, the classifier's included."""
    params: int
    """Numbers in all parameters, each counted once; running statistics are not parameters."""
    macs: int
    """Multiply-adds of convolutions, linear layers and attention products; element-wise work is not counted."""


def count_cost(model: nn.Module, input_shape: tuple[int, int, int]) -> Cost:
    """Count what a model costs, without computing anything.

    Args:
        model: any classifier.
        input_shape: (C, H, W).

    Raises:
        PruneError: its forward pass cannot be followed on shapes alone.
    """
    # The counter looks for the gradient of every parameter that is an input of a module, and nothing has one here.
    empty = skeleton(model).requires_grad_(requires_grad=False)
    counter = FlopCounterMode(display=False)
    with explained(input_shape):
        run_skeleton(empty, input_shape, watch=counter)
    return Cost(
        filters=sum(_num_filters(module) for module in empty.modules()),
        params=sum(parameter.numel() for parameter in empty.parameters()),
        macs=counter.get_total_flops() // 2,
    )


class Prediction:
    """Tells what is left when units leave, exactly and without cutting."""

    def __init__(self, model: nn.Module, graph: CouplingGraph, before: Cost) -> None:
        self._before = before
        self._shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        self._products = {product.tensor: product for product in graph.products}
        self._members = {group.name: group.members for group in graph.groups}
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        weights = [module._parameters.get("weight") for module in model.modules() if _num_filters(module)]
        self._num_with_filters = Counter(names[id(weight)] for weight in weights if weight is not None)
        """Weight to the number of layers whose filters it holds: several may share it."""

    def after(self, leaving: Mapping[str, int]) -> Cost:
        """Return the cost when that many units leave each group.

        Args:
            leaving: group name to number of units; other groups stay whole.
        """
        gone: dict[str, dict[int, int]] = {}
        for name, num in leaving.items():
            for member in self._members[name] if num else ():
                if member.role is not Role.PAD and member.tensor in self._shapes:
                    dims = gone.setdefault(member.tensor, {})
                    dims[member.dim] = dims.get(member.dim, 0) + num * member.index.shape[1]
        filters, params, macs = self._before.filters, self._before.params, self._before.macs
        for tensor, dims in gone.items():
            shape = self._shapes[tensor]
            lost = prod(shape) - prod(size - dims.get(dim, 0) for dim, size in enumerate(shape))
            params -= lost
            product = self._products.get(tensor)
            if product is not None:
                macs -= lost * product.positions
                if product.in_dim is not None:
                    macs -= dims.get(product.in_dim, 0) * product.attended
                filters -= dims.get(product.out_dim, 0) * self._num_with_filters[tensor]
        return Cost(filters=filters, params=params, macs=macs)


def _num_filters(module: nn.Module) -> int:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, CONVOLUTIONS) else 0


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
