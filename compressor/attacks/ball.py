"""The set an adversary may reach: around each image, within epsilon, and inside [0, 1].

Legend: n images, (C, H, W) their shape. Everything is per image: no value depends on the other images of a batch.
"""

import numpy as np
import torch
from torch import Tensor

from compressor.attacks.draws import normal, uniform
from compressor.attacks.threat import Threat
from compressor.types import Norm

L2_SLACK = 1e-6
"""Relative; float32 sums of squares are good to about 1e-7, so what is projected stays inside the exact ball."""


class Ball:
    """All images within a threat of each clean image.

    Linf bounds are rounded inward, so that no float32 image between them is farther than the exact epsilon.
    """

    def __init__(self, images: Tensor, threat: Threat) -> None:
        """Take the clean images (n, C, H, W) float32 in [0, 1] as centres."""
        self.clean = images
        self.threat = threat
        if threat.norm is Norm.LINF:
            self.low, self.high = _linf_bounds(images, threat.radius)

    def __len__(self) -> int:
        return len(self.clean)

    def take(self, keep: Tensor) -> "Ball":
        """Return the balls of some images: `keep` is a mask or indices."""
        part = object.__new__(Ball)
        part.clean, part.threat = self.clean[keep], self.threat
        if self.threat.norm is Norm.LINF:
            part.low, part.high = self.low[keep], self.high[keep]
        return part

    def project(self, images: Tensor) -> Tensor:
        """Return the nearest point of the ball, then of the box. What is inside already stays bit for bit."""
        if self.threat.norm is Norm.LINF:
            return torch.minimum(torch.maximum(images, self.low), self.high)
        delta = images - self.clean
        limit = self.threat.radius * (1 - L2_SLACK)
        length = l2_length(delta)
        scaled = self.clean + delta * (limit / length.clamp_min(1e-30)) * (1 - L2_SLACK)
        return torch.where(length > limit, scaled, images).clamp(0.0, 1.0)

    def contains(self, images: Tensor) -> Tensor:
        """Return which images (n, C, H, W) lie in ball and box, so that `project` would leave them alone: (n,) bool."""
        if self.threat.norm is Norm.LINF:
            inside = (images >= self.low) & (images <= self.high)
            return inside.flatten(1).all(1)
        in_box = ((images >= 0) & (images <= 1)).flatten(1).all(1)
        length = l2_length(images - self.clean).flatten()
        return in_box & (length <= self.threat.radius * (1 - L2_SLACK))

    def start(self, seeds: Tensor, purpose: str) -> Tensor:
        """Return a random point: uniform in the ball, then clipped to the box."""
        shape = self.clean.shape
        num = self.clean[0].numel() if len(self) else 0
        if self.threat.norm is Norm.LINF:
            delta = (2 * uniform(seeds, purpose, num) - 1) * self.threat.radius
        else:
            direction = normal(seeds, f"{purpose} direction", num).reshape(shape)
            share = uniform(seeds, f"{purpose} length", 1) ** (1.0 / max(num, 1))
            delta = steepest(direction, Norm.L2) * _per_image(share[:, 0]) * self.threat.radius
        return self.project(self.clean + delta.reshape(shape))

    def surface(self, seeds: Tensor, purpose: str, *, share: float = 1.0) -> Tensor:
        """Return a random point at a share of epsilon from the image, then clipped to the box."""
        num = self.clean[0].numel()
        if self.threat.norm is Norm.LINF:
            delta = 2 * uniform(seeds, purpose, num) - 1
            delta = delta / delta.abs().amax(1, keepdim=True).clamp_min(1e-12)
        else:
            delta = steepest(normal(seeds, purpose, num).reshape(self.clean.shape), Norm.L2)
        return self.project(self.clean + share * self.threat.radius * delta.reshape(self.clean.shape))


def _linf_bounds(images: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest float32 images inside the exact ball and the box."""
    exact = images.cpu().numpy().astype(np.float64)
    low, high = (exact - radius).astype(np.float32), (exact + radius).astype(np.float32)
    low = np.where(low < exact - radius, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > exact + radius, np.nextafter(high, np.float32(-np.inf)), high)
    low, high = np.maximum(low, np.float32(0.0)), np.minimum(high, np.float32(1.0))
    return torch.from_numpy(low).to(images.device), torch.from_numpy(high).to(images.device)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """Return the step of size one in `norm` that climbs most: signs for linf, the unit vector for l2.

    An image without gradient gets no step.
    """
    if norm is Norm.LINF:
        return gradient.sign()
    # Scaled first: the squares of a saturated loss's gradient would vanish in float32.
    scaled = gradient / _per_image(gradient.abs().flatten(1).amax(1)).clamp_min(1e-38)
    return scaled / l2_length(scaled).clamp_min(1e-12)


def l1_normalised(gradient: Tensor) -> Tensor:
    """Return the gradient divided by the mean of its absolute values; zero stays zero."""
    return gradient / _per_image(gradient.abs().flatten(1).mean(1)).clamp_min(1e-38)


def l2_length(delta: Tensor) -> Tensor:
    """Return the l2 norm of each image's part: (n, 1, 1, 1)."""
    return _per_image(row_sums(delta.square()).sqrt())


def distances(delta: Tensor, norm: Norm) -> Tensor:
    """Return how far each image was moved: (n,) float64."""
    rows = delta.double().flatten(1)
    return rows.abs().amax(1) if norm is Norm.LINF else row_sums(rows.square()).sqrt()


def row_sums(values: Tensor) -> Tensor:
    """Return the sum of each image's values: (n,). A single image is summed as if it had company.

    torch splits the sum of a single long row over threads, which would change its last bits.
    """
    rows = values.flatten(1)
    return torch.cat([rows, rows]).sum(1)[:1] if len(rows) == 1 else rows.sum(1)


def _per_image(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)
