"""The adversarial images worth keeping: what broke a model, and what nearly did."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_SHOWN = 32
"""Adversarial images per threat that travel with a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exhibit:
    """One adversarial image and what was answered to it."""

    image: NDArray[np.float32]
    """(C, H, W) float32 in [0, 1]."""
    nearness: float
    """Best wrong logit minus the right one, of the torch model; at 0 the answer flips."""
    is_wrong: bool
    """Whether the torch model or the shipped file answers it wrong."""
    twin_answer: int
    shipped_answer: int


class Gallery:
    """Adversarial images by the index of their clean image; all of them, or the most telling ones.

    Which ones stay does not depend on the size of the flights in which they arrive.
    """

    def __init__(self, *, keep_all: bool) -> None:
        self.keep_all = keep_all
        self.exhibits: dict[int, Exhibit] = {}

    def worth_keeping(
        self, is_wrong: NDArray[np.bool_], nearness: NDArray[np.float32], *, near: bool
    ) -> NDArray[np.int64]:
        """Return which rows of a flight to keep, ascending.

        Args:
            is_wrong: (n,) whether each broke the model.
            nearness: (n,).
            near: whether images that broke nothing are wanted from this attack.
        """
        if self.keep_all:
            return np.flatnonzero(is_wrong | near)
        order = np.argsort(np.abs(nearness), kind="stable")
        chosen = [order[is_wrong[order]][:NUM_SHOWN]]
        chosen += [order[~is_wrong[order]][:NUM_SHOWN]] if near else []
        return np.sort(np.concatenate(chosen))

    def add(self, index: int, exhibit: Exhibit) -> None:
        """Take an image in; it replaces an earlier one of the same clean image."""
        self.exhibits[index] = exhibit

    def tidy(self, fallen: NDArray[np.int64]) -> None:
        """Drop what is outdated, the near misses of images that fell since, and what is beyond the most telling."""
        for index in fallen.tolist():
            if index in self.exhibits and not self.exhibits[index].is_wrong:
                del self.exhibits[index]
        if not self.keep_all:
            kept = self._telling(is_wrong=True)[:NUM_SHOWN] + self._telling(is_wrong=False)[:NUM_SHOWN]
            self.exhibits = {index: self.exhibits[index] for index in kept}

    def shown(self) -> list[int]:
        """Return the indices of the most telling images: half of them broke it and half nearly did, where possible."""
        broke, near = self._telling(is_wrong=True), self._telling(is_wrong=False)
        half = NUM_SHOWN // 2
        num_broke = min(len(broke), max(half, NUM_SHOWN - len(near)))
        return broke[:num_broke] + near[: NUM_SHOWN - num_broke]

    def _telling(self, *, is_wrong: bool) -> list[int]:
        """Return indices, those nearest to where the answer flips first."""
        chosen = [index for index, exhibit in self.exhibits.items() if exhibit.is_wrong == is_wrong]
        return sorted(chosen, key=lambda index: (abs(self.exhibits[index].nearness), index))
