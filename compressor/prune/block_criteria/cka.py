"""The block without which the features stay most alike leaves first.

Source: Pons et al., Effective Layer Pruning Through Similarity Metric Perspective, arXiv 2405.17081. Linear centred
kernel alignment between what enters the last layer of the dense network and of the one without the block. Differs: 128
training images, and no fine-tuning between removals.
"""

from collections.abc import Sequence

import numpy as np

from compressor.prune.block_criteria.contract import BlockScores
from compressor.prune.block_criteria.probe import Probe
from compressor.prune.block_criteria.similarity import linear_cka
from compressor.prune.blocks import Block


def score(left: Sequence[Block], gone: Sequence[Block], probe: Probe) -> BlockScores:
    """Return the negative alignment for each block: -1 where nothing changes without it."""
    return np.array([-linear_cka(probe.full, features) for features in probe.without(gone, left)])
