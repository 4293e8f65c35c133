"""Filters that are quiet on average leave first: the mean absolute value of their maps after activation.

Source: Tan and Motani, DropNet, arXiv 2207.06646, the criterion "ExpectedABS" of Jordao and Pedrini, arXiv 2108.04890.
Differs: one pass, where the paper prunes and trains in turns; averaged over the layers that make the unit (see
`over_maps`), as far as their maps can be seen; where no activation follows a layer, its normalised output counts.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.maps import Stage, each_map, over_maps
from compressor.prune.criteria.passes import at_rest
from compressor.types import Skipped

NUM_IMAGES = 512


def score(groups: Sequence[Group], material: Material) -> tuple[Scores | Skipped, ...]:
    """Return the relative mean absolute value of each unit's maps on 512 training images.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "expected-abs", num_images=NUM_IMAGES)
    means: dict[str, Scores] = {}

    def note(maker: str, _: int, maps: Tensor) -> None:
        # Divided by the images at once, so that chunks of any size add up to a mean.
        found = (
            maps.abs().flatten(2).double().mean(dim=2).sum(dim=0) if maps.ndim > 2 else maps.abs().double().sum(dim=0)
        )
        means[maker] = means.get(maker, np.zeros(len(found))) + found.numpy() / len(images)

    with at_rest(classifier, seed=material.seed):
        each_map(groups, material, classifier, images, until=Stage.ACTIVATED, note=note)
    return over_maps(groups, means, reason="no layer that makes it has maps that expected-abs could see")
