"""The block with the smallest mean absolute weight leaves first.

Source: Li et al., Pruning Filters for Efficient ConvNets, arXiv 1608.08710. Differs: the mean, not the sum, and over a
whole block: a wide block is not more important for being wide.
"""

from collections.abc import Sequence

import numpy as np
import torch

from compressor.prune.block_criteria.contract import BlockScores
from compressor.prune.block_criteria.probe import Probe
from compressor.prune.blocks import Block


def score(left: Sequence[Block], _: Sequence[Block], probe: Probe) -> BlockScores:
    """Return the mean absolute weight of each block's layers; 0 for a block whose matrices are no parameters."""
    found = []
    for block in left:
        parameters = probe.material.model.get_submodule(block.name).parameters()
        weights = [parameter.detach() for parameter in parameters if parameter.ndim > 1]
        total = sum(float(weight.abs().sum(dtype=torch.float64)) for weight in weights)
        found.append(total / max(1, sum(weight.numel() for weight in weights)))
    return np.array(found)
