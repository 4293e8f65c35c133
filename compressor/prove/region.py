"""The set that an adversary may reach from one image, and the least value of linear functions on it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.attacks.threat import Threat
from compressor.types import Norm

ROUNDING = 1e-9
"""Every bound is moved outwards by this share of the size of the terms that it was summed from. The rounding errors of
float64 sums of so many terms are near 1e-13 of it: this is a generous margin, not interval arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """All images within epsilon of one image in a norm, and in [0, 1]."""

    centre: Tensor
    """(C, H, W) float64 in [0, 1]."""
    norm: Norm
    radius: float
    """Not below the exact epsilon."""
    low: Tensor
    """(C, H, W) the least value of each pixel."""
    high: Tensor


def region_of(image: Tensor, threat: Threat) -> Region:
    """Return what a threat reaches from an image (C, H, W) in [0, 1], rounded outwards."""
    centre = image.double()
    radius = math.nextafter(threat.radius, math.inf)
    return Region(
        centre=centre,
        norm=threat.norm,
        radius=radius,
        low=(centre - radius).clamp_min(0),
        high=(centre + radius).clamp_max(1),
    )


def lowest(rows: Tensor, region: Region) -> Tensor:
    """Return lower bounds on linear functions over the region: (R,).

    Exact for linf. For l2 it is the larger of two values, the least over the box around the ball, and a Lagrangian
    bound on ball and [0, 1] together, min over d of rows d + m (|d|^2 - radius^2) with the m that is best for the ball
    alone; it is never below the dual norm's bound.

    Args:
        rows: (R, C, H, W) float64, one linear function each.
        region: around one image.

    Source: arXiv 1811.00866, section 3.3 (Hoelder's inequality), with the box added.
    """
    flat = rows.flatten(1)
    centre, low, high = region.centre.flatten(), region.low.flatten(), region.high.flatten()
    boxed = flat.clamp_min(0) @ low + flat.clamp_max(0) @ high
    if region.norm is Norm.LINF:
        return boxed
    weight = (flat.square().sum(1, keepdim=True).clamp_min(1e-60).sqrt() / (2 * region.radius)).detach()
    # The box of the images, not the box around the ball: inside the ball both are the same set.
    shift = torch.minimum(torch.maximum(-flat / (2 * weight), -centre), 1 - centre)
    balled = (flat * shift + weight * shift.square()).sum(1) - weight[:, 0] * region.radius**2
    return torch.maximum(boxed, flat @ centre + balled)
