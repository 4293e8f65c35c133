"""Filters that others can stand in for leave first: those near the geometric median of their layer.

Source: He et al., Filter Pruning via Geometric Median, arXiv 1811.00250. A filter's score is the sum of its distances
to all filters of the layer. Differs: averaged over the layers that make the unit (see `over_makers`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers

BLOCK = 512
"""Filters whose distances are computed at once."""


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the relative sum of distances to the other filters."""
    return over_makers(groups, material, _distances)


def _distances(weights: Tensor) -> Tensor:
    # In blocks, and not by torch.cdist: its copies of a wide linear layer take gigabytes.
    blocks = torch.split(weights, BLOCK)
    found = [torch.zeros(len(block), dtype=torch.float64) for block in blocks]
    for number, block in enumerate(blocks):
        # Close filters would be lost to rounding in float32.
        one = block.to(torch.float64)
        for other in range(number, len(blocks)):
            two = blocks[other].to(torch.float64)
            squares = one.square().sum(dim=1)[:, None] + two.square().sum(dim=1) - 2 * (one @ two.T)
            apart = squares.clamp_min(0).sqrt()
            if other == number:
                apart.fill_diagonal_(0)
            found[number] += apart.sum(dim=1)
            if other > number:
                found[other] += apart.sum(dim=0)
    return torch.cat(found)
