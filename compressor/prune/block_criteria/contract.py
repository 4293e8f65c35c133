"""What a block criterion is: blocks in, one number per block out. The block with the lowest number leaves first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.prune.block_criteria.probe import Probe
from compressor.prune.blocks import Block

BlockScores = NDArray[np.float64]
"""(num_blocks,) float64, finite, higher is more important."""

BlockScore = Callable[[Sequence[Block], Sequence[Block], Probe], BlockScores]
"""Scores for each block that is left in order, given those that are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCriterion:
    """A way to score blocks."""

    score: BlockScore
    source: str
    """The paper."""
    num_images: int = 0
    """Training images that it looks at. Where it does, scores change when a block has left."""
    tries_each: bool = False
    """Whether the network runs once without every block, instead of once as it is."""

    @property
    def needs_images(self) -> bool:
        """Whether training images are required."""
        return self.num_images > 0
