"""The block that several measures of likeness agree on leaves first: the lowest sum of ranks.

Source: Layer Pruning with Consensus: A Triple-Win Solution, arXiv 2411.14345. Each measure ranks the blocks by how
unlike the features are without them. Differs: five measures, which are linear and Gaussian kernel alignment, the best
rotation, Gaussians per class with alpha 1, and the Wasserstein distance of all numbers; not the best permutation (its
solver is cubic in the features), not alpha 0 and 2 of the same Gaussians, and not the best linear map, which explains
everything where there are more features than images. Equal blocks share their mean rank. 128 training images, and no
fine-tuning between removals.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.prune.block_criteria.contract import BlockScores
from compressor.prune.block_criteria.probe import Probe
from compressor.prune.block_criteria.similarity import MEASURES
from compressor.prune.blocks import Block


def score(left: Sequence[Block], gone: Sequence[Block], probe: Probe) -> BlockScores:
    """Return the sum of ranks for each block."""
    missing = probe.without(gone, left)
    table = [[measure(probe.full, features, probe.labels) for features in missing] for measure in MEASURES]
    return rank_sum(np.array(table))


def rank_sum(table: NDArray[np.float64]) -> BlockScores:
    """Return the sum over the rows of each column's rank in its row: 1 is the lowest, equal numbers share the mean.

    Args:
        table: (num_measures, num_blocks).
    """
    below = (table[:, None, :] < table[:, :, None]).sum(axis=2)
    equal = (table[:, None, :] == table[:, :, None]).sum(axis=2)
    total: BlockScores = (below + (equal + 1) / 2).sum(axis=0)
    return total
