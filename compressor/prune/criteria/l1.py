"""Filters with small weights leave first: the sum of absolute weights.

Source: Li et al., Pruning Filters for Efficient ConvNets, arXiv 1608.08710. Differs: units of coupled layers are scored
over all layers that make them (see `over_makers`), where the paper looks at one layer.
"""

from collections.abc import Sequence

import torch

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers, row_by_row


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the relative L1 norm of each unit's filters."""
    return over_makers(groups, material, row_by_row(lambda weights: weights.abs().sum(dim=1, dtype=torch.float64)))
