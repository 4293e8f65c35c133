"""Units whose absence would change the loss on adversarial examples least leave first.

Each training image is moved by one gradient step against the dense model, linf:8/255 on images in [0, 1]; on what comes
out, units are scored like `taylor`. Units that clean images can do without, but that hold the line under attack, stay.

Source: Bai et al., Adaptive Pruning with Module Robustness Sensitivity, arXiv 2410.15176, which takes the sensitivity
of the adversarial loss. Differs: the paper perturbs the weights of a whole layer and sets the layer's ratio by it; here
the sensitivity is that of each unit, to first order (arXiv 1906.10771), and the examples are those of FGSM (arXiv
1412.6572). An image that is answered wrong already stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from compressor.attacks.fgsm import fgsm
from compressor.attacks.model import AttackedModel
from compressor.attacks.threat import parse_threat
from compressor.data.images import ImageSet
from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores, look_at
from compressor.prune.criteria.passes import at_rest, mean_change
from compressor.prune.criteria.taylor import BATCH_SIZE, NUM_IMAGES, squared, summed

THREAT = parse_threat("linf:8/255")


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the mean squared first-order change of the adversarial loss on 512 training images, for each unit.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    classifier, images = look_at(material, "robust", num_images=NUM_IMAGES)
    with at_rest(classifier, seed=material.seed):
        moved = attacked(classifier, images)
        return mean_change(
            groups, material, classifier, moved, batch_size=BATCH_SIZE, of_filter=summed, of_unit=squared
        )


def attacked(classifier: nn.Module, images: ImageSet) -> ImageSet:
    """Return the same images, each moved against the classifier when it is read."""

    def read(indices: Sequence[int]) -> Tensor:
        numbers = torch.as_tensor(list(indices), dtype=torch.int64)
        with AttackedModel(classifier, shape=images.shape) as model:
            labels = torch.from_numpy(images.labels)[numbers]
            return fgsm(model, images.read(indices), labels, threat=THREAT, seeds=numbers)

    return replace(images, reader=read)
