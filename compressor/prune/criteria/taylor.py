"""Units whose absence would change the loss least leave first, by a first-order expansion.

Source: Molchanov et al., Importance Estimation for Neural Network Pruning, arXiv 1906.10771: (sum over the unit of
gradient times weight) squared, averaged over batches. The sum runs over the filters that make the unit, with their
biases and normalisation. Differs: gradients are taken in eval mode, so that no image depends on its batch.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from compressor.data.images import stratified
from compressor.errors import PruneError
from compressor.prune.coupling import Group, Role
from compressor.prune.criteria.contract import Material, Scores, rows

NUM_IMAGES = 512
BATCH_SIZE = 64


def score(groups: Sequence[Group], material: Material) -> tuple[Scores, ...]:
    """Return the mean squared first-order change of the loss on 512 training images, for each unit.

    Raises:
        PruneError: there are no training images, or no normalisation is known.
    """
    if material.train is None or material.classifier is None:
        raise PruneError(
            "criterion taylor needs training images and their normalisation",
            advice="add --data with training images and --preprocess, or take a criterion without data: l1, l2, fpgm",
        )
    images = stratified(material.train, NUM_IMAGES, seed=material.seed)
    parameters = dict(material.model.named_parameters())
    totals = [np.zeros(group.num_units) for group in groups]
    was_training = material.classifier.training
    frozen = [parameter for parameter in parameters.values() if not parameter.requires_grad]
    material.classifier.eval()
    for parameter in frozen:
        parameter.requires_grad = True
    try:
        for start in range(0, len(images), BATCH_SIZE):
            chosen = range(start, min(start + BATCH_SIZE, len(images)))
            labels = torch.from_numpy(images.labels[start : start + BATCH_SIZE])
            with torch.enable_grad():
                loss = F.cross_entropy(material.classifier(images.read(chosen)), labels)
                gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            changes = {
                name: gradient * parameter.detach()
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
                if gradient is not None
            }
            for number, group in enumerate(groups):
                totals[number] += _change(group, changes) ** 2 * len(chosen) / len(images)
    finally:
        for parameter in frozen:
            parameter.requires_grad = False
        material.classifier.train(was_training)
    return tuple(totals)


def _change(group: Group, changes: dict[str, torch.Tensor]) -> Scores:
    total = np.zeros(group.num_units)
    for member in group.members:
        if member.role in (Role.OUT, Role.ALONG) and member.tensor in changes:
            total += rows(member, changes[member.tensor]).sum(dim=1, dtype=torch.float64).numpy()
    return total
