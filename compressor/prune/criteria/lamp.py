"""Filters with a small share of what would be left of their layer leave first.

Source: Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning, arXiv 2010.07611: a squared weight divided
by the sum of all squares of its layer that are not smaller. Differs: the weight is a filter, its square the squared L2
norm, averaged over the layers that make the unit (see `over_makers`); equals share their sum, where the paper breaks
ties by place. Within a layer the order is that of `l2`; the score is made for `--global`, and the largest filter of
every layer has score 1, so that no layer is emptied.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers, row_by_row


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return each unit's share of the squared norms that are not smaller than its own, in [0, 1]."""
    return tuple(_share(values) for values in over_makers(groups, material, row_by_row(_squares)))


def _squares(weights: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(weights, dim=1, dtype=torch.float64)
    return norms.square()


def _share(values: Scores) -> Scores:
    order = np.sort(values)
    left = np.cumsum(order[::-1])[::-1]
    found: Scores = values / left[np.searchsorted(order, values)]
    return found
