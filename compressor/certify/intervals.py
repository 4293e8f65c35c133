"""The kind of interval a certificate uses throughout: one for images fixed beforehand, one for looking early."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from compressor.certify.certificate import PairedAccuracy
from compressor.certify.sequential import difference_sequence, share_sequence
from compressor.certify.statistics import clopper_pearson, mean_interval, paired_difference
from compressor.types import Interval


class IntervalMethod(StrEnum):
    """How intervals are found. Both are two-sided."""

    CLOPPER_PEARSON = "clopper-pearson"
    """Shares: exact, for a number of images fixed beforehand. Differences: Tango's score interval."""
    CONFIDENCE_SEQUENCE = "confidence-sequence"
    """True at every number of images at once, so that one may stop early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """One method at one confidence."""

    method: IntervalMethod = IntervalMethod.CLOPPER_PEARSON
    confidence: float = 0.95

    def share(self, num_right: int, num: int) -> Interval:
        """Return the interval on a share of `num` images."""
        of = clopper_pearson if self.method is IntervalMethod.CLOPPER_PEARSON else share_sequence
        return of(num_right, num, self.confidence)

    def difference(self, only_first: int, only_second: int, num: int) -> Interval:
        """Return the interval on the difference of two shares of the same images, first minus second."""
        of = paired_difference if self.method is IntervalMethod.CLOPPER_PEARSON else difference_sequence
        return of(only_first, only_second, num, self.confidence)

    def mean(self, shares: NDArray[np.float64]) -> Interval:
        """Return the interval on the mean of one share in [0, 1] per image: (n,)."""
        if self.method is IntervalMethod.CLOPPER_PEARSON:
            return mean_interval(shares, self.confidence)
        return share_sequence(float(shares.sum()), len(shares), self.confidence)

    def mean_difference(self, differences: NDArray[np.float64]) -> Interval:
        """Return the interval on the mean of one difference in [-1, 1] per image: (n,)."""
        if self.method is IntervalMethod.CLOPPER_PEARSON:
            return mean_interval(differences, self.confidence, least=-1.0)
        up, down = float(differences.clip(0, 1).sum()), float((-differences).clip(0, 1).sum())
        return difference_sequence(up, down, len(differences), self.confidence)

    @property
    def mean_method(self) -> str:
        """How the intervals on means are found."""
        return "normal" if self.method is IntervalMethod.CLOPPER_PEARSON else str(self.method)

    def paired(self, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedAccuracy:
        """Return the table of two models on the same images, first minus second.

        Args:
            first: (N,) where the dense model is right.
            second: (N,) where the slim one is.
        """
        only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
        return PairedAccuracy(
            both=int((first & second).sum()),
            only_dense=only_first,
            only_slim=only_second,
            neither=int((~first & ~second).sum()),
            difference=(only_first - only_second) / len(first),
            interval=self.difference(only_first, only_second, len(first)),
        )
