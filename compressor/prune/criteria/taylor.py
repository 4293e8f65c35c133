"""Units whose absence would change the loss least leave first, by a first-order expansion.

Source: Molchanov et al., Importance Estimation for Neural Network Pruning, arXiv 1906.10771: (sum over the unit of
gradient times weight) squared, averaged over batches. The sum runs over the filters that make the unit, with their
biases and normalisation. Differs: gradients are taken in eval mode, so that no image depends on its batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.passes import at_rest, mean_change

NUM_IMAGES = 512
BATCH_SIZE = 64


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the mean squared first-order change of the loss on 512 training images, for each unit.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "taylor", num_images=NUM_IMAGES)
    with at_rest(classifier, seed=material.seed):
        return mean_change(
            groups, material, classifier, images, batch_size=BATCH_SIZE, of_filter=summed, of_unit=squared
        )


def summed(changes: Tensor) -> Tensor:
    """Return the change that all weights of a filter make together: (num_units, n) to (num_units,) float64."""
    return changes.sum(dim=1, dtype=torch.float64)


def squared(change: Scores) -> Scores:
    """Return the square: it does not matter whether the loss would rise or fall."""
    found: Scores = change**2
    return found
