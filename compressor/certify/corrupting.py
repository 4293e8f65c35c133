"""Every corruption and every shift, answered by the slim model with its file and by the model as delivered.

Saved after each flight: one corruption at one severity, or one worst case, of some images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from compressor.archive import Arrays
from compressor.attacks.chunks import fullest_first
from compressor.attacks.model import num_slots
from compressor.certify.corruption_outcome import Asked, CorruptionOutcome, Right
from compressor.certify.fleet import Rows
from compressor.certify.work import Party, Work
from compressor.corruptions.published import NUM_CLASSES, SHAPE, PublishedSet, open_published
from compressor.corruptions.spatial import WorstCase, worst_cases
from compressor.corruptions.table import Plan, Planned, corrupt, plan_for
from compressor.errors import CertifyError
from compressor.files import sha256_of_bytes
from compressor.load.checkpoint import Checkpoint
from compressor.progress import Step
from compressor.records import to_plain


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """Images under all corruptions, from wherever they come."""

    source: str
    """`computed` or `published`."""
    sha256: str | None
    """Of what was published."""
    labels: NDArray[np.int64]
    """(M,)"""
    seeds: NDArray[np.int64]
    """(M,)"""
    plan: Plan
    read: Callable[[Planned, NDArray[np.int64]], Tensor]
    """(what, rows (n,)) -> (n, C, H, W) float32 in [0, 1]."""


def open_pictures(folder: Path, *, model: Checkpoint, num_images: int, seed: int) -> PublishedSet:
    """Open the published CIFAR-10-C arrays for a model.

    Raises:
        CertifyError: the model takes other images, or answers other classes.
        DataError: the arrays cannot be used.
    """
    if tuple(model.input_shape) != SHAPE or model.num_classes != NUM_CLASSES:
        size = "x".join(map(str, model.input_shape))
        raise CertifyError(
            f"--corruptions-from holds CIFAR-10-C, images of 3x32x32 in 10 classes, and the model takes {size} and "
            f"answers {model.num_classes} classes",
            advice="use --corruptions, which corrupts the images of --data",
        )
    return open_published(folder, num_images=num_images, seed=seed)


def corruption_outcome(
    work: Work,
    slim: tuple[Party, Right],
    dense: tuple[Party, Right] | None,
    *,
    pictures: PublishedSet | None,
) -> CorruptionOutcome:
    """Corrupt and shift the images, and see what is still answered right.

    Args:
        work: the images, and how to go about it.
        slim: the model with its file, and (N,) which clean images both answer right.
        dense: the same of the model as delivered, or None.
        pictures: published ones; None: the images are corrupted here.
    """
    exam = _computed(work) if pictures is None else _published(pictures)
    cases, undefined = worst_cases(work.images.shape)
    found, found_dense = _answer_all(work, exam, slim[0], None if dense is None else dense[0])
    return CorruptionOutcome(
        source=exam.source,
        source_sha256=exam.sha256,
        asked=tuple(Asked(name=each.name, severity=each.severity, settings=each.settings) for each in exam.plan.each),
        worst_asked=tuple(Asked(name=each.name, severity=0, settings=each.settings) for each in cases),
        skipped=tuple((name, skipped.reason) for name, skipped in (*exam.plan.skipped, *undefined)),
        slim=found,
        dense=found_dense,
        worst_slim=_endure(work, *slim, cases),
        worst_dense=None if dense is None else _endure(work, *dense, cases),
    )


def _computed(work: Work) -> Exam:
    def read(planned: Planned, rows: NDArray[np.int64]) -> Tensor:
        return corrupt(planned, work.images.read(rows.tolist()), work.seeds[rows].tolist())

    return Exam(
        source="computed",
        sha256=None,
        labels=work.images.labels,
        seeds=work.seeds,
        plan=plan_for(work.images.shape),
        read=read,
    )


def _published(pictures: PublishedSet) -> Exam:
    slots = num_slots(SHAPE)
    return Exam(
        source="published",
        sha256=pictures.sha256,
        labels=pictures.labels,
        seeds=pictures.numbers * slots + np.arange(len(pictures.labels)) % slots,
        plan=pictures.plan,
        read=pictures.read,
    )


def _answer_all(work: Work, exam: Exam, slim: Party, dense: Party | None) -> tuple[Right, Right | None]:
    """Return (M, R) what each model answers right."""
    parties = [slim] if dense is None else [slim, dense]
    num, num_asked = len(exam.labels), len(exam.plan.each)
    right = np.zeros((len(parties), num, num_asked), dtype=np.bool_)
    done = np.zeros((num, num_asked), dtype=np.bool_)
    store = work.store(
        {
            "what": "corruptions",
            "parties": [each.identity for each in parties],
            "plan": to_plain(exam.plan.each),
            "source": exam.sha256,
        }
    )

    def land(arrays: Arrays, step: Step) -> None:
        rows, column = arrays["rows"].astype(np.int64), int(arrays["column"])
        right[:, rows, column], done[rows, column] = arrays["right"], True
        step.advance(len(rows))

    def compute(column: int, rows: Rows) -> Arrays:
        images, seeds, labels = exam.read(exam.plan.each[column], rows), exam.seeds[rows], exam.labels[rows]
        found = np.stack([each.twins.answer(images, seeds).right(labels) for each in parties])
        return {"rows": rows, "column": np.array(column), "right": found}

    def relieve() -> bool:
        relieved = [each.twins.model.relieve() for each in parties]
        return any(relieved)

    with work.progress.stage("answer corrupted images", total=num * num_asked, unit="image") as step:
        for arrays in work.fleet.landed(store):
            land(arrays, step)
        for column in range(num_asked):
            todo = np.flatnonzero(~done[:, column])
            for arrays in work.fleet.fly(store, f"{column:03d}-", todo, partial(compute, column), relieve):
                land(arrays, step)
    return right[0], None if dense is None else right[1]


def _endure(work: Work, party: Party, is_right: Right, cases: tuple[WorstCase, ...]) -> Right:
    """Return (N, W) which images are right, and right at every place of each grid."""
    right = np.repeat(is_right[:, None], len(cases), axis=1)
    done = ~right
    store = work.store(
        {
            "what": "worst cases",
            **party.identity,
            "cases": to_plain(cases),
            "right": sha256_of_bytes(is_right.tobytes()),
        }
    )

    def land(arrays: Arrays, step: Step) -> None:
        rows, column = arrays["rows"].astype(np.int64), int(arrays["column"])
        right[rows, column], done[rows, column] = arrays["right"], True
        step.advance(len(rows))

    total = int(is_right.sum()) * len(cases)
    with work.progress.stage(f"cover, shift and turn ({party.title})", total=total, unit="image") as step:
        for arrays in work.fleet.landed(store):
            land(arrays, step)
        for column in range(len(cases)):
            todo = np.flatnonzero(~done[:, column])
            todo = fullest_first(todo, work.seeds[todo], party.twins.model.chunks.size)
            compute = partial(_endures, work, party, cases, column)
            for arrays in work.fleet.fly(store, f"{column:03d}-", todo, compute, party.twins.model.relieve):
                land(arrays, step)
    return right


def _endures(work: Work, party: Party, cases: tuple[WorstCase, ...], column: int, rows: Rows) -> Arrays:
    """Find out which images are right everywhere on a case's grid; one that fell is not asked again."""
    case, images, stands = cases[column], work.images.read(rows.tolist()), np.arange(len(rows))
    for position in case.positions:
        if not len(stands):
            break
        reply = party.twins.answer(case.at(images[stands], position), work.seeds[rows[stands]])
        stands = stands[reply.right(work.images.labels[rows[stands]])]
    right = np.isin(np.arange(len(rows)), stands)
    return {"rows": rows, "column": np.array(column), "right": right}
