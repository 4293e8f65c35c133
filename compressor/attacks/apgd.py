"""Auto-PGD (Croce and Hein, arXiv 2003.01690): a step size that halves where the loss stops growing.

The schedule is that of the reference (github.com/fra31/auto-attack), per image; ours also drops an image at the first
iterate that breaks it, and starts from noise that belongs to the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.attacks.ball import Ball, steepest
from compressor.attacks.losses import UNTARGETED, Loss, likeliest_wrong, targeted_dlr
from compressor.attacks.model import AttackedModel
from compressor.attacks.standing import Standing, kept
from compressor.attacks.threat import Threat

INERTIA = 0.75
"""Share of the new step; the rest repeats the last move."""


def apgd(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    loss: str = "ce",
    num_steps: int = 100,
    num_restarts: int = 1,
    rho: float = 0.75,
) -> Tensor:
    """Climb an untargeted loss.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the random starts.
        loss: a name of `losses.UNTARGETED`; `dlr` needs three classes.
        num_steps: gradient steps of each restart.
        num_restarts: how often to begin anew with what still stands.
        rho: share of steps that must have raised the loss for the step size to stay.

    Returns:
        (n, C, H, W) float32 within the threat: the iterate that broke the image, or the nearest to it.

    Source: arXiv 2003.01690, algorithm 1.
    """
    standing = Standing(images, labels, seeds, threat)
    for restart in range(num_restarts):
        if not len(standing):
            break
        _climb(model, standing, UNTARGETED[loss], purpose=f"apgd-{loss} {restart}", num_steps=num_steps, rho=rho)
    return standing.best


def apgd_targeted(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    num_targets: int = 9,
    num_steps: int = 100,
    num_restarts: int = 1,
    rho: float = 0.75,
    clean_logits: Tensor | None = None,
) -> Tensor:
    """Climb the targeted difference of logits ratio towards each of the likeliest wrong classes.

    Args:
        model: to attack; at least four classes.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the random starts.
        num_targets: wrong classes to try, likeliest on the clean image first; at most K - 1 are.
        num_steps: gradient steps towards each class.
        num_restarts: how often to try all classes anew with what still stands.
        rho: share of steps that must have raised the loss for the step size to stay.
        clean_logits: (n, K) the model's answers to the images, where they are known; None: it is asked.

    Returns:
        (n, C, H, W) float32 within the threat: the iterate that broke the image, or the nearest to it.

    Source: arXiv 2003.01690, section 4.
    """
    standing = Standing(images, labels, seeds, threat)
    logits = model.logits(images, seeds) if clean_logits is None else clean_logits
    standing.judge(images, logits)
    targets = likeliest_wrong(logits, labels, min(num_targets, logits.shape[1] - 1))
    for restart in range(num_restarts):
        for column in range(targets.shape[1]):
            if not len(standing):
                return standing.best
            purpose = f"apgd-targeted {restart} {column}"
            target = targets[standing.rows, column]
            _climb(model, standing, targeted_dlr, target, purpose=purpose, num_steps=num_steps, rho=rho)
    return standing.best


@dataclass(slots=True)
class _Run:
    """One climb's state of the images that stand: m rows each."""

    now: Tensor
    """Current iterate (m, C, H, W)."""
    before: Tensor
    """The iterate before it."""
    gradient: Tensor
    """At the current iterate."""
    top: Tensor
    """The iterate with the largest loss."""
    top_gradient: Tensor
    top_loss: Tensor
    """(m,)"""
    last_loss: Tensor
    """Loss of the step before (m,)."""
    num_rises: Tensor
    """Steps since the last check at which the loss rose (m,)."""
    checked_loss: Tensor
    """`top_loss` at the last check (m,)."""
    just_halved: Tensor
    """Whether the last check halved the step size (m,) bool."""
    step_size: Tensor
    """(m, 1, 1, 1)"""

    def keep(self, stands: Tensor) -> None:
        """Drop the rows of images that fell."""
        if not bool(stands.all()):
            for name in self.__slots__:
                setattr(self, name, getattr(self, name)[stands])


def _climb(
    model: AttackedModel,
    standing: Standing,
    loss: Loss,
    *given: Tensor,
    purpose: str,
    num_steps: int,
    rho: float,
) -> None:
    """Climb once from a random start. `given`: the target classes (m,) where the loss wants them."""
    threat = standing.ball.threat
    start = standing.ball.surface(standing.seeds, purpose)  # as the reference does
    logits, losses, gradient = model.loss_and_gradient(start, loss, standing.labels, *given, seeds=standing.seeds)
    stands = standing.judge(start, logits)
    run = _Run(
        now=start,
        before=start,
        gradient=gradient,
        top=start.clone(),
        top_gradient=gradient.clone(),
        top_loss=losses.clone(),
        last_loss=torch.zeros_like(losses),  # the reference compares the first step with zero, not with the start
        num_rises=torch.zeros_like(losses),
        checked_loss=losses.clone(),
        just_halved=torch.ones_like(losses, dtype=torch.bool),
        step_size=torch.full((len(start), 1, 1, 1), 2 * threat.radius, device=start.device),
    )
    run.keep(stands)
    targets: Sequence[Tensor] = kept(stands, *given)
    window, window_min, window_drop = _windows(num_steps)
    since_check = 0
    for step in range(num_steps):
        if not len(standing):
            return
        _move(run, standing.ball, first=step == 0)
        logits, losses, run.gradient = model.loss_and_gradient(
            run.now, loss, standing.labels, *targets, seeds=standing.seeds
        )
        stands = standing.judge(run.now, logits)
        run.keep(stands)
        losses, *targets = kept(stands, losses, *targets)
        _remember(run, losses)
        since_check += 1
        if since_check == window:
            _check(run, window, rho)
            window, since_check = max(window - window_drop, window_min), 0


def _windows(num_steps: int) -> tuple[int, int, int]:
    """Return the first number of steps between checks, the smallest, and by how much it shrinks."""
    return max(int(0.22 * num_steps), 1), max(int(0.06 * num_steps), 1), max(int(0.03 * num_steps), 1)


def _move(run: _Run, ball: Ball, *, first: bool) -> None:
    """Step along the gradient, and a little further along the last move."""
    inertia = 1.0 if first else INERTIA
    ahead = ball.project(run.now + run.step_size * steepest(run.gradient, ball.threat.norm))
    moved = run.now + (ahead - run.now) * inertia + (run.now - run.before) * (1 - inertia)
    run.before, run.now = run.now, ball.project(moved)


def _remember(run: _Run, losses: Tensor) -> None:
    run.num_rises += losses > run.last_loss
    run.last_loss = losses
    higher = losses > run.top_loss
    run.top[higher], run.top_gradient[higher] = run.now[higher], run.gradient[higher]
    run.top_loss = torch.where(higher, losses, run.top_loss)


def _check(run: _Run, window: int, rho: float) -> None:
    """Halve the step size, and go back to the best iterate, where the loss rose too seldom or not at all."""
    stalled = ~run.just_halved & (run.checked_loss >= run.top_loss)
    halve = (run.num_rises <= rho * window) | stalled
    run.just_halved, run.checked_loss = halve, run.top_loss.clone()
    run.num_rises = torch.zeros_like(run.num_rises)
    rows = halve.reshape(-1, 1, 1, 1)
    run.step_size = torch.where(rows, run.step_size / 2, run.step_size)
    run.now = torch.where(rows, run.top, run.now)
    run.gradient = torch.where(rows, run.top_gradient, run.gradient)
