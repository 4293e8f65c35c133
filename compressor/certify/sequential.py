"""Intervals that stay true when looked at after every image: whoever stops early may still believe them.

Both are confidence sequences by mixture: the likelihood of what was seen, averaged over all parameters by a prior, is
divided by the likelihood under one parameter. Were that parameter the true one, this ratio would be a martingale that
starts at 1, so it ever exceeds 1 / alpha with probability at most alpha (Ville's inequality). What it does not exclude
is the interval. It is wider than one for a number of images fixed beforehand, by about a factor of two at 1,000.

Shares of an image count as well as whole ones: the ratio of likelihoods is convex in what an image scores, so for a
score between the outcomes it is on average at most what the outcomes with the same mean would give.

Source: Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409; the prior is Krichevsky and Trofimov's.
"""

import math

from scipy.special import betaln, gammaln, xlogy

from compressor.certify.statistics import edge, share_of_only_second
from compressor.types import Interval

PRIOR = 0.5
"""Of each outcome, as in Krichevsky and Trofimov, IEEE Transactions on Information Theory 27 (1981) 199-207."""


def share_sequence(num_right: float, num: int, confidence: float) -> Interval:
    """Return the two-sided interval on a share, valid at every number of images at once.

    Args:
        num_right: successes, 0 to `num`; or the sum of one number in [0, 1] per trial, for the interval on its mean.
        num: trials so far, at least 1.
        confidence: in (0, 1): how often, over all repetitions, no interval of the sequence misses.
    """
    num_wrong = num - num_right
    mixture = betaln(num_right + PRIOR, num_wrong + PRIOR) - betaln(PRIOR, PRIOR)
    least = mixture + math.log(1 - confidence)

    def is_plausible(share: float) -> bool:
        return bool(xlogy(num_right, share) + xlogy(num_wrong, 1 - share) > least)

    estimate = num_right / num
    return edge(is_plausible, estimate, 0.0), edge(is_plausible, estimate, 1.0)


def difference_sequence(only_first: float, only_second: float, num: int, confidence: float) -> Interval:
    """Return the interval on the difference of two shares of the same images, first minus second, valid at every time.

    An image scores 1, 0 or -1. A difference is plausible while any three probabilities with that difference are: the
    most likely of them stand for all.

    Args:
        only_first: images that only the first answers right; or the sum of what differences in [-1, 1] lie above 0.
        only_second: images that only the second answers right; or the sum of what they lie below.
        num: all images so far, at least 1.
        confidence: in (0, 1), two-sided.
    """
    counts = (only_first, only_second, num - only_first - only_second)
    mixture = sum(gammaln(count + PRIOR) - gammaln(PRIOR) for count in counts)
    least = mixture + gammaln(3 * PRIOR) - gammaln(num + 3 * PRIOR) + math.log(1 - confidence)

    def is_plausible(difference: float) -> bool:
        second = share_of_only_second(difference, only_first, only_second, num)
        first = second + difference
        shares = (first, second, 1 - first - second)
        return bool(sum(xlogy(count, max(share, 0.0)) for count, share in zip(counts, shares, strict=True)) > least)

    estimate = (only_first - only_second) / num
    return edge(is_plausible, estimate, -1.0), edge(is_plausible, estimate, 1.0)
