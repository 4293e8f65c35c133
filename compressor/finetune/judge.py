"""What the select images say about weights. The best epoch is chosen by this, and by nothing else."""

from dataclasses import dataclass

import torch
from torch import nn

from compressor.attacks.threat import parse_threat
from compressor.data.images import ImageSet, stratified
from compressor.evaluate import evaluate
from compressor.finetune.adversarial import perturb
from compressor.finetune.pixels import split_evenly
from compressor.finetune.randomness import generator
from compressor.finetune.recipe import Recipe

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


def judge(classifier: nn.Module, select: ImageSet, *, recipe: Recipe, device: torch.device) -> Score:
    """Score a classifier (images in [0, 1] to logits, on `device`); it is in evaluation mode afterwards."""
    classifier.eval()
    accuracy = evaluate(classifier, select, device=device).accuracy
    if recipe.adversarial is None:
        return Score(accuracy=accuracy, robust_accuracy=None)
    threat = parse_threat(recipe.adversarial)
    probes = stratified(select, NUM_PROBES, seed=recipe.seed)
    num_right = 0
    for number, indices in enumerate(split_evenly(torch.arange(len(probes)), recipe.batch_size)):
        images = probes.read(indices.tolist()).to(device)
        labels = torch.as_tensor(probes.labels[indices.numpy()]).to(device)
        source = generator("judge", recipe.seed, number, device=device)
        attacked = perturb(classifier, images, labels, threat=threat, num_steps=recipe.adversarial_steps, source=source)
        with torch.no_grad():
            num_right += int((classifier(attacked).argmax(dim=1) == labels).sum())
    return Score(accuracy=accuracy, robust_accuracy=num_right / len(probes))
