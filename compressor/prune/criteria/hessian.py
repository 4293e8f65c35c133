"""Units whose absence would change the loss least leave first, by a second-order expansion.

At a minimum of the loss the first-order term vanishes; what is left is half the curvature times the squared weight,
here with the Fisher information on the diagonal in place of the Hessian: the squared gradient of each image's loss.

Source: Theis et al., Faster gaze prediction with dense networks and Fisher pruning, arXiv 1801.05787, after LeCun et
al., Optimal Brain Damage (1989). Differs: a unit's score is the sum over its parameters (the filters that make it, with
their biases and normalisation), where the paper also puts a gate on the feature map. That is what keeps it apart from
`taylor`, whose square is taken after the sum.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.passes import at_rest, mean_change

NUM_IMAGES = 256


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return half the sum of Fisher information times squared weight on 256 training images, for each unit.

    The square is of one image's gradient, hence one backward pass for each image.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "hessian", num_images=NUM_IMAGES)
    with at_rest(classifier, seed=material.seed):
        return mean_change(groups, material, classifier, images, batch_size=1, of_filter=_squares, of_unit=_half)


def _squares(changes: Tensor) -> Tensor:
    return changes.to(torch.float64).square().sum(dim=1)


def _half(change: Scores) -> Scores:
    return change / 2
