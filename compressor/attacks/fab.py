"""Targeted Fast Adaptive Boundary (Croce and Hein, arXiv 1907.02044): walk along a decision boundary, close to home.

Each iterate is taken to the linearised boundary, together with the clean image, and pulled back once it is wrong. The
schedule is that of the reference (github.com/fra31/auto-attack); ours drops an image at the first wrong iterate that
lies within the threat, where the reference looks only after all steps of a class.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from compressor.attacks.ball import Ball, distances, row_sums
from compressor.attacks.losses import difference, likeliest_wrong
from compressor.attacks.model import AttackedModel
from compressor.attacks.plane import step_to_plane
from compressor.attacks.standing import Standing, answered_right, kept
from compressor.attacks.threat import Threat

SHORTEST = 1e-8
"""Steps count as at least so long when they are compared, as in the reference."""

START = 0.5
"""Restarts begin so far out, as a share of epsilon."""


def fab_targeted(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    num_targets: int = 9,
    num_steps: int = 100,
    num_restarts: int = 1,
    alpha_max: float = 0.1,
    overshoot: float = 1.05,
    backward: float = 0.9,
    clean_logits: Tensor | None = None,
) -> Tensor:
    """Look for the nearest image of each of the likeliest wrong classes.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the random starts of all restarts but the first, which begins at the image.
        num_targets: wrong classes to try, likeliest on the clean image first; at most K - 1 are.
        num_steps: gradient steps towards each class.
        num_restarts: how often to try each class.
        alpha_max: largest share that the clean image's own step has in the next iterate.
        overshoot: by what steps to the boundary are multiplied (eta in the paper).
        backward: share of its way that a wrong iterate outside the threat keeps (beta in the paper).
        clean_logits: (n, K) the model's answers to the images, where they are known; None: it is asked.

    Returns:
        (n, C, H, W) float32 within the threat: the iterate that broke the image, or the nearest to it.

    Source: arXiv 1907.02044, algorithm 1, in the targeted form of arXiv 2003.01690.
    """
    standing = Standing(images, labels, seeds, threat)
    logits = model.logits(images, seeds) if clean_logits is None else clean_logits
    standing.judge(images, logits)
    targets = likeliest_wrong(logits, labels, min(num_targets, logits.shape[1] - 1))
    for column in range(targets.shape[1]):
        for restart in range(num_restarts):
            if not len(standing):
                return standing.best
            start = standing.clean
            if restart:
                start = standing.ball.surface(standing.seeds, f"fab {column} {restart}", share=START)
            target = targets[standing.rows, column]
            _walk(
                model,
                standing,
                start,
                target,
                num_steps=num_steps,
                alpha_max=alpha_max,
                overshoot=overshoot,
                backward=backward,
            )
    return standing.best


def _walk(
    model: AttackedModel,
    standing: Standing,
    iterates: Tensor,
    target: Tensor,
    *,
    num_steps: int,
    alpha_max: float,
    overshoot: float,
    backward: float,
) -> None:
    """Walk once from a start (m, C, H, W) to the target classes (m,)."""
    targets: Sequence[Tensor] = (target,)
    for _ in range(num_steps):
        if not len(standing):
            return
        _, losses, gradient = model.loss_and_gradient(
            iterates, difference, standing.labels, *targets, seeds=standing.seeds
        )
        iterates = _next(standing.ball, iterates, losses, gradient, alpha_max=alpha_max, overshoot=overshoot)
        logits = model.logits(iterates, standing.seeds)
        is_right = answered_right(logits, standing.labels)
        stands = standing.judge(iterates, logits, standing.ball.contains(iterates))
        iterates, is_right, *targets = kept(stands, iterates, is_right, *targets)
        pulled = standing.clean + (iterates - standing.clean) * backward
        iterates = torch.where(is_right.reshape(-1, 1, 1, 1), iterates, pulled)


def _next(
    ball: Ball, iterates: Tensor, losses: Tensor, gradient: Tensor, *, alpha_max: float, overshoot: float
) -> Tensor:
    """Step from the iterate and from the clean image to the linearised boundary, and mix: the nearer has more say."""
    norm = ball.threat.norm
    gap = -losses
    onward = step_to_plane(iterates, gradient, gap, norm)
    outward = step_to_plane(ball.clean, gradient, gap + row_sums(gradient * (iterates - ball.clean)), norm)
    near, far = (distances(step, norm).float().clamp_min(SHORTEST) for step in (onward, outward))
    alpha = (near / (near + far)).clamp_max(alpha_max).reshape(-1, 1, 1, 1)
    mixed = (iterates + overshoot * onward) * (1 - alpha) + (ball.clean + overshoot * outward) * alpha
    return mixed.clamp(0.0, 1.0)
