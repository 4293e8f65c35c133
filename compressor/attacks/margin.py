"""A cheap cascade that reaches most of what AutoAttack reaches: the margin first, then the likeliest wrong classes.

Each stage starts from the clean image and takes steps with momentum whose length falls from epsilon to zero.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.attacks.ball import l1_normalised, steepest
from compressor.attacks.losses import Loss, difference, likeliest_wrong, probability_margin
from compressor.attacks.model import AttackedModel
from compressor.attacks.standing import Standing, kept
from compressor.attacks.threat import Threat


def margin_cascade(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    num_steps: int = 20,
    num_targets: int = 3,
    momentum: float = 0.75,
    clean_logits: Tensor | None = None,
) -> Tensor:
    """Climb the probability margin, then the logit difference to each of the likeliest wrong classes.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64.
        num_steps: gradient steps of each stage.
        num_targets: wrong classes to try, likeliest on the clean image first; at most K - 1 are.
        momentum: share of the last direction that is kept.
        clean_logits: (n, K) the model's answers to the images, where they are known; None: it is asked.

    Returns:
        (n, C, H, W) float32 within the threat: the iterate that broke the image, or the nearest to it.

    Source: the margin is that of arXiv 2411.15210; momentum on L1-normalised gradients is that of arXiv 1710.06081.
    """
    standing = Standing(images, labels, seeds, threat)
    logits = model.logits(images, seeds) if clean_logits is None else clean_logits
    standing.judge(images, logits)
    targets = likeliest_wrong(logits, labels, min(num_targets, logits.shape[1] - 1))
    _climb(model, standing, probability_margin, num_steps=num_steps, momentum=momentum)
    for column in range(targets.shape[1]):
        if not len(standing):
            break
        target = targets[standing.rows, column]
        _climb(model, standing, difference, target, num_steps=num_steps, momentum=momentum)
    return standing.best


def _climb(
    model: AttackedModel, standing: Standing, loss: Loss, *given: Tensor, num_steps: int, momentum: float
) -> None:
    """Climb from the clean images. `given`: the target classes (m,) where the loss wants them."""
    threat = standing.ball.threat
    iterates, direction = standing.clean, torch.zeros_like(standing.clean)
    targets: Sequence[Tensor] = given
    for step in range(num_steps):
        if not len(standing):
            return
        logits, _, gradient = model.loss_and_gradient(iterates, loss, standing.labels, *targets, seeds=standing.seeds)
        stands = standing.judge(iterates, logits)
        iterates, direction, gradient, *targets = kept(stands, iterates, direction, gradient, *targets)
        direction = momentum * direction + l1_normalised(gradient)
        length = threat.radius * 0.5 * (1 + math.cos(math.pi * step / num_steps))
        iterates = standing.ball.project(iterates + length * steepest(direction, threat.norm))
    standing.finish(model, iterates)
