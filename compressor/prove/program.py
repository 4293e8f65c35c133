"""A network as a list of steps that bounds can walk along, forwards and backwards.

Legend: B images or rows at once, R rows of coefficients. All arithmetic is float64. A step is affine (`Map`), a sum of
two steps (`Sum`) or a ReLU (`Rectifier`); everything else is out of reach, see `trace`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]
"""Of one image's values, without the batch."""


MOST_KEPT_BYTES = 1 << 27
"""Rows that every image needs again are kept up to this size per layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfReach:
    """Why a network, or a bound on it, cannot be had. A value, never a guess."""

    reason: str
    """One clause that names the operator or the size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Map:
    """An affine step A x + b, told by what bounds need of it."""

    forward: Callable[[Tensor], Tensor]
    """(B, *in) -> (B, *out), A x + b."""
    spread: Callable[[Tensor], Tensor]
    """(B, *in) -> (B, *out), |A| x with the absolute value of each entry."""
    back: Callable[[Tensor], Tensor]
    """(R, *out) -> (R, *in), the transpose of A; torch can differentiate it."""
    offset: Tensor | None
    """(*out) b; None for zero."""
    num_macs: int = 0
    """Multiply-adds of one image or one row."""
    mixes: bool = True
    """False where every value out reads one value in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The first input plus or minus the second."""

    sign: int
    """1 or -1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectifier:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One step."""

    step: Map | Sum | Rectifier | None
    """None: the image itself, node 0."""
    inputs: tuple[int, ...]
    """Earlier nodes."""
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """A network: node 0 is the image (C, H, W) in [0, 1], the last node is the answer (K,)."""

    nodes: tuple[Node, ...]
    kept_rows: dict[int, Tensor] = field(default_factory=dict)
    """Per node, what `unit_rows` found: it is the same for every image."""

    def unit_rows(self, place: int, chosen: Tensor) -> tuple[int, Tensor, Tensor] | None:
        """Return single values of a node as linear functions of what its step reads; None where too many.

        Args:
            place: the node.
            chosen: (R,) indices into its flattened values.

        Returns:
            The node that is read, coefficients (R, *shape of it), constants (R,).
        """
        node = self.nodes[place]
        if not isinstance(node.step, Map):
            return None
        num, shape = torch.Size(node.shape).numel(), self.nodes[node.inputs[0]].shape
        if 8 * num * torch.Size(shape).numel() > MOST_KEPT_BYTES:
            return None
        if place not in self.kept_rows:
            units = torch.eye(num, dtype=torch.float64).reshape(num, *node.shape)
            self.kept_rows[place] = torch.cat([node.step.back(part) for part in torch.split(units, 256)])
        offset = torch.zeros(num, dtype=torch.float64) if node.step.offset is None else node.step.offset.flatten()
        return node.inputs[0], self.kept_rows[place][chosen], offset[chosen]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of images (B, C, H, W), float64."""
        values = [images]
        for node in self.nodes[1:]:
            given = [values[place] for place in node.inputs]
            match node.step:
                case Map():
                    values.append(node.step.forward(given[0]))
                case Sum():
                    values.append(given[0] + node.step.sign * given[1])
                case _:
                    values.append(given[0].clamp_min(0))
        return values[-1]

    @property
    def rectified(self) -> tuple[int, ...]:
        """Return the nodes that a ReLU reads, in their order, each once."""
        read = [node.inputs[0] for node in self.nodes if isinstance(node.step, Rectifier)]
        return tuple(sorted(set(read)))

    def before(self, place: int) -> list[int]:
        """Return the nodes that a node depends on, and itself, in their order."""
        found = {place}
        for here in range(place, -1, -1):
            found |= set(self.nodes[here].inputs) if here in found else set()
        return sorted(found)

    def is_one_layer(self, place: int) -> bool:
        """Say whether a node reads the image through one mixing step only, so that intervals on it are exact."""
        num_mixing = 0
        while place:
            node = self.nodes[place]
            if not isinstance(node.step, Map):
                return False
            num_mixing += node.step.mixes
            place = node.inputs[0]
        return num_mixing <= 1

    def num_macs_below(self, place: int) -> int:
        """Return the multiply-adds per row of a backward pass from a node."""
        steps = [self.nodes[here].step for here in self.before(place)]
        return sum(step.num_macs for step in steps if isinstance(step, Map))

    def num_refining_macs(self) -> int:
        """Return the multiply-adds per image if every value that a ReLU reads were bounded by a backward pass."""
        sizes = {place: torch.Size(self.nodes[place].shape).numel() for place in self.rectified}
        return sum(2 * size * self.num_macs_below(place) for place, size in sizes.items())


def difference(first: Program, second: Program) -> Program:
    """Return the program that answers first minus second, both reading the same image."""
    shift = len(first.nodes) - 1
    moved = [
        replace(node, inputs=tuple(place + shift if place else 0 for place in node.inputs)) for node in second.nodes[1:]
    ]
    last = len(first.nodes) + len(moved) - 1
    minus = Node(step=Sum(sign=-1), inputs=(shift, last), shape=first.nodes[-1].shape)
    return Program(nodes=(*first.nodes, *moved, minus))


def convolution(
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    size: tuple[int, int],
    out_size: tuple[int, int],
) -> Map:
    """Return a 2-d convolution of images of `size` (H, W), padded with zeros."""
    rest = tuple(
        size[axis]
        - ((out_size[axis] - 1) * stride[axis] - 2 * padding[axis] + dilation[axis] * (weight.shape[2 + axis] - 1) + 1)
        for axis in (0, 1)
    )
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    offset = None if bias is None else bias[:, None, None].expand(-1, *out_size)
    return Map(
        forward=lambda values: F.conv2d(values, weight, bias, **how),
        spread=lambda values: F.conv2d(values, weight.abs(), None, **how),
        back=lambda rows: F.conv_transpose2d(rows, weight, None, output_padding=rest, **how),
        offset=offset,
        num_macs=weight.numel() * out_size[0] * out_size[1],
    )


def dense(weight: Tensor, bias: Tensor | None) -> Map:
    """Return a linear layer over the last axis: weight (out, in)."""
    return Map(
        forward=lambda values: F.linear(values, weight, bias),
        spread=lambda values: F.linear(values, weight.abs()),
        back=lambda rows: rows @ weight,
        offset=bias,
        num_macs=weight.numel(),
    )


def scaling(factor: Tensor | None, offset: Tensor | None, shape: Shape) -> Map:
    """Return factor * x + offset, entry by entry; both broadcast to `shape`, None for one and zero."""
    scale = torch.ones((), dtype=torch.float64) if factor is None else factor
    whole = None if offset is None else offset.expand(shape)
    return Map(
        forward=lambda values: values * scale if whole is None else values * scale + whole,
        spread=lambda values: values * scale.abs(),
        back=lambda rows: rows * scale,
        offset=whole,
        mixes=False,
    )


def arrangement(moves: Callable[[Tensor], Tensor], shape: Shape) -> Map:
    """Return a linear step without negative entries: what only moves, drops, averages or pads with zeros.

    Args:
        moves: (B, *shape) -> (B, *out) for every B.
        shape: of what comes in.
    """

    def back(rows: Tensor) -> Tensor:
        with torch.enable_grad():
            probe = rows.new_zeros((len(rows), *shape), requires_grad=True)
            (found,) = torch.autograd.grad(moves(probe), probe, rows, create_graph=rows.requires_grad)
        return found

    return Map(forward=moves, spread=moves, back=back, offset=None)
