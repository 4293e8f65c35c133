"""Find, before anything is cut, the groups whose removal breaks the forward pass.

Widths that are written into code as numbers (`x.view(-1, 1024)`, a fixed hidden size) cannot be seen in the operations.
So the cut is tried on a skeleton.
"""

import copy
from collections.abc import Sequence

from torch import nn

from compressor.errors import first_line
from compressor.prune.coupling import CouplingGraph, Group
from compressor.prune.cut import cut_units
from compressor.prune.skeleton import output_shapes

BATCH = 2


def breaking_groups(empty: nn.Module, graph: CouplingGraph, input_shape: tuple[int, int, int]) -> dict[str, str]:
    """Try half the units of each group; all at once first, because nearly always all of them can go.

    Args:
        empty: the skeleton of the model; not changed.
        graph: of this model.
        input_shape: (C, H, W).

    Returns:
        Name of each group that must stay whole, and what happens otherwise.
    """
    expected = output_shapes(empty, input_shape, batch=BATCH, train=False)

    def problem(groups: Sequence[Group]) -> str | None:
        """Return what happens when half of all these groups leave, None when it works."""
        trial = copy.deepcopy(empty)
        cut_units(trial, graph, {group.name: range(_about_half(group.num_units)) for group in groups})
        try:
            found = output_shapes(trial, input_shape, batch=BATCH, train=False)
        except Exception as error:  # noqa: BLE001 - the model is foreign code and may raise anything
            return first_line(error)
        return None if found == expected else f"it answers {found[0]} instead of {expected[0]}"

    broken: dict[str, str] = {}

    def narrow_down(groups: Sequence[Group]) -> None:
        reason = problem(groups)
        if reason is None:
            return
        if len(groups) == 1:
            broken[groups[0].name] = f"the forward pass breaks without: {reason}"
            return
        middle = len(groups) // 2
        narrow_down(groups[:middle])
        narrow_down(groups[middle:])

    narrow_down(graph.groups)
    # Each of the others works alone or in company; where all of them together do not, they are let in one by one.
    left = [group for group in graph.groups if group.name not in broken]
    if broken and left and problem(left) is not None:
        together: list[Group] = []
        for group in left:
            reason = problem([*together, group])
            if reason is None:
                together.append(group)
            else:
                broken[group.name] = f"the forward pass breaks together with others: {reason}"
    return broken


def _about_half(num_units: int) -> int:
    """Return how many to try without, so that an odd number stays: code that needs an even width is found too."""
    half = num_units // 2
    return half if (num_units - half) % 2 else max(1, half - 1)
