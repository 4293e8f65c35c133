"""What the select images say about weights. The best epoch is chosen by this, and by nothing else."""

from collections.abc import Callable, Sized
from dataclasses import dataclass

import torch
from torch import nn

from compressor.attacks.threat import parse_threat
from compressor.data.images import ImageSet, stratified
from compressor.errors import CertifyError
from compressor.evaluate import chunk_size, evaluate
from compressor.finetune.adversarial import perturb
from compressor.finetune.randomness import Noise
from compressor.finetune.recipe import Recipe
from compressor.runtime.crew import ALONE, Crew

NUM_PROBES = 512
"""Select images attacked each time in adversarial training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good some weights are."""

    accuracy: float
    """Share of the select images answered right, in [0, 1]."""
    robust_accuracy: float | None
    """Share of a sample right under the inner attack; None when training is natural."""

    @property
    def decisive(self) -> float:
        """The number to compare: on natural images alone, adversarial training would lose to none."""
        return self.accuracy if self.robust_accuracy is None else self.robust_accuracy


def judge(
    classifier: nn.Module, select: ImageSet, *, recipe: Recipe, device: torch.device, crew: Crew = ALONE
) -> Score:
    """Score a classifier; it is in evaluation mode afterwards.

    Each process of a crew answers its own images, none twice, and all get the same score.

    Args:
        classifier: images in [0, 1] to logits, on `device`.
        select: the select images.
        recipe: says whether and how they are attacked too.
        device: where.
        crew: the processes that share the images.

    Raises:
        CertifyError: the classifier answers NaN or infinity.
    """
    classifier.eval()
    size = chunk_size(select.shape)
    own = select if crew.size == 1 else select.take(_share(len(select), size, crew))
    accuracy = _counted(lambda: int(evaluate(classifier, own, device=device).right.sum()), own, crew) / len(select)
    if recipe.adversarial is None:
        return Score(accuracy=accuracy, robust_accuracy=None)
    probes = stratified(select, NUM_PROBES, seed=recipe.seed)
    share = _share(len(probes), size, crew)
    num_right = _counted(lambda: _num_robust(classifier, probes, share, recipe, device), share, crew)
    return Score(accuracy=accuracy, robust_accuracy=num_right / len(probes))


def _share(num: int, size: int, crew: Crew) -> range:
    """Return which of `num` images this process answers: whole chunks, so that each image keeps its place in one."""
    each = -(-num // (size * crew.size)) * size
    return range(min(crew.rank * each, num), min((crew.rank + 1) * each, num))


def _counted(count: Callable[[], int], own: Sized, crew: Crew) -> int:
    """Return what all processes counted. An answer that is no number stops all of them."""
    try:
        found: int | str = count() if len(own) else 0
    except CertifyError as error:
        if crew.size == 1:
            raise
        found = error.message
    total = 0
    for each in crew.gathered(found):
        if isinstance(each, str):
            raise CertifyError(each)
        total += each
    return total


def _num_robust(classifier: nn.Module, probes: ImageSet, share: range, recipe: Recipe, device: torch.device) -> int:
    """Return how many of the probes in `share` stay right under the inner attack."""
    assert recipe.adversarial is not None
    threat, num_right = parse_threat(recipe.adversarial), 0
    for start in range(share.start, share.stop, recipe.micro_batch):
        indices = torch.arange(start, min(start + recipe.micro_batch, share.stop))
        images = probes.read(indices.tolist()).to(device)
        labels = torch.as_tensor(probes.labels[indices.numpy()]).to(device)
        source = Noise.of("judge", recipe.seed, indices=indices.to(device))
        attacked = perturb(classifier, images, labels, threat=threat, num_steps=recipe.adversarial_steps, source=source)
        classifier.eval()
        with torch.no_grad():
            num_right += int((classifier(attacked).argmax(dim=1) == labels).sum())
    return num_right
