"""Filters with small weights leave first: the Euclidean norm.

Source: He et al., Soft Filter Pruning, arXiv 1808.06866. Differs: the norm only; filters are removed here, not zeroed
and regrown.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, over_makers, row_by_row


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the relative L2 norm of each unit's filters."""
    return over_makers(groups, material, row_by_row(_norms))


def _norms(weights: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(weights, dim=1, dtype=torch.float64)
    return norms
