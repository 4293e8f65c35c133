"""Random numbers that belong to an image: the same whatever else is attacked with it, and on every device.

A number is a hash of the image's seed, of what it is for, and of a counter; nothing is consumed, so images may leave
a batch at any time without changing the others' numbers.
Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), used as a counter-based generator.
"""

import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
WORD = 1 << 64


def uniform(seeds: Tensor, purpose: str, num: int, *, step: int = 0) -> Tensor:
    """Draw numbers in [0, 1).

    Args:
        seeds: (n,) int64, one per image.
        purpose: what they are for; another purpose gives unrelated numbers.
        num: how many per image.
        step: the iteration; another step gives unrelated numbers.

    Returns:
        (n, num) float32, multiples of 2 ** -24, on the device of `seeds`.
    """
    words = _words(seeds, purpose, num, step)
    return _as_tensor((words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24), seeds)


def signs(seeds: Tensor, purpose: str, num: int, *, step: int = 0) -> Tensor:
    """Draw -1 or 1 with equal odds: (n, num) float32. Arguments as in `uniform`."""
    words = _words(seeds, purpose, num, step)
    return _as_tensor((words >> np.uint64(63)).astype(np.float32) * 2 - 1, seeds)


def normal(seeds: Tensor, purpose: str, num: int, *, step: int = 0) -> Tensor:
    """Draw standard normal numbers: (n, num) float32. Arguments as in `uniform`."""
    words = _words(seeds, purpose, 2 * num, step)
    share = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(share[:, :num]))
    return _as_tensor((radius * np.cos(2 * math.pi * share[:, num:])).astype(np.float32), seeds)


def _words(seeds: Tensor, purpose: str, num: int, step: int) -> NDArray[np.uint64]:
    """Return (n, num) words of 64 random bits."""
    salt = _mixed(np.array([(zlib.crc32(purpose.encode()) << 32 | step) % WORD], dtype=np.uint64))
    keys = _mixed(seeds.cpu().numpy().astype(np.uint64) ^ salt)
    counters = np.arange(1, num + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    return _mixed(keys[:, None] + counters[None, :])


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's output function of each word; arithmetic is modulo 2 ** 64."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _as_tensor(values: NDArray[np.float32], seeds: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(seeds.device)
