"""One plan that says what several did one after the other: the steps of an iterative schedule, told as one cut."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from compressor.load.checkpoint import Checkpoint
from compressor.prune.coupling import CouplingGraph, trace_coupling
from compressor.prune.coupling.labels import Channels
from compressor.prune.cut import cut_units, remove_blocks
from compressor.prune.plan_record import GroupPlan, Plan, Target
from compressor.prune.skeleton import skeleton

Rows = dict[str, Channels]
"""Weight to the rows of the dense model's weight that it still has."""


def compose(dense: Checkpoint, plans: Sequence[Plan]) -> Plan:
    """Return the plan that takes the dense model where all plans together took it.

    Args:
        dense: the model that the first plan was made for; not changed.
        plans: at least one; each was made for what the one before left. A ceiling of the last one is on multiply-adds
            or parameters.

    Returns:
        The last plan, with everything that left since the dense model, counted in the dense model's own units. The
        same filters as in the stepwise cut leave; the weights of that cut were tuned in between, which no plan says.
    """
    first, last = plans[0], plans[-1]
    if len(plans) == 1:
        return first
    left = _what_is_left(dense, plans)
    removed_blocks = tuple(name for plan in plans for name in plan.removed_blocks)
    groups: tuple[GroupPlan, ...] = ()
    if last.groups:
        model = skeleton(dense.model)
        remove_blocks(model, removed_blocks)
        groups = _groups(trace_coupling(model, last.input_shape), left)
    narrower = {group.name for group in groups if group.removed}
    return replace(
        last,
        dense_sha256=first.dense_sha256,
        ratio=_together(plan.ratio for plan in plans),
        ratio_for={
            glob: _together(plan.ratio_for[glob] for plan in plans if glob in plan.ratio_for)
            for glob in first.ratio_for
        },
        target=None if last.target is None else _seen_from(last.target, first),
        removed_blocks=removed_blocks,
        groups=groups,
        left_out=tuple(place for place in last.left_out if place.name not in narrower),
        before=first.before,
    )


def _together(ratios: Iterable[float]) -> float:
    """Return the share that several shares of what was left are of the whole."""
    return round(1 - math.prod(1 - ratio for ratio in ratios), 9)


def _seen_from(target: Target, first: Plan) -> Target:
    """Return a ceiling as the dense model sees it, not what the last step began with."""
    dense = first.before.macs if target.quantity == "macs" else first.before.params
    return replace(target, dense=dense, gap_fraction=(target.limit - target.reached) / dense)


def _what_is_left(dense: Checkpoint, plans: Sequence[Plan]) -> Rows:
    """Repeat the cuts on shapes, and follow the rows of every weight that makes units."""
    model = skeleton(dense.model)
    left: Rows = {}
    for plan in plans:
        remove_blocks(model, plan.removed_blocks)
        leaving = plan.leaving()
        if not leaving:
            continue
        graph = trace_coupling(model, plan.input_shape)
        gone: dict[str, list[int]] = defaultdict(list)
        for group in graph.groups:
            for maker in group.makers() if group.name in leaving else ():
                left.setdefault(maker.tensor, np.arange(model.get_parameter(maker.tensor).shape[maker.dim]))
                gone[maker.tensor] += maker.index[list(leaving[group.name])].ravel().tolist()
        for tensor, rows in gone.items():
            left[tensor] = np.delete(left[tensor], rows)
        cut_units(model, graph, leaving)
    return left


def _groups(graph: CouplingGraph, left: Rows) -> tuple[GroupPlan, ...]:
    """Return every group with the units whose rows are gone. Makers of one unit lose it together: the first says it."""
    found = []
    for group in graph.groups:
        maker = group.makers()[0]
        rows = left.get(maker.tensor)
        gone = () if rows is None else np.flatnonzero(~np.isin(maker.index[:, 0], rows)).tolist()
        tensors = tuple(member.tensor for member in group.members)
        found.append(GroupPlan(name=group.name, num_units=group.num_units, removed=tuple(gone), tensors=tensors))
    return tuple(found)
