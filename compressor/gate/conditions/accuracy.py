"""`[accuracy]`: what is answered right on clean images, alone and against the baseline."""

from collections.abc import Iterator
from fractions import Fraction

from compressor.certify.certificate import Baseline, Result
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_BASELINE, NO_CERTIFICATE
from compressor.gate.demands import AccuracyDemand
from compressor.gate.evidence import Evidence
from compressor.gate.verdict import Condition


def judge_accuracy(demand: AccuracyDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield one condition for each key that is given."""
    result = evidence.certificate.result if evidence.certificate else None
    if demand.min is not None:
        yield _minimum(demand.min, result)
    if demand.max_drop is not None:
        yield _drop(demand.max_drop, result)
    if demand.max_class_drop is not None:
        yield _class_drop(demand.max_class_drop, result)
    if demand.max_ece is not None:
        yield _calibration(demand.max_ece, result)


def _minimum(limit: float, result: Result | None) -> Condition:
    if result is None:
        return rules.missing("accuracy.min", f"at least {wording.demanded_percent(limit)}", NO_CERTIFICATE)
    return rules.share_at_least(
        "accuracy.min",
        what="accuracy",
        found=result.clean_accuracy,
        interval=result.clean_interval,
        limit=limit,
        num_images=result.data.num_images,
    )


def _drop(limit: float, result: Result | None) -> Condition:
    demanded = f"at most {wording.demanded_points(limit)} below the baseline"
    if result is None or result.baseline is None:
        return rules.missing("accuracy.max_drop", demanded, NO_BASELINE if result else NO_CERTIFICATE)
    clean = result.baseline.clean
    num_images = clean.both + clean.only_dense + clean.only_slim + clean.neither
    chance = 1 / max(1, len(result.per_class))
    dense = rules.wilson(clean.both + clean.only_dense, max(1, num_images), confidence=result.confidence)
    if dense[1] <= chance:
        return rules.missing(
            "accuracy.max_drop",
            demanded,
            f"the baseline's own accuracy is {wording.bracket(dense)}, not above chance ({wording.percent(chance)}), "
            "so nothing can drop: undecided, compare with a baseline that knows its classes",
        )
    return rules.drop_at_most(
        "accuracy.max_drop",
        what="accuracy",
        found=clean.difference,
        interval=clean.interval,
        limit=limit,
        num_images=num_images,
    )


def _class_drop(limit: float, result: Result | None) -> Condition:
    """Judge the class that lost most. A fact: one class has too few images for an interval that could ever decide."""
    condition_id = "accuracy.max_class_drop"
    demanded = f"no class more than {wording.demanded_points(limit)} below the baseline"
    if result is None or result.baseline is None:
        return rules.missing(condition_id, demanded, NO_BASELINE if result else NO_CERTIFICATE)
    drops = _drops(result, result.baseline)
    if not drops:
        return rules.missing(
            condition_id, demanded, "no class of the baseline can be compared: undecided, make the certificate anew"
        )
    drop, label, num = max(drops)
    moved = f"{wording.points(abs(float(drop)), besides=limit)} of its recall"
    story = f"class {label!r} loses {moved}" if drop > 0 else "no class loses recall"
    return rules.fact(
        condition_id,
        demanded=demanded,
        found=float(drop),
        holds=drop <= Fraction(repr(limit)),
        reason=f"{story} (on {wording.amount(num)} images); demanded {demanded}",
    )


def _drops(result: Result, baseline: Baseline) -> list[tuple[Fraction, str, int]]:
    """Return how much recall each class lost, its label and its number of images.

    Classes are paired by place, because two of them may have the same label. Shares are counted in images again: a
    difference of two quotients is not exact, and a class that loses just as much as may be would fail.
    """
    if [each.label for each in result.per_class] != [each.label for each in baseline.per_class]:
        return []
    return [
        (
            Fraction(round(before.recall * after.num) - round(after.recall * after.num), after.num),
            after.label,
            after.num,
        )
        for before, after in zip(baseline.per_class, result.per_class, strict=True)
        if before.recall is not None and after.recall is not None and after.num
    ]


def _calibration(limit: float, result: Result | None) -> Condition:
    demanded = f"at most {wording.demanded_percent(limit)}"
    if result is None:
        return rules.missing("accuracy.max_ece", demanded, NO_CERTIFICATE)
    found = result.calibration.ece
    return rules.fact(
        "accuracy.max_ece",
        demanded=demanded,
        found=found,
        holds=found <= limit,
        reason=f"expected calibration error is {wording.percent(found, besides=limit)}; demanded {demanded}",
    )
