"""Projected gradient descent (Madry et al., arXiv 1706.06083), with early exit."""

import torch
from torch import Tensor

from compressor.attacks.ball import steepest
from compressor.attacks.losses import UNTARGETED
from compressor.attacks.model import AttackedModel
from compressor.attacks.standing import Standing, kept
from compressor.attacks.threat import Threat


def pgd(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    loss: str = "ce",
    num_steps: int = 10,
    step_size: float = 0.25,
    num_restarts: int = 1,
    random_start: bool = True,
) -> Tensor:
    """Climb the loss in equal steps, back into the ball after each.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the random starts.
        loss: a name of `losses.UNTARGETED`.
        num_steps: gradient steps of each restart.
        step_size: of one step, as a fraction of epsilon.
        num_restarts: how often to begin anew with what still stands.
        random_start: begin at a random point of the ball, not at the image.

    Returns:
        (n, C, H, W) float32 within the threat: the iterate that broke the image, or the nearest to it.

    Source: arXiv 1706.06083; any iterate may break an image, not only the last.
    """
    standing = Standing(images, labels, seeds, threat)
    for restart in range(num_restarts):
        if not len(standing):
            break
        iterates = standing.ball.start(standing.seeds, f"pgd {restart}") if random_start else standing.clean
        _climb(model, standing, iterates, loss, num_steps=num_steps, length=step_size * threat.radius)
    return standing.best


def _climb(
    model: AttackedModel, standing: Standing, iterates: Tensor, loss: str, *, num_steps: int, length: float
) -> None:
    for _ in range(num_steps):
        logits, _, gradient = model.loss_and_gradient(iterates, UNTARGETED[loss], standing.labels, seeds=standing.seeds)
        iterates, gradient = kept(standing.judge(iterates, logits), iterates, gradient)
        if not len(standing):
            return
        step = steepest(gradient, standing.ball.threat.norm)
        iterates = standing.ball.project(torch.add(iterates, step, alpha=length))
    standing.finish(model, iterates)
