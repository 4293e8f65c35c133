"""What criteria share that take gradients: a classifier at rest, and how removing a unit would change its loss."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.data.images import ImageSet
from compressor.prune.coupling import Group, Role
from compressor.prune.criteria.contract import Material, Scores, rows


@contextmanager
def at_rest(classifier: nn.Module, *, seed: int) -> Iterator[None]:
    """Put a classifier into eval mode, with a gradient for each of its parameters.

    Afterwards, also on an error, the mode of each module, what needed a gradient, and torch's random state are as they
    were. What a model draws in eval mode follows the seed.
    """
    modes = [(module, module.training) for module in classifier.modules()]
    frozen = [tensor for tensor in classifier.parameters() if tensor.is_floating_point() and not tensor.requires_grad]
    classifier.eval()
    for parameter in frozen:
        parameter.requires_grad = True
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad = False
        for module, was_training in modes:
            module.training = was_training


def mean_change(
    groups: Sequence[Group],
    material: Material,
    classifier: nn.Module,
    images: ImageSet,
    *,
    batch_size: int,
    of_filter: Callable[[Tensor], Tensor],
    of_unit: Callable[[Scores], Scores],
) -> tuple[Scores, ...]:
    """Return a function of gradient times weight for each unit, averaged over batches by their size.

    The parameters of a unit are the filters that make it, with their biases and normalisation. Gradients are those of
    the mean cross entropy of a batch, in eval mode, so that no image depends on its batch.

    Args:
        groups: to score.
        material: whose model is looked at.
        classifier: around that model, at rest.
        images: to take the loss on.
        batch_size: images per gradient.
        of_filter: gradient times weight, (num_units, n), to (num_units,) float64.
        of_unit: the sum of these over all members of a unit, (num_units,) float64, to what is averaged.
    """
    parameters = {name: tensor for name, tensor in material.model.named_parameters() if tensor.is_floating_point()}
    totals = [np.zeros(group.num_units) for group in groups]
    with material.progress.stage("score filters", total=len(images), unit="image") as step:
        for start in range(0, len(images), batch_size):
            chosen = range(start, min(start + batch_size, len(images)))
            labels = torch.from_numpy(images.labels[start : start + batch_size])
            pixels = images.read(chosen)
            with torch.enable_grad():
                loss = F.cross_entropy(classifier(pixels), labels)
                gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            changes = {
                name: gradient * parameter.detach()
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
                if gradient is not None
            }
            for number, group in enumerate(groups):
                totals[number] += of_unit(_summed(group, changes, of_filter)) * len(chosen) / len(images)
            step.advance(len(chosen))
    return tuple(totals)


def _summed(group: Group, changes: dict[str, Tensor], of_filter: Callable[[Tensor], Tensor]) -> Scores:
    total = np.zeros(group.num_units)
    for member in group.members:
        if member.role in (Role.OUT, Role.ALONG) and member.tensor in changes:
            total += of_filter(rows(member, changes[member.tensor])).numpy()
    return total
