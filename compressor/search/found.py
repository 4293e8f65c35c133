"""What is known of a candidate while it is examined, and how long each examination takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from compressor.certify.certificate import Certificate, Result
from compressor.finetune import History
from compressor.gate import wording
from compressor.load.checkpoint import Checkpoint
from compressor.prune import Plan
from compressor.search.judging import flags_of
from compressor.search.record import Candidate, Judged, Rung, Standing, Trial, binding_of
from compressor.types import Decision


class Over(Exception):
    """A candidate ends here."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True, kw_only=True)
class Found:
    """What is known of a candidate so far."""

    plan: Plan | None = None
    cut_sha256: str | None = None
    num_bytes: int | None = None
    p50_ms: float | None = None
    cost: float | None = None
    rungs: list[Rung] = field(default_factory=list)
    certificate: Certificate | None = None
    conditions: tuple[Judged, ...] = ()
    standing: Standing = Standing.DROPPED


@dataclass(slots=True, kw_only=True)
class Examination:
    """One rung while it goes on."""

    accuracy: float | None = None
    robust_accuracy: float | None = None
    num_images_trained: int = 0
    num_passes: int = 0

    def note(self, history: History) -> None:
        """Take over what tuning found."""
        self.accuracy, self.robust_accuracy = history.select_accuracy, history.select_robust_accuracy
        self.num_images_trained = history.num_train * len(history.epochs)


@dataclass(slots=True, kw_only=True)
class Looked:
    """A candidate after the cheap examinations."""

    number: int
    candidate: Candidate
    found: Found
    why: str | None
    """Why it ended there; None where it may go on."""
    model: Checkpoint | None = None
    """Cut, with statistics re-estimated and no weight tuned."""
    seconds: float

    @property
    def was_looked_at(self) -> bool:
        """Whether it was cut and answered; otherwise there was nothing to look at."""
        return len(self.found.rungs) > 1

    @property
    def promise(self) -> float:
        """How it looks: what it answered right at last, and under the recipe's attack where it has one."""
        rung = self.found.rungs[-1]
        return (rung.accuracy or 0.0) + (rung.robust_accuracy or 0.0)


@contextmanager
def timed(found: Found, name: str) -> Iterator[Examination]:
    """Examine, and add the rung to what is known, however it ends."""
    here, wall, cpu = Examination(), time.monotonic(), time.process_time()
    try:
        yield here
    finally:
        found.rungs.append(
            Rung(
                name=name,
                accuracy=here.accuracy,
                robust_accuracy=here.robust_accuracy,
                num_images_trained=here.num_images_trained,
                num_passes=here.num_passes,
                seconds=time.monotonic() - wall,
                cpu_seconds=time.process_time() - cpu,
            )
        )


def too_low(accuracy: float, least: float) -> Judged:
    """Return the condition of a model that answers too little right to be attacked at all."""
    return Judged(
        id="accuracy.min", decision=Decision.FAILED, found=accuracy, limit=least, shortfall=max(least - accuracy, 0.0)
    )


def record_of(
    found: Found,
    number: int,
    candidate: Candidate,
    *,
    heat: int,
    worker: str,
    why: str,
    dense_p50_ms: float | None,
    seconds: float,
) -> Trial:
    """Return the record of a candidate that ended.

    Args:
        found: what is known of it.
        number: of the candidate.
        candidate: what was tried.
        heat: number of the first candidate of its heat.
        worker: who examined it.
        why: it ended.
        dense_p50_ms: of the dense model, as last timed.
        seconds: in all.
    """
    return Trial(
        number=number,
        heat=heat,
        worker=worker,
        structure=candidate.structure,
        criterion=candidate.criterion,
        profile=candidate.profile,
        amount=candidate.amount,
        cut_sha256=found.cut_sha256,
        macs=found.plan.after.macs if found.plan else None,
        params=found.plan.after.params if found.plan else None,
        num_bytes=found.num_bytes,
        p50_ms=found.p50_ms,
        dense_p50_ms=None if found.p50_ms is None else dense_p50_ms,
        cost=found.cost,
        rungs=tuple(found.rungs),
        standing=found.standing,
        why=why,
        seconds=seconds,
        **_judgement(found),
    )


def amended(trial: Trial, found: Found, *, why: str) -> Trial:
    """Return the record of a candidate after a later examination, the last of its rungs."""
    seconds = trial.seconds + found.rungs[-1].seconds
    rungs, standing = tuple(found.rungs), found.standing
    return replace(trial, rungs=rungs, standing=standing, why=why, seconds=seconds, **_judgement(found))


def _judgement(found: Found) -> dict[str, Any]:
    """Return what a record says of the images that a candidate was judged on."""
    result = found.certificate.result if found.certificate is not None else None
    return {
        "accuracy": None if result is None else result.clean_accuracy,
        "robust": {} if result is None else {str(each.threat): each.robust_accuracy for each in result.threats},
        "dense_robust": {} if result is None else dense_robust(result),
        "num_images": None if result is None else result.data.num_images,
        "conditions": found.conditions,
        "flags": () if found.certificate is None else flags_of(found.certificate),
        "shortfall": max((each.shortfall for each in found.conditions), default=None),
    }


def dense_robust(result: Result) -> dict[str, float]:
    """Return the dense model's robust accuracy at each threat, on the images of a result."""
    num = result.data.num_images
    pairs = result.baseline.threats if result.baseline else ()
    return {f"{pair.norm}:{pair.epsilon}": (pair.both + pair.only_dense) / num for pair in pairs}


def ending(found: Found) -> str:
    """Return what the judgement came to, with the condition that binds."""
    binding = binding_of(found.conditions)
    if binding is None:
        return f"{found.standing}: select images can answer no condition of this policy"
    return f"{found.standing}: {found_words(binding)}"


def is_ceiling(condition: Judged) -> bool:
    """Say whether less is better."""
    return condition.id.startswith(("size.", "latency.")) or "max_" in condition.id


def found_words(condition: Judged) -> str:
    """Return what was found and what is demanded, in the condition's own unit."""
    found, limit = condition.found, condition.limit
    kind = "at most" if is_ceiling(condition) else "at least"
    if condition.id.endswith("_ms"):
        return f"{condition.id} is {wording.milliseconds(found)}, demanded {kind} {limit:g} ms"
    if condition.id.endswith("ratio_p50"):
        return f"{condition.id} is {found:.3g}, demanded {kind} {limit:g}"
    if condition.id.startswith("size."):
        return f"{condition.id} is {wording.amount(int(found))}, demanded {kind} {wording.amount(int(limit))}"
    if "drop" in condition.id:
        return (
            f"{condition.id} is {wording.points(found, besides=limit)}, demanded {kind} "
            f"{wording.demanded_points(limit)}"
        )
    return (
        f"{condition.id} is {wording.percent(found, besides=limit)}, demanded {kind} {wording.demanded_percent(limit)}"
    )
