"""Noise of sensors: Gaussian, shot and impulse.

Source: Hendrycks and Dietterich, arXiv 1903.12261, and the scripts that made CIFAR-10-C and ImageNet-C.
"""

import torch
from torch import Tensor


def gaussian_noise(image: Tensor, generator: torch.Generator, *, sigma: float) -> Tensor:
    """Add normal noise to each value, as in low light."""
    return image + sigma * torch.randn(image.shape, generator=generator, dtype=torch.float64)


def shot_noise(image: Tensor, generator: torch.Generator, *, rate: float) -> Tensor:
    """Count light in packets: each value is a Poisson number with mean `rate` times the value, over `rate`."""
    return torch.poisson(image.clamp(0, 1) * rate, generator=generator) / rate


def impulse_noise(image: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
    """Replace a share of the values by 0 or 1 with equal odds, as bit errors do; channels fall one by one."""
    hit, salt = torch.rand((2, *image.shape), generator=generator, dtype=torch.float64)
    return torch.where(hit < share, (salt < 0.5).to(image.dtype), image)
