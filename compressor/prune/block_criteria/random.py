"""Any block may leave: the control that every criterion has to beat.

Source: Mittal et al., Recovering from Random Pruning, arXiv 1801.10447.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from compressor.prune.block_criteria.contract import BlockScores
from compressor.prune.block_criteria.probe import Probe
from compressor.prune.blocks import Block


def score(left: Sequence[Block], _: Sequence[Block], probe: Probe) -> BlockScores:
    """Return uniform numbers in [0, 1) that depend on the seed and the name of the block only."""
    digests = [hashlib.sha256(f"{probe.material.seed}:{block.name}".encode()).digest() for block in left]
    return np.array([int.from_bytes(digest[:6], "little") / 2**48 for digest in digests])
