"""Any filter may leave: the control that every criterion has to beat.

Source: Mittal et al., Recovering from Random Pruning, arXiv 1801.10447.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return uniform numbers in [0, 1) that depend on the seed and the name of the group only."""
    return tuple(_draw(group, material.seed) for group in groups)


def _draw(group: Group, seed: int) -> Scores:
    digest = hashlib.sha256(f"{seed}:{group.name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little")).random(group.num_units)
