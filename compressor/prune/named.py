"""What `--keep` and `--ratio-for` may name: a glob that decides nothing is a mistake, and never passed over."""

import difflib
from collections.abc import Collection, Mapping, Sequence

from torch import nn

from compressor.errors import PruneError
from compressor.prune.blocks import Block, Blocks
from compressor.prune.coupling import CouplingGraph
from compressor.prune.selectors import group_matches, matches

NUM_NAMED = 4
"""Of the parts that could be named, so many are told."""


def check_named(
    model: nn.Module,
    *,
    keep: Collection[str],
    ratio_for: Collection[str],
    graph: CouplingGraph | None,
    blocks: Blocks,
) -> None:
    """Refuse globs without any effect.

    `keep` may name filters and blocks that stay anyway, since that is what it asks for; `ratio_for` must name filters
    that can leave.

    Args:
        model: that is pruned.
        keep: globs of what is to stay.
        ratio_for: globs of what has a ratio of its own.
        graph: of this model; None where no filters are to leave.
        blocks: of this model; none where no blocks are to leave.

    Raises:
        PruneError: names what could have been meant.
    """
    groups = graph.groups if graph is not None else ()
    stuck = {left.name: left.reason for left in graph.left_out} if graph is not None else {}
    could = [group.name for group in groups] + [block.name for block in blocks.found]
    whole = [place for left in blocks.left_out for place in _inside(model, left.name)]
    for glob in keep:
        by_filters = any(group_matches(group, [glob]) for group in groups)
        by_blocks = any(is_kept(block, model, [glob]) for block in blocks.found)
        if not (by_filters or by_blocks or any(matches(name, [glob]) for name in (*stuck, *whole))):
            raise PruneError(f"--keep {glob!r} decides nothing: {_lacks(graph)}", advice=_near(glob, could))
    for glob in ratio_for:
        if not any(group_matches(group, [glob]) and not group_matches(group, keep) for group in groups):
            why = next((f"{name} {reason}" for name, reason in stuck.items() if matches(name, [glob])), None)
            kept = any(group_matches(group, [glob]) for group in groups)
            reason = "--keep keeps it whole" if kept else why or _lacks(graph)
            raise PruneError(
                f"--ratio-for {glob!r} decides nothing: {reason}",
                advice=_near(glob, [group.name for group in groups if not group_matches(group, keep)]),
            )


def is_kept(block: Block, model: nn.Module, keep: Collection[str]) -> bool:
    """Return whether a block, or any module that would leave with it, is to stay."""
    return any(matches(name, keep) for place in block.modules for name in _inside(model, place))


def still_deciding(graph: CouplingGraph, ratio_for: Mapping[str, float]) -> dict[str, float]:
    """Return the own ratios of layers that are still there, of those that earlier steps may have taken out."""
    return {
        glob: ratio for glob, ratio in ratio_for.items() if any(group_matches(group, [glob]) for group in graph.groups)
    }


def _inside(model: nn.Module, place: str) -> list[str]:
    """Return the names of a module and of all modules in it."""
    return [name for name, _ in model.named_modules() if name == place or name.startswith(f"{place}.")]


def _lacks(graph: CouplingGraph | None) -> str:
    return f"no module that it names is one of the {'blocks' if graph is None else 'layers with filters'}"


def _near(glob: str, could: Sequence[str]) -> str:
    """Return what could be named, what is most like the glob first."""
    close = difflib.get_close_matches(glob, could, n=NUM_NAMED, cutoff=0)
    return f"of this model these can be named: {', '.join(close)}" if close else "nothing of this model could leave"
