"""What is this file? Everything `compress inspect` tells, as one record."""

from dataclasses import dataclass

from compressor.load import Checkpoint
from compressor.prune import Cost, LeftOut, count_cost, find_blocks, trace_coupling


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """A group of channels that leave together."""

    name: str
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a checkpoint is and what can be pruned in it."""

    architecture: str
    arguments: dict[str, int | str]
    notes: tuple[str, ...]
    """How it was recognised, and keys that were left over."""
    input_shape: tuple[int, int, int]
    num_classes: int
    labels: tuple[str, ...] | None
    preprocess: str | None
    cost: Cost
    coupling: str
    """What traced the coupled channels."""
    groups: tuple[Width, ...]
    blocks: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    history: tuple[str, ...]
    sha256: str


def describe(checkpoint: Checkpoint) -> Description:
    """Look at a loaded checkpoint.

    Raises:
        PruneError: its channels cannot be traced.
    """
    coupling = trace_coupling(checkpoint.model, checkpoint.input_shape)
    return Description(
        architecture=checkpoint.architecture,
        arguments=checkpoint.arguments,
        notes=checkpoint.notes,
        input_shape=checkpoint.input_shape,
        num_classes=checkpoint.num_classes,
        labels=checkpoint.labels,
        preprocess=checkpoint.preprocess.text() if checkpoint.preprocess else None,
        cost=count_cost(checkpoint.model, checkpoint.input_shape),
        coupling=coupling.source,
        groups=tuple(Width(name=group.name, width=group.num_units) for group in coupling.groups),
        blocks=find_blocks(checkpoint.model, checkpoint.input_shape),
        left_out=coupling.left_out,
        history=checkpoint.history,
        sha256=checkpoint.sha256,
    )
