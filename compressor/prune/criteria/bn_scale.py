"""Channels that batch normalisation scales down leave first: the absolute scale.

Source: Liu et al., Network Slimming, arXiv 1708.06519. Differs: the mean over all batch normalisations of a unit; no
sparsity penalty was trained. Scores are not made relative: the paper's threshold is one for the whole network.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from compressor.prune.coupling import Group, Role
from compressor.prune.criteria.contract import Material, Scores, rows
from compressor.types import Skipped


def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
    """Return the mean absolute scale of each unit; Skipped for groups without batch normalisation."""
    scales = {
        f"{name}.weight"
        for name, module in material.model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine
    }
    return tuple(_mean_scale(group, scales, material) for group in groups)


def _mean_scale(group: Group, scales: set[str], material: Material) -> Scores | Skipped:
    found = [member for member in group.members if member.role is Role.ALONG and member.tensor in scales]
    if not found:
        return Skipped(reason="it has no batch normalisation whose scale bn-scale could read")
    values = [rows(member, material.tensors[member.tensor]).abs() for member in found]
    mean: Scores = np.mean([value.mean(dim=1, dtype=torch.float64).numpy() for value in values], axis=0)
    return mean
