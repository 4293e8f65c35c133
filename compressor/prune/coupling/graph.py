"""Which channels of which tensors leave together: the record that criteria, plan and slim know.

A *unit* is the smallest thing that can leave. It takes along, in every tensor of its group, the channels that would
otherwise no longer fit: a filter of a convolution takes its bias, its place in the normalisation, and the columns of
the layers that read it (several, behind a flatten; in several layers, on a residual stream).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Role(StrEnum):
    """What a tensor's channels are to a unit."""

    OUT = "out"
    """Filters: the rows of a convolution or linear weight that make the unit."""
    IN = "in"
    """Columns of a weight that read the unit."""
    ALONG = "along"
    """What follows the unit channel by channel: biases, normalisation, running statistics, positions."""
    PAD = "pad"
    """Zero channels that a PadShortcut adds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One axis of one tensor, and which of its channels leave with each unit."""

    tensor: str
    """Dotted name of a parameter or buffer; for `pad`, of the PadShortcut."""
    dim: int
    """The axis of the tensor; 0 for `pad`."""
    role: Role
    index: NDArray[np.int64]
    """(num_units, n): the channels that leave with each unit. For `pad`, zero channels are counted `before` first."""

    @property
    def module(self) -> str:
        """Dotted name of the module that holds the tensor."""
        return self.tensor if self.role is Role.PAD else self.tensor.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Units of one kind: all live on the same axes of the same tensors."""

    name: str
    """The first module that makes them."""
    num_units: int
    members: tuple[Member, ...]

    def makers(self) -> tuple[Member, ...]:
        """Return the members whose rows make the units, at least one."""
        return tuple(member for member in self.members if member.role is Role.OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Filters that cannot leave, or shall not, and why."""

    name: str
    """The module or group."""
    num_units: int
    reason: str
    """One clause for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A weight that is multiplied with activations."""

    tensor: str
    """Dotted name of the weight."""
    out_dim: int
    in_dim: int | None
    """None where each input channel has its own filters (grouped convolution)."""
    positions: int
    """How often each number of the weight is used for one image: multiply-adds = positions x elements."""
    attended: int = 0
    """Multiply-adds between activations, per channel that enters: of the attention whose heads the weight reads."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CouplingGraph:
    """All that can leave a model, all that cannot, and what each weight costs."""

    groups: tuple[Group, ...]
    left_out: tuple[LeftOut, ...]
    products: tuple[Product, ...]
    source: str
    """Who found the coupling, for a person."""
    has_bare_norms: bool
    """Whether a layer or group norm over channels that can leave has no scale of its own, by which it is recognised."""

    def channels(self, leaving: Mapping[str, Sequence[int]]) -> dict[str, dict[int, set[int]]]:
        """Return, for each tensor (for `pad`, each PadShortcut) and axis, the channels that leave.

        Args:
            leaving: group name to the units that leave.
        """
        found: dict[str, dict[int, set[int]]] = {}
        for group in self.groups:
            units = list(leaving.get(group.name, ()))
            for member in group.members if units else ():
                axis = found.setdefault(member.tensor, {}).setdefault(member.dim, set())
                axis.update(member.index[units].ravel().tolist())
        return found
