"""Accuracy under corruptions and shifts, as a certificate states it. A record; standard library and pydantic only."""

from dataclasses import dataclass

from compressor.records import Count, strict
from compressor.types import Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionRow:
    """One corruption at one severity."""

    name: str
    severity: int
    """1 to 5."""
    settings: dict[str, str | int | float | bool]
    """Strengths, and lengths in pixels for images of this size."""
    accuracy: float
    dense_accuracy: float | None
    """Of the model as delivered; None without one."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCaseRow:
    """One adversary over a grid of places: an image counts where it is right, and right at every place."""

    name: str
    settings: dict[str, str | int | float | bool]
    accuracy: float
    interval: Interval
    dense_accuracy: float | None
    difference: float | None
    """Dense - slim, paired, in [-1, 1]."""
    difference_interval: Interval | None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedCorruption:
    """What was not done. It is part of no mean."""

    name: str
    reason: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionBaseline:
    """The model as delivered, under the same corruptions of the same images."""

    mean_accuracy: float
    mean_interval: Interval
    difference: float
    """Dense - slim, of the means, in [-1, 1]."""
    difference_interval: Interval


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionResult:
    """What is answered right, by model and file, when nobody chose the change but weather, sensor or place."""

    source: str
    """`computed` from the images of the certificate, or `published`: the arrays of CIFAR-10-C."""
    source_sha256: str | None
    """Over the labels and pixels used of the published arrays."""
    num_images: Count
    """That the corruptions were tried on."""
    mean_accuracy: float
    """Over the corruptions, each the mean of its severities."""
    mean_interval: Interval
    """Of that mean over the sampling of images: all corruptions share them."""
    interval_method: str
    """`normal` over the means of the images, with two pseudo-images, for a number of images fixed beforehand; or
    `confidence-sequence`."""
    rows: tuple[CorruptionRow, ...]
    worst_case: tuple[WorstCaseRow, ...]
    """On the images of the certificate, whatever the source of the corruptions."""
    skipped: tuple[SkippedCorruption, ...]
    baseline: CorruptionBaseline | None

    def mean_of(self, name: str) -> float:
        """Return the accuracy under one corruption, over its severities."""
        found = [row.accuracy for row in self.rows if row.name == name]
        return sum(found) / len(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The corruptions, in their order."""
        return tuple(dict.fromkeys(row.name for row in self.rows))

    @property
    def worst(self) -> str:
        """The corruption under which least is right."""
        return min(self.names, key=self.mean_of)
