"""What one micro-batch teaches: from images and labels to a loss, by way of mixing, the inner attack and the teacher.

How the parts combine. Images are augmented, then mixed with their targets, then perturbed against those targets. The
teacher answers the mixed natural image, so it is never asked about a perturbed one: in adversarial training the student
learns to answer the perturbed image as the teacher answers the natural one.

Legend: n images in a micro-batch, C channels, H x W pixels, K classes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.attacks.threat import parse_threat
from compressor.finetune.adversarial import FAST_REACH, REACH, climb, disagreement, perturb, random_start, within
from compressor.finetune.features import FeaturePairs
from compressor.finetune.mixing import mixed
from compressor.finetune.objective import loss_of
from compressor.finetune.precision import autocast, compiled
from compressor.finetune.randomness import Noise
from compressor.finetune.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a micro-batch came to."""

    loss: Tensor
    """() float32, to go down from."""
    right: Tensor
    """() int64: images answered right, as trained on."""
    pair: Tensor | None
    """(2,) float32: cross-entropy of the teacher and of the student; None without a teacher."""


class Lesson:
    """Holds the networks and, during the replays of a batch, its perturbations. Nothing else outlives a micro-batch."""

    def __init__(self, classifier: nn.Module, *, teacher: nn.Module | None, recipe: Recipe, example: Tensor) -> None:
        """Take what is needed for every micro-batch.

        Args:
            classifier: images in [0, 1] to logits, what is trained.
            teacher: likewise, in evaluation mode; or None.
            recipe: resolved.
            example: (n, C, H, W) float32 in [0, 1], some images on the device.

        Raises:
            FinetuneError: feature maps are to be compared, and there are none.
            MachineError: the classifier cannot be compiled here.
        """
        self.recipe = recipe
        self.teacher = teacher
        self.device = example.device
        self.threat = None if recipe.adversarial is None else parse_threat(recipe.adversarial)
        is_free = self.threat is not None and recipe.adversarial_method == "free"
        self.num_replays = recipe.adversarial_steps if is_free else 1
        """Steps taken on each batch, one after the other (Shafahi et al., arXiv 1904.12843)."""
        self.num_classes = _num_classes(classifier, example) if recipe.mixup or recipe.cutmix else 0
        self.features: FeaturePairs | None = None
        if teacher is not None and recipe.feature_weight:
            self.features = FeaturePairs(classifier, teacher, example=example)
        self.classifier = compiled(classifier, self.device) if recipe.compile else classifier
        self._deltas: dict[int, Tensor] = {}
        self._carried: tuple[int, Tensor, Tensor] | None = None

    def begin_step(self) -> None:
        """Forget the perturbations of the batch before."""
        self._deltas, self._carried = {}, None

    def learn(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        indices: Tensor,
        epoch: int,
        number: int,
        heed: Tensor | float,
    ) -> Learnt:
        """Return the loss of one micro-batch. Call `carry` after its backward pass.

        Args:
            images: (n, C, H, W) float32 in [0, 1], augmented.
            labels: (n,) int64 in [0, K).
            indices: (n,) int64 on the CPU, places in the set.
            epoch: from 0.
            number: of the micro-batch within its step.
            heed: 1 to listen to the teacher, 0 not to.
        """
        recipe = self.recipe
        images, targets = mixed(
            images, labels, indices=indices, recipe=recipe, epoch=epoch, num_classes=self.num_classes
        )
        natural = round(recipe.natural_share * len(images))
        inputs = images
        if self.threat is not None:
            source = Noise.of("perturb", recipe.seed, epoch, indices=indices.to(self.device))
            inputs = self._hardened(images, targets, natural, number, source)
        with autocast(recipe.precision, self.device):
            logits = self.classifier(inputs)
            taught = None
            if self.teacher is not None:
                with torch.no_grad():
                    taught = self.teacher(images).float()
        logits = logits.float()
        answers, twins = logits[: len(images)], logits[len(images) :]
        loss = loss_of(answers, targets, taught, recipe, heed=heed)
        if len(twins):
            loss = loss + recipe.trades_weight * disagreement(answers, twins) / len(images)
        if self.features is not None:
            loss = loss + recipe.feature_weight * heed * self.features.difference(len(images))
        pair = None
        if taught is not None:
            with torch.no_grad():
                pair = torch.stack([F.cross_entropy(taught, targets), F.cross_entropy(answers, targets)])
        judged = twins if len(twins) else answers
        right = (judged.detach().argmax(dim=1) == labels).sum()
        return Learnt(loss=loss, right=right, pair=pair)

    def carry(self) -> None:
        """After the backward pass: in free training its gradient moves the perturbation for the next replay."""
        if self._carried is None:
            return
        number, images, inputs = self._carried
        assert self.threat is not None
        assert inputs.grad is not None
        moved = inputs.detach() + self.threat.radius * climb(inputs.grad.float(), self.threat)
        natural = round(self.recipe.natural_share * len(images))
        delta = within(moved, images, self.threat) - images
        delta[:natural] = 0
        self._deltas[number] = delta
        self._carried = None

    def _hardened(self, images: Tensor, targets: Tensor, natural: int, number: int, source: Noise) -> Tensor:
        """Return what the model is trained on: all but the natural share perturbed, or images and twins (TRADES)."""
        assert self.threat is not None
        threat, method = self.threat, self.recipe.adversarial_method
        if method == "free":
            if number not in self._deltas:
                start = within(images + random_start(images, threat, source), images, threat) - images
                start[:natural] = 0
                self._deltas[number] = start
            inputs = (images + self._deltas[number]).requires_grad_()
            self._carried = (number, images, inputs)
            return inputs
        is_trades = method == "trades"
        with autocast("fp32" if self.recipe.precision == "fp16" else self.recipe.precision, self.device):
            perturbed = perturb(
                self.classifier,
                images[natural:],
                targets[natural:],
                threat=threat,
                num_steps=1 if method == "fast" else self.recipe.adversarial_steps,
                source=source[natural:],
                reach=FAST_REACH if method == "fast" else REACH,
                from_answers=is_trades,
            )
        return torch.cat([images if is_trades else images[:natural], perturbed])


def _num_classes(classifier: nn.Module, example: Tensor) -> int:
    """Return how many logits there are."""
    was_training = classifier.training
    classifier.eval()
    with torch.no_grad():
        logits: Tensor = classifier(example)
    classifier.train(was_training)
    return logits.shape[1]
