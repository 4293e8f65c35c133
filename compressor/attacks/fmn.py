"""Fast Minimum-Norm (Pintor et al., arXiv 2102.12827): how near the nearest wrong image is, in one run.

Gradient steps inside a ball whose radius shrinks where the iterate is wrong and grows where it is right. The distance
of the nearest wrong iterate says at which epsilons an image stands, so one run gives the accuracy at every epsilon.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.attacks.ball import L2_SLACK, Ball, distances, l1_normalised, l2_length, row_sums, steepest
from compressor.attacks.losses import margin
from compressor.attacks.model import AttackedModel
from compressor.attacks.standing import answered_right, kept
from compressor.attacks.threat import Threat
from compressor.types import Norm

LAST_STEP, LAST_RATE = 0.01, 0.02
"""What step size and rate have come down to at the end, as shares of the first: those of the reference."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """The nearest wrong image found for each of n images."""

    images: Tensor
    """(n, C, H, W) float32 in [0, 1]; the clean image where none was found."""
    distances: Tensor
    """(n,) float64, from the clean image; 0 where that is wrong itself, infinite where no wrong image was found."""


def fmn(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    num_steps: int = 100,
    step_size: float = 1.0,
    rate: float = 0.05,
) -> Tensor:
    """Look for a wrong image within a threat. An image leaves once it has one.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64.
        num_steps: gradient steps.
        step_size: as in `nearest_wrong`.
        rate: as in `nearest_wrong`.

    Returns:
        (n, C, H, W) float32 within the threat: the image that broke it; or the nearest wrong one, taken back into it.

    Source: arXiv 2102.12827, algorithm 1; see `nearest_wrong`.
    """
    enough = threat.radius * (1 - L2_SLACK if threat.norm is Norm.L2 else 1)
    found = nearest_wrong(
        model,
        images,
        labels,
        norm=threat.norm,
        seeds=seeds,
        enough=enough,
        num_steps=num_steps,
        step_size=step_size,
        rate=rate,
    )
    return Ball(images, threat).project(found.images)


def nearest_wrong(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    seeds: Tensor,
    enough: float = 0.0,
    num_steps: int = 100,
    step_size: float = 1.0,
    rate: float = 0.05,
) -> Nearest:
    """Look for the nearest image that is answered wrong.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        norm: in which to be near.
        seeds: (n,) int64; nothing is drawn, but an image's bits follow its seed (see `AttackedModel`).
        enough: an image whose distance is at most this leaves.
        num_steps: gradient steps.
        step_size: of the first step, as a share of the radius; it falls to a hundredth.
        rate: share by which the radius first grows or shrinks; it falls to a fiftieth.

    Returns:
        The nearest wrong images and their distances. A distance bounds the true one from above.

    Source: arXiv 2102.12827, algorithm 1. Differences: the length of a step follows the radius, not the scale of the
    images, so that one setting serves every model; where no wrong image is known yet the radius grows at least by
    `rate`; for linf the gradient is divided by the mean of its absolute values.
    """
    found = Nearest(images=images.clone(), distances=_infinite(images))
    run = _Run(
        clean=images,
        now=images,
        labels=labels,
        seeds=seeds,
        rows=torch.arange(len(images), device=images.device),
        radius=torch.zeros_like(found.distances),
        nearest=found.distances.clone(),
    )
    for step in range(num_steps):
        if not len(run.rows):
            return found
        cosine = 0.5 * (1 + math.cos(math.pi * step / num_steps))
        length = step_size * (LAST_STEP + (1 - LAST_STEP) * cosine)
        change = rate * (LAST_RATE + (1 - LAST_RATE) * cosine)
        logits, losses, gradient = model.loss_and_gradient(run.now, margin, run.labels, seeds=run.seeds)
        is_right, goes_on = _look(run, found, logits, norm, enough)
        is_right, losses, gradient = kept(goes_on, is_right, losses, gradient)
        run.keep(goes_on)
        _resize(run, is_right, losses, gradient, norm=norm, change=change)
        _step(run, gradient, norm, length)
    if len(run.rows):
        _look(run, found, model.logits(run.now, run.seeds), norm, enough)
    return found


@dataclass(slots=True)
class _Run:
    """The state of the images that are still searched for: m rows each."""

    clean: Tensor
    now: Tensor
    """Current iterate (m, C, H, W)."""
    labels: Tensor
    seeds: Tensor
    rows: Tensor
    """Their places among all images (m,)."""
    radius: Tensor
    """Of the ball that the next iterate lies in (m,) float64."""
    nearest: Tensor
    """Distance of the nearest wrong iterate so far (m,) float64; infinite: none."""

    def keep(self, goes_on: Tensor) -> None:
        """Drop the rows of images that are done."""
        for name in self.__slots__:
            (value,) = kept(goes_on, getattr(self, name))
            setattr(self, name, value)


def _infinite(images: Tensor) -> Tensor:
    return torch.full((len(images),), torch.inf, dtype=torch.float64, device=images.device)


def _look(run: _Run, found: Nearest, logits: Tensor, norm: Norm, enough: float) -> tuple[Tensor, Tensor]:
    """Note which iterates are wrong and nearer than before; return which are right, and who goes on: (m,) bool."""
    is_right = answered_right(logits, run.labels)
    far = distances(run.now - run.clean, norm)
    nearer = ~is_right & (far < run.nearest)
    run.nearest = torch.where(nearer, far, run.nearest)
    found.distances[run.rows[nearer]] = far[nearer]
    found.images[run.rows[nearer]] = run.now[nearer]
    return is_right, run.nearest > enough


def _resize(run: _Run, is_right: Tensor, losses: Tensor, gradient: Tensor, *, norm: Norm, change: float) -> None:
    """Shrink the ball of wrong iterates and grow that of right ones: to the linearised boundary at first."""
    slope = row_sums(gradient.double().abs()) if norm is Norm.LINF else distances(gradient, norm)
    guess = distances(run.now - run.clean, norm) + losses.double().abs().nan_to_num(0.0) / slope.clamp_min(1e-300)
    grown = run.radius * (1 + change)
    grown = torch.where(run.nearest.isinf(), grown.maximum(guess), grown)
    shrunk = (run.radius * (1 - change)).minimum(run.nearest)
    farthest = distances(run.clean.maximum(1 - run.clean), norm)
    run.radius = torch.where(is_right, grown, shrunk).minimum(farthest)


def _step(run: _Run, gradient: Tensor, norm: Norm, length: float) -> None:
    """Climb the margin by a share of the radius, and come back into the ball and the box."""
    direction = l1_normalised(gradient) if norm is Norm.LINF else steepest(gradient, norm)
    radius = run.radius.float().reshape(-1, 1, 1, 1)
    moved = run.now + length * radius * direction - run.clean
    if norm is Norm.LINF:
        moved = moved.minimum(radius).maximum(-radius)
    else:
        moved = moved * (radius / l2_length(moved).clamp_min(1e-30)).clamp_max(1.0)
    run.now = (run.clean + moved).clamp(0.0, 1.0)
