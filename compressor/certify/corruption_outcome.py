"""Which image is answered right under which corruption: arrays of `outcomes.npz`, and the numbers that they give.

Arrays, M images of the corruptions, R corruptions and severities, N images of the certificate, W worst cases:
`corruptions` JSON text (what was done, with which settings), `corruption_slim` and `corruption_dense` (M, R) bool,
`worst_slim` and `worst_dense` (N, W) bool; the dense ones are (0, R) and (0, W) without a dense model.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.archive import Arrays
from compressor.certify.corruption_result import (
    CorruptionBaseline,
    CorruptionResult,
    CorruptionRow,
    SkippedCorruption,
    WorstCaseRow,
)
from compressor.certify.intervals import Intervals
from compressor.files import canonical_json

Right = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One column: what was done to the images."""

    name: str
    severity: int
    """1 to 5; 0 for a worst case."""
    settings: dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorruptionOutcome:
    """What happened to each image."""

    source: str
    source_sha256: str | None
    asked: tuple[Asked, ...]
    """R, at least one."""
    worst_asked: tuple[Asked, ...]
    """W."""
    skipped: tuple[tuple[str, str], ...]
    """Names and reasons."""
    slim: Right
    """(M, R) where model and file both answer right."""
    dense: Right | None
    """The same of the model as delivered."""
    worst_slim: Right
    """(N, W) where they are right, and right at every place of the grid."""
    worst_dense: Right | None

    def arrays(self) -> Arrays:
        """Return what goes into `outcomes.npz`."""
        told = {
            "source": self.source,
            "source_sha256": self.source_sha256,
            "asked": [[each.name, each.severity, each.settings] for each in self.asked],
            "worst_asked": [[each.name, each.severity, each.settings] for each in self.worst_asked],
            "skipped": [list(each) for each in self.skipped],
        }
        return {
            "corruptions": np.array(canonical_json(told).decode()),
            "corruption_slim": self.slim,
            "corruption_dense": self.slim[:0] if self.dense is None else self.dense,
            "worst_slim": self.worst_slim,
            "worst_dense": self.worst_slim[:0] if self.worst_dense is None else self.worst_dense,
        }

    def result(self, intervals: Intervals) -> CorruptionResult:
        """Return every number that follows."""
        dense = self.dense
        means = self.slim.mean(1)
        return CorruptionResult(
            source=self.source,
            source_sha256=self.source_sha256,
            num_images=len(self.slim),
            mean_accuracy=float(means.mean()),
            mean_interval=intervals.mean(means),
            interval_method=intervals.mean_method,
            rows=tuple(
                CorruptionRow(
                    name=each.name,
                    severity=each.severity,
                    settings=each.settings,
                    accuracy=float(self.slim[:, column].mean()),
                    dense_accuracy=None if dense is None else float(dense[:, column].mean()),
                )
                for column, each in enumerate(self.asked)
            ),
            worst_case=tuple(self._worst(column, intervals) for column in range(len(self.worst_asked))),
            skipped=tuple(SkippedCorruption(name=name, reason=reason) for name, reason in self.skipped),
            baseline=None if dense is None else _baseline(dense.mean(1), means, intervals),
        )

    def _worst(self, column: int, intervals: Intervals) -> WorstCaseRow:
        slim = self.worst_slim[:, column]
        dense = None if self.worst_dense is None else self.worst_dense[:, column]
        table = None if dense is None else intervals.paired(dense, slim)
        return WorstCaseRow(
            name=self.worst_asked[column].name,
            settings=self.worst_asked[column].settings,
            accuracy=float(slim.mean()),
            interval=intervals.share(int(slim.sum()), len(slim)),
            dense_accuracy=None if dense is None else float(dense.mean()),
            difference=None if table is None else table.difference,
            difference_interval=None if table is None else table.interval,
        )


def _baseline(dense: NDArray[np.float64], slim: NDArray[np.float64], intervals: Intervals) -> CorruptionBaseline:
    return CorruptionBaseline(
        mean_accuracy=float(dense.mean()),
        mean_interval=intervals.mean(dense),
        difference=float((dense - slim).mean()),
        difference_interval=intervals.mean_difference(dense - slim),
    )


def read_arrays(arrays: Arrays, *, num_images: int, has_dense: bool) -> CorruptionOutcome | None:
    """Return what `arrays` made, or None where nothing was corrupted.

    Args:
        arrays: of `outcomes.npz`.
        num_images: N.
        has_dense: whether there is a dense model.

    Raises:
        ValueError: arrays that do not belong together.
        KeyError: one of them is missing.
    """
    if "corruptions" not in arrays:
        return None
    told: Any = json.loads(str(arrays["corruptions"]))
    slim, worst_slim = arrays["corruption_slim"].astype(np.bool_), arrays["worst_slim"].astype(np.bool_)
    dense, worst_dense = arrays["corruption_dense"].astype(np.bool_), arrays["worst_dense"].astype(np.bool_)
    outcome = CorruptionOutcome(
        source=told["source"],
        source_sha256=told["source_sha256"],
        asked=_asked(told["asked"]),
        worst_asked=_asked(told["worst_asked"]),
        skipped=tuple((str(name), str(reason)) for name, reason in told["skipped"]),
        slim=slim,
        dense=dense if has_dense else None,
        worst_slim=worst_slim,
        worst_dense=worst_dense if has_dense else None,
    )
    _check(outcome, num_images)
    return outcome


def _asked(told: list[Any]) -> tuple[Asked, ...]:
    return tuple(Asked(name=name, severity=severity, settings=settings) for name, severity, settings in told)


def _check(outcome: CorruptionOutcome, num_images: int) -> None:
    num = len(outcome.slim)
    wanted, worst = (num, len(outcome.asked)), (num_images, len(outcome.worst_asked))
    if 0 in wanted or (outcome.source == "computed" and num != num_images):
        raise ValueError("its corruptions are of other images, or of none")
    for found, shape in ((outcome.slim, wanted), (outcome.dense, wanted)):
        if found is not None and found.shape != shape:
            raise ValueError("its corruptions do not fit what was asked")
    for found in (outcome.worst_slim, outcome.worst_dense):
        if found is not None and found.shape != worst:
            raise ValueError("its worst cases do not fit what was asked")
