"""The plan: what leaves a model and what that saves. A file that can be read, kept and carried out later."""

from dataclasses import dataclass

from compressor.prune.cost import Cost
from compressor.prune.coupling import LeftOut
from compressor.records import strict
from compressor.types import Structure

SCHEMA = "compress.plan/1"


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
class Target:
    """A ceiling on what stays."""

    quantity: str
    """`macs`, `params`, or `measured`."""
    limit: float
    """In units of the quantity."""
    reached: float
    """What stays: never more than the limit."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`plan.json`."""

    schema: str
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
    global_scope: bool
    """Whether filters of different layers were compared."""
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

    def leaving(self) -> dict[str, tuple[int, ...]]:
        """Return group name to the units that leave, for groups that lose any."""
        return {group.name: group.removed for group in self.groups if group.removed}
