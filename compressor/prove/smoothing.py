"""Randomized smoothing: a statement about the *smoothed* classifier, never about the network that ships.

The smoothed classifier answers with the class that the network gives most often to the image plus Gaussian noise.
Source: Cohen et al., arXiv 1902.02918, algorithm CERTIFY. What differs: noise belongs to the image (see
`attacks.draws`), and fewer draws, stated below.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from scipy.special import betaincinv, ndtri
from torch import Tensor

from compressor.attacks.draws import normal
from compressor.attacks.model import AttackedModel

NUM_CHOOSING = 100
"""Draws that choose the class; others bound how often it comes."""
NUM_DRAWS = 1000
"""Draws that bound it. The paper takes 100,000: with a thousand, no radius above 2.46 sigma can be certified."""
ALPHA = 0.001
"""Chance, over the noise, that the statement on one image is false."""


class Smoothed(IntEnum):
    """What can be said of one image."""

    NOT_ASKED = -1
    SHORT = 0
    """The smoothed classifier has a class, but it is wrong, or its radius does not reach epsilon."""
    ABSTAINED = 1
    """No class comes surely more often than all others together."""
    CERTIFIED = 2
    """The smoothed classifier answers right everywhere within epsilon in l2, with probability at least 1 - ALPHA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """The answer of the smoothed classifier, and how far it holds."""

    label: int
    radius: float
    """In l2; 0 where it abstains."""


def smoothed_radius(model: AttackedModel, image: Tensor, *, sigma: float, seed: int) -> Radius:
    """Return the class of the smoothed classifier at an image and a radius within which it does not change.

    With probability at least 1 - ALPHA over the noise, class and radius are true; a radius of 0 says nothing.
    Noisy images are not cut off at 0 and 1: the statement is about Gaussian noise.

    Args:
        model: open.
        image: (C, H, W) float32 in [0, 1].
        sigma: standard deviation of the noise, per pixel.
        seed: of the image.
    """
    choosing = _counts(model, image, sigma=sigma, seed=seed, purpose="smoothing: choose", num=NUM_CHOOSING)
    label = int(choosing.argmax())
    counts = _counts(model, image, sigma=sigma, seed=seed, purpose="smoothing: bound", num=NUM_DRAWS)
    least = lower_share(int(counts[label]), NUM_DRAWS, ALPHA)
    return Radius(label=label, radius=sigma * float(ndtri(least)) if least > 0.5 else 0.0)


def verdict_on(found: Radius, label: int, epsilon: float) -> Smoothed:
    """Return what the radius says of an image with this label at this epsilon."""
    if found.radius <= 0:
        return Smoothed.ABSTAINED
    return Smoothed.CERTIFIED if found.label == label and found.radius >= epsilon else Smoothed.SHORT


def lower_share(num_right: int, num: int, alpha: float) -> float:
    """Return the one-sided Clopper-Pearson lower bound on a share, at level 1 - alpha."""
    return 0.0 if num_right == 0 else float(betaincinv(num_right, num - num_right + 1, alpha))


def _counts(model: AttackedModel, image: Tensor, *, sigma: float, seed: int, purpose: str, num: int) -> Tensor:
    """Return how often each class is answered to `num` noisy copies: (K,)."""
    size = model.chunks.size
    counts = torch.zeros(0, dtype=torch.int64)
    for start in range(0, num, 8 * size):
        some = min(8 * size, num - start)
        # One draw per step: the copy's number is part of its noise, and its slot follows from it.
        noise = torch.cat([normal(torch.tensor([seed]), purpose, image.numel(), step=start + k) for k in range(some)])
        copies = image[None] + sigma * noise.reshape(some, *image.shape)
        answers = model.logits(copies, torch.arange(start, start + some)).cpu()
        found = torch.bincount(answers.argmax(1), minlength=answers.shape[1])
        counts = found if not len(counts) else counts + found
    return counts
