"""Filters with small weights leave first: the Euclidean norm.

Source: He et al., Soft Filter Pruning, arXiv 1808.06866. Differs: the norm only; filters are removed here, not zeroed
and regrown.
"""

from collections.abc import Sequence

import torch

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the relative L2 norm of each unit's filters."""
    return over_makers(groups, material, lambda weights: torch.linalg.vector_norm(weights, dim=1, dtype=torch.float64))
