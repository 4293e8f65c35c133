"""Whole blocks and layers: which of them a network can do without.

A block can go when its input and output have one shape, its input is passed on past what it computes, and the forward
pass works without it. It becomes the identity. In a network without any shortcut (VGG-like), convolutions whose input
and output have one shape can go instead.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import nn

from compressor.errors import first_line
from compressor.prune.coupling import LeftOut
from compressor.prune.cut import remove_blocks
from compressor.prune.skeleton import explained, output_shapes, run_skeleton, skeleton
from compressor.prune.visits import Visit, Watch

BATCH = 2
RESHAPES = "its output has another shape than its input"
SEVERAL = "it takes more than one tensor, which the identity does not"
NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
ACTIVATIONS = (
    nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What leaves together."""

    name: str
    """The block, or the convolution."""
    modules: tuple[str, ...]
    """All that become the identity: the block alone; a convolution with the norm and activation behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What a network can do without, in its own order, and which blocks it needs."""

    found: tuple[Block, ...]
    left_out: tuple[LeftOut, ...]


def find_blocks(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Return the names of all removable blocks, in the order of the model.

    Args:
        model: any classifier; not changed.
        input_shape: (C, H, W).

    Raises:
        PruneError: the model cannot be copied, or its forward pass cannot be followed.
    """
    return tuple(block.name for block in search_blocks(model, input_shape).found)


def search_blocks(model: nn.Module, input_shape: tuple[int, int, int]) -> Blocks:
    """Return all removable blocks, and the blocks that must stay with the reason.

    Args:
        model: any classifier; not changed.
        input_shape: (C, H, W).

    Raises:
        PruneError: the model cannot be copied, or its forward pass cannot be followed.
    """
    empty = skeleton(model)
    watch = Watch()
    watched = copy.deepcopy(empty)
    watch.attach(watched)
    with explained(input_shape):
        run_skeleton(watched, input_shape, batch=BATCH, watch=watch)
    places = _Places(empty, watch)
    blocks = places.residual() if watch.has_shortcuts else places.plain()
    broken = _breaking(empty, blocks, input_shape)
    found = tuple(block for block in blocks if block.name not in broken)
    reasons = places.reasons | broken
    # Only the innermost reason is told, and none for what lies inside a block that can go.
    inside = [block.name for block in found]
    told = {
        name: reason
        for name, reason in reasons.items()
        if not any(name.startswith(f"{other}.") for other in (*inside, *broken))
        and not any(other.startswith(f"{name}.") for other in (*inside, *reasons))
    }
    left_out = (LeftOut(name=name, num_units=1, reason=told[name]) for name in places.in_order(told))
    return Blocks(found=found, left_out=tuple(left_out))


def num_blocks(model: nn.Module, modules: Iterable[str]) -> int:
    """Return how many blocks these modules are: a convolution takes along its norm and activation, without a matrix."""
    found = (model.get_submodule(name) for name in modules)
    return sum(any(parameter.ndim > 1 for parameter in module.parameters()) for module in found)


def same_weights(model: nn.Module, removed: Iterable[str] = ()) -> nn.Module:
    """Return a copy of the structure that shares all tensors with the model, without some modules."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    shared = copy.deepcopy(model, memo)
    remove_blocks(shared, removed)
    return shared


class _Places:
    """Tells which visited modules are blocks."""

    def __init__(self, model: nn.Module, watch: Watch) -> None:
        self._modules = dict(model.named_modules())
        self._order = {name: number for number, name in enumerate(self._modules)}
        self._num_names = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
        self._visits = [visit for name, visit in watch.visits.items() if name]
        watch.mark_last_product()
        self.reasons: dict[str, str] = {}
        """Blocks that cannot go, and why."""

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Return the names in the order of the model."""
        return sorted(names, key=self._order.__getitem__)

    def residual(self) -> list[Block]:
        """Return the innermost modules that pass their input on."""
        fits = [visit for visit in self._visits if visit.passes_on and visit.keeps_shape and visit.has_product]
        innermost = _innermost(fits)
        within = tuple(f"{visit.name}." for visit in innermost)
        # What a module adds to its own input is its business; the network itself is not among these.
        inside_adding = tuple(f"{visit.name}." for visit in self._visits if visit.adds)
        for visit in self._visits:
            if visit.name.startswith(within):
                continue
            if visit.joined_outside and visit.has_product:
                self.reasons[visit.name] = "what it computes is joined to its input: its channels leave as filters"
            elif visit.added_outside and visit.has_product and not visit.name.startswith(inside_adding):
                self.reasons[visit.name] = "its input is added outside of it: as the identity it would count twice"
            elif visit.adds and visit.has_product and not visit.keeps_shape:
                self.reasons[visit.name] = RESHAPES if visit.image is not None else SEVERAL
        return [Block(name=name, modules=(name,)) for name in self._once(innermost)]

    def plain(self) -> list[Block]:
        """Return the innermost modules with a convolution that keep the shape; the last layer makes the answer."""
        for visit in self._visits:
            if visit.joined_outside and visit.has_product:
                self.reasons[visit.name] = "what it computes is joined to its input: its channels leave as filters"
        fits = [visit for visit in self._visits if visit.keeps_shape and visit.has_convolution]
        names = self._once(_innermost([visit for visit in fits if not visit.has_last_product]))
        return [Block(name=name, modules=(name, *self._behind(name))) for name in names]

    def _once(self, visits: Sequence[Visit]) -> list[str]:
        """Return the names of those that are one module, run once, in order."""
        names = []
        for visit in visits:
            if visit.num > 1:
                self.reasons[visit.name] = f"it runs {visit.num} times in one forward pass"
            elif self._num_names[id(self._modules[visit.name])] > 1:
                self.reasons[visit.name] = "it is registered under several names"
            else:
                names.append(visit.name)
        return self.in_order(names)

    def _behind(self, name: str) -> list[str]:
        """Return the norm and the activation that take what a convolution makes.

        The convolution's input has already been normalised and activated by the layer before; the statistics of this
        norm are those of the convolution that is gone.
        """
        (visit,) = (visit for visit in self._visits if visit.name == name)
        found = []
        for kinds in (NORMS, ACTIVATIONS):
            takers = [
                other
                for other in self._visits
                if other.image is visit.output and isinstance(self._modules[other.name], kinds)
            ]
            if len(takers) == 1 and takers[0].num == 1 and self._num_names[id(self._modules[takers[0].name])] == 1:
                visit = takers[0]
                found.append(visit.name)
        return found


def _innermost(visits: Sequence[Visit]) -> list[Visit]:
    """Return those that hold none of the others: a row of blocks passes its input on too, in its first block."""
    names = [visit.name for visit in visits]
    return [visit for visit in visits if not any(name.startswith(f"{visit.name}.") for name in names)]


def _breaking(empty: nn.Module, blocks: Sequence[Block], input_shape: tuple[int, int, int]) -> dict[str, str]:
    """Try the forward pass without blocks; all at once first, because nearly always all of them can go."""
    trains = (False, True)
    expected = {train: output_shapes(empty, input_shape, batch=BATCH, train=train) for train in trains}

    def problem(tried: Sequence[Block]) -> str | None:
        """Return what happens without them, None when it works."""
        trial = copy.deepcopy(empty)
        remove_blocks(trial, [name for block in tried for name in block.modules])
        try:
            found = {train: output_shapes(trial, input_shape, batch=BATCH, train=train) for train in trains}
        except Exception as error:  # noqa: BLE001 - the model is foreign code and may raise anything
            return first_line(error)
        return None if found == expected else "it answers in another shape"

    if not blocks or problem(blocks) is None:
        return {}
    broken = {}
    together: list[Block] = []
    for block in blocks:
        reason = problem([*together, block])
        if reason is None:
            together.append(block)
        else:
            broken[block.name] = f"the forward pass breaks without it: {reason}"
    return broken
