"""The plan: what leaves a model and what that saves. A file that can be read, kept and carried out later."""

from dataclasses import dataclass, field
from typing import Final, Literal

from compressor.prune.cost import Cost
from compressor.prune.coupling import LeftOut
from compressor.records import LATER, strict
from compressor.types import Scope, Structure

SCHEMA: Final = "compress.plan/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """The units that leave one group."""

    name: str
    """The first layer that makes them."""
    num_units: int
    """Before."""
    removed: tuple[int, ...]
    """Units that leave, ascending; empty where the group stays whole."""
    tensors: tuple[str, ...]
    """Every tensor that becomes narrower, so that a plan can be checked against another model."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The smallest model above the ceiling that was found."""

    size: float
    """In units of the quantity; of latencies, the upper end. Bytes are predicted, to a few bytes."""
    gives_back: str
    """What it has more than the one that was chosen."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One model that was measured."""

    macs: int
    """Which one: its multiply-adds."""
    params: int
    """And its parameters."""
    value: float
    """In units of the quantity."""
    upper: float
    """Upper end of the interval at confidence 0.95; the value itself where nothing is uncertain."""
    thorough: bool
    """Whether this was the longer measurement that decides."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A ceiling on what stays."""

    quantity: str
    """`macs`, `params`, `bytes` (of model.onnx), `latency_ms`, or `latency_ratio` (slim / dense)."""
    limit: float
    """In units of the quantity."""
    reached: float
    """What stays: never more than the limit. Of latencies, the upper end of the interval of the median: below it."""
    dense: float
    """The same of the dense model."""
    gap_fraction: float
    """(limit - reached) / dense, in [0, 1)."""
    next_step: NextStep | None
    """The next larger model; None where nothing may be given back."""
    tried: tuple[Tried, ...] = ()
    """Every measurement that was taken on the way, in order; none for what is counted."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`plan.json`."""

    schema: Literal["compress.plan/1"]
    created: str
    tool_version: str
    dense_sha256: str
    """The checkpoint that was looked at."""
    architecture: str
    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    structure: Structure
    criterion: str
    """How filters were scored."""
    block_criterion: str | None
    """How blocks were scored; None where none were."""
    ratio: float
    """Fraction of units (or removable blocks) that was asked to leave, or that the target led to."""
    target: Target | None
    """The ceiling that was asked for; None where a ratio was."""
    scope: Scope
    """Among which filters the lowest scores were looked for."""
    round_to: int | None
    """Widths are multiples of this; None: as fits each layer."""
    keep: tuple[str, ...]
    """Globs of what was to stay."""
    ratio_for: dict[str, float]
    """Globs with a ratio of their own."""
    seed: int
    removed_blocks: tuple[str, ...]
    """Blocks that become the identity, in the order of their removal."""
    groups: tuple[GroupPlan, ...]
    """Every group of units, in the order of the model."""
    left_out: tuple[LeftOut, ...]
    """Filters and blocks that stay, and why."""
    source: str
    """Who found out which channels leave together."""
    before: Cost
    after: Cost
    """Predicted exactly; slimming checks it."""
    widths: dict[str, tuple[int, int]] | None = field(default=None, metadata=LATER)
    """Once it was carried out: convolution or linear layer -> filters before and after, in the order of the model;
    0 where a layer left with its block."""

    def leaving(self) -> dict[str, tuple[int, ...]]:
        """Return group name to the units that leave, for groups that lose any."""
        return {group.name: group.removed for group in self.groups if group.removed}
