"""Random numbers counted off, not drawn: a hash of an image's key and a place, without any state.

The numbers of one image depend on nothing but its key, so not on the images beside it, the process or the device.

Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), the finaliser of SplitMix64.
"""

import hashlib
import math

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """Return the int64 with the bits of an unsigned number."""
    return value - (1 << 64) if value >= 1 << 63 else value


GOLDEN = _signed(0x9E3779B97F4A7C15)
FIRST, SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
AT_ONCE = 1 << 22
"""Most numbers that are counted off together: what they take on the way is eight times as large as they are."""


def keys_of(indices: Tensor, *parts: int | str) -> Tensor:
    """Return one key for each image: (n,) int64.

    Args:
        indices: (n,) int64, places of the images in their set.
        parts: what the numbers are for, the seed, the epoch: other parts, unrelated keys.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    base = _signed(int.from_bytes(digest[:8], "big"))
    return _mixed(_mixed(indices * GOLDEN) + base)


def uniforms(keys: Tensor, num: int) -> Tensor:
    """Return numbers in [0, 1): (n, num) float64 for keys (n,) int64."""
    return _shifted(_counted(keys, num), 11).to(torch.float64) * 2.0**-53


def normals(keys: Tensor, num: int) -> Tensor:
    """Return standard normal numbers: (n, num) float32 for keys (n,) int64, by pairs (Box, Muller 1958)."""
    rows = max(1, AT_ONCE // num)
    return torch.cat([_normals(part, num) for part in torch.split(keys, rows)])


def _normals(keys: Tensor, num: int) -> Tensor:
    counted = _counted(keys, (num + 1) // 2)
    radius = (_shifted(counted, 40).to(torch.float32) + 0.5).mul_(2.0**-24).log_().mul_(-2).sqrt_()
    angle = (_shifted(counted, 8) & 0xFFFFFF).to(torch.float32).mul_(2 * math.pi * 2.0**-24)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :num]


def _counted(keys: Tensor, num: int) -> Tensor:
    """Return the first `num` outputs of the generator of each key: (n, num) int64, all 64 bits random."""
    return _mixed(keys[:, None] + torch.arange(1, num + 1, device=keys.device) * GOLDEN)


def _mixed(values: Tensor) -> Tensor:
    values = (values ^ _shifted(values, 30)) * FIRST
    values = (values ^ _shifted(values, 27)) * SECOND
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros: torch itself would copy the sign."""
    return (values >> by) & ((1 << (64 - by)) - 1)
