"""Intervals on shares of images and on differences of shares, and how far probabilities can be believed."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from compressor.certify.certificate import Calibration, CalibrationBin
from compressor.types import Interval

NUM_BINS = 15
"""As in Guo et al., arXiv 1706.04599."""


def clopper_pearson(num_right: int, num: int, confidence: float) -> Interval:
    """Return the exact two-sided interval on a share: it covers at least as often as `confidence` says.

    Args:
        num_right: successes, 0 to `num`.
        num: trials, at least 1.
        confidence: in (0, 1).

    Source: Clopper and Pearson, Biometrika 1934.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if num_right == 0 else float(betaincinv(num_right, num - num_right + 1, tail))
    high = 1.0 if num_right == num else float(betaincinv(num_right + 1, num - num_right, 1 - tail))
    return low, high


def paired_difference(only_first: int, only_second: int, num: int, confidence: float) -> Interval:
    """Return the score interval on the difference of two shares of the same images, first minus second.

    Args:
        only_first: images that only the first answers right.
        only_second: images that only the second answers right.
        num: all images, at least 1.
        confidence: in (0, 1), two-sided.

    Source: Tango, Statistics in Medicine 17 (1998) 891-908; the ends are found by bisection.
    """
    quantile = float(ndtri((1 + confidence) / 2))

    def is_plausible(difference: float) -> bool:
        excess = only_first - only_second - num * difference
        return excess**2 <= quantile**2 * num * _variance(difference, only_first, only_second, num)

    estimate = (only_first - only_second) / num
    return edge(is_plausible, estimate, -1.0), edge(is_plausible, estimate, 1.0)


def mean_interval(values: NDArray[np.float64], confidence: float, *, least: float = 0.0) -> Interval:
    """Return the normal interval on the mean of bounded values, of which two more are imagined, one at either end.

    With those two the interval has a width even where all values are equal, as Agresti and Coull's has on a share.

    Args:
        values: (n,) in [least, 1], n at least 1.
        confidence: in (0, 1), two-sided; approximately so, for a number of values fixed beforehand.
        least: the lower end of what a value can be; the upper is 1.

    Source: Agresti and Coull, The American Statistician 52 (1998) 119-126, carried over from shares to means.
    """
    whole = np.concatenate([values, [least, 1.0]])
    mean, found = float(whole.mean()), float(values.mean())
    half = float(ndtri((1 + confidence) / 2)) * float(whole.std()) / math.sqrt(len(whole))
    return max(least, min(mean - half, found)), min(1.0, max(mean + half, found))


def _variance(difference: float, only_first: int, only_second: int, num: int) -> float:
    """Return `num` times the variance of the estimate if the true difference were `difference`."""
    share = share_of_only_second(difference, only_first, only_second, num)
    return max(2 * share + difference * (1 - difference), 0.0)


def share_of_only_second(difference: float, only_first: float, only_second: float, num: int) -> float:
    """Return the likeliest share of images that only the second answers right, if the difference were `difference`."""
    linear = (2 * num - only_first + only_second) * difference - only_first - only_second
    constant = -only_second * difference * (1 - difference)
    root = math.sqrt(max(linear**2 - 8 * num * constant, 0.0))
    return (root - linear) / (4 * num)


def edge(is_plausible: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where plausibility ends between a plausible value and the end of the range."""
    if is_plausible(outside):
        return outside
    while (middle := (inside + outside) / 2) not in (inside, outside):
        if is_plausible(middle):
            inside = middle
        else:
            outside = middle
    return middle


def calibration(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    """Return the expected calibration error over 15 equal bins, and the mean negative log-likelihood.

    Args:
        logits: (N, K).
        labels: (N,) in [0, K).

    Source: arXiv 1706.04599. Computed in float64; a confidence of 1 belongs to the last bin.
    """
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    confidence = np.exp(log_probability.max(1))
    right = logits.argmax(1) == labels
    place = np.minimum((confidence * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    bins = tuple(_bin(number, confidence[place == number], right[place == number]) for number in range(NUM_BINS))
    gaps = [abs(confidence[place == number].sum() - right[place == number].sum()) for number in range(NUM_BINS)]
    return Calibration(
        ece=float(sum(gaps)) / len(labels),
        nll=float(-log_probability[np.arange(len(labels)), labels].mean()),
        bins=bins,
    )


def _bin(number: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> CalibrationBin:
    return CalibrationBin(
        low=number / NUM_BINS,
        high=(number + 1) / NUM_BINS,
        num=len(right),
        confidence=float(confidence.mean()) if len(right) else None,
        accuracy=float(right.mean()) if len(right) else None,
    )
