"""Filters whose maps have a low rank leave first: they carry little information.

Source: Lin et al., HRank, arXiv 2002.10179: the mean rank of the H x W maps after activation. The paper finds that
ranks hardly depend on the images. Differs: 128 images, not 500; averaged over the layers that make the unit (see
`over_maps`). Where a layer's maps have no height and width to speak of, their rank is 1 or 0 whatever they hold: single
numbers (linear layers behind the pooling, squeeze-and-excitation) and rows of tokens. Such layers do not count, and
groups that only they make are skipped. The matrix over images and tokens would be no way out: it has full rank.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.maps import Stage, each_map, over_maps
from compressor.prune.criteria.passes import at_rest
from compressor.types import Skipped

NUM_IMAGES = 128


def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
    """Return the relative mean rank of each unit's maps on 128 training images.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "hrank", num_images=NUM_IMAGES)
    ranks: dict[str, Scores] = {}

    def note(maker: str, _: int, maps: Tensor) -> None:
        if maps.ndim == 4 and min(maps.shape[2:]) > 1:
            found = torch.linalg.matrix_rank(maps).sum(dim=0).numpy() / len(images)
            ranks[maker] = ranks.get(maker, np.zeros(len(found))) + found

    with at_rest(classifier, seed=material.seed):
        each_map(groups, material, classifier, images, until=Stage.ACTIVATED, note=note)
    return over_maps(groups, ranks, reason="its maps have no height and width whose rank hrank could measure")
