"""What was proved beside the battery, as a certificate states it. A record; standard library and pydantic only."""

from dataclasses import dataclass

from compressor.records import Count, strict
from compressor.types import Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class MarginFall:
    """How far the slim model's margin can fall below the dense one's within the threat, in logits; upper bounds.

    A margin is the right logit minus the largest other one. Each number holds for its share of the images that the
    dense model answers right: over all that the threat reaches, the margin falls by no more.
    """

    num_images: Count
    """Right on the dense model."""
    median: float | None
    """No more than this for half of them. None where out of reach, or without an image."""
    p90: float | None
    """No more than this for nine tenths of them."""
    out_of_reach: str | None
    """Why there is none, naming the operator or the size."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """The smoothed classifier (Cohen et al., arXiv 1902.02918): another classifier than the one that ships."""

    sigma: str
    """Standard deviation of the noise: epsilon itself, exact."""
    num_choosing: Count
    """Draws that choose the class."""
    num_draws: Count
    """Draws that bound how often it comes."""
    alpha: float
    """Chance, for each image, that its certificate is false."""
    num_images: Count
    """Looked at: a seeded random part of the images."""
    num_abstained: Count
    certified_accuracy: float
    """Share of those images on which the smoothed classifier is right everywhere within epsilon."""
    interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """What was proved under one threat, about the torch network in real arithmetic."""

    method: str | None
    """`alpha-crown`, or `crown-ibp` where the network is larger; None where out of reach."""
    num_proved: Count
    """Images that are right and proved to stay right."""
    interval: Interval | None
    """On the proved share; None where out of reach."""
    out_of_reach: str | None
    """Why there is no proof, naming the operator or the size."""
    margin_fall: MarginFall | None
    """None without a baseline."""
    smoothing: Smoothing | None
    """None for other norms than l2."""
