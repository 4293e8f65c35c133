"""Filters that others can stand in for leave first: those near the geometric median of their layer.

Source: He et al., Filter Pruning via Geometric Median, arXiv 1811.00250. A filter's score is the sum of its distances
to all filters of the layer. Differs: averaged over the layers that make the unit (see `over_makers`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the relative sum of distances to the other filters."""
    return over_makers(groups, material, _distances)


def _distances(weights: Tensor) -> Tensor:
    # The fast way to compute distances loses the small ones to rounding in float32.
    exact = weights.to(torch.float64)
    return torch.cdist(exact, exact).sum(dim=1)
