"""From arrays, one entry per image, to the numbers of a certificate. `certify` and `verify` use the same code."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.attacks.threat import Threat
from compressor.certify.battery import TRANSFER
from compressor.certify.certificate import Baseline, Calibration, ClassResult, CurvePoint, PairedResult, Result
from compressor.certify.corruption_result import CorruptionResult
from compressor.certify.intervals import Intervals
from compressor.certify.proof_outcome import ThreatProof
from compressor.certify.proof_result import ProofResult
from compressor.certify.siege import STANDING, WRONG
from compressor.types import Interval

TOLERANCE = 1e-9
"""Between machines: the last bits of an exponential or of an interval's end may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackNumbers:
    """One attack of a threat."""

    name: str
    num_attempted: int
    num_broken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatNumbers:
    """One claimed threat."""

    norm: str
    epsilon: str
    robust_accuracy: float
    interval: Interval
    attacks: tuple[AttackNumbers, ...]
    proved_accuracy: float | None
    proof: ProofResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Every number of a certificate that follows from the outcomes."""

    num_images: int
    data_sha256: str
    interval_method: str
    confidence: float
    clean_accuracy: float
    clean_interval: Interval
    per_class: tuple[ClassResult, ...]
    calibration: Calibration
    threats: tuple[ThreatNumbers, ...]
    curve: tuple[CurvePoint, ...]
    corruptions: CorruptionResult | None
    baseline: Baseline | None


def stated_numbers(result: Result) -> Numbers:
    """Return the same numbers as a certificate states them."""
    return Numbers(
        num_images=result.data.num_images,
        data_sha256=result.data.sha256,
        interval_method=result.interval_method,
        confidence=result.confidence,
        clean_accuracy=result.clean_accuracy,
        clean_interval=result.clean_interval,
        per_class=result.per_class,
        calibration=result.calibration,
        threats=tuple(
            ThreatNumbers(
                norm=each.norm,
                epsilon=each.epsilon,
                robust_accuracy=each.robust_accuracy,
                interval=each.interval,
                attacks=tuple(
                    AttackNumbers(name=one.name, num_attempted=one.num_attempted, num_broken=one.num_broken)
                    for one in each.attacks
                ),
                proved_accuracy=each.proved_accuracy,
                proof=each.proof,
            )
            for each in result.threats
        ),
        curve=result.curve,
        corruptions=result.corruptions,
        baseline=result.baseline,
    )


def class_results(
    labels: NDArray[np.int64],
    right: NDArray[np.bool_],
    broken_by: NDArray[np.int16] | None,
    names: tuple[str, ...],
) -> tuple[ClassResult, ...]:
    """Return recall and robust share of each class.

    Args:
        labels: (N,) in [0, K).
        right: (N,) whether the clean image is answered right.
        broken_by: (N,) outcomes under the first threat, or None.
        names: K, one per class.
    """
    results = []
    for label, name in enumerate(names):
        members = labels == label
        num = int(members.sum())
        results.append(
            ClassResult(
                label=name,
                num=num,
                recall=float(right[members].mean()) if num else None,
                robust=float((broken_by[members] == STANDING).mean()) if num and broken_by is not None else None,
            )
        )
    return tuple(results)


def threat_numbers(
    threat: Threat,
    broken_by: NDArray[np.int16],
    attacks: tuple[str, ...],
    intervals: Intervals,
    proof: ThreatProof | None = None,
) -> ThreatNumbers:
    """Return robust accuracy, its interval and what each attack did.

    Args:
        threat: norm and radius.
        broken_by: (N,) outcomes.
        attacks: names, in the order in which they ran.
        intervals: of which kind.
        proof: what was proved, where that was asked for.
    """
    num_robust = int((broken_by == STANDING).sum())
    return ThreatNumbers(
        norm=str(threat.norm),
        epsilon=str(threat.epsilon),
        robust_accuracy=num_robust / len(broken_by),
        interval=intervals.share(num_robust, len(broken_by)),
        attacks=tuple(
            AttackNumbers(
                name=name,
                num_attempted=int(((broken_by == STANDING) | (broken_by >= number)).sum()),
                num_broken=int((broken_by == number).sum()),
            )
            for number, name in enumerate(attacks)
        ),
        proved_accuracy=None if proof is None else proof.proved_accuracy,
        proof=None if proof is None else proof.result(intervals),
    )


def curve_point(threat: Threat, broken_by: NDArray[np.int16]) -> CurvePoint:
    """Return the accuracy that an attack left at one epsilon."""
    accuracy = float((broken_by == STANDING).mean())
    return CurvePoint(norm=str(threat.norm), epsilon=str(threat.epsilon), accuracy=accuracy)


def paired_result(
    threat: Threat, dense: NDArray[np.int16], slim: NDArray[np.int16], intervals: Intervals
) -> PairedResult:
    """Return the table of dense and slim under one threat, from their outcomes (N,)."""
    table = intervals.paired(dense == STANDING, slim == STANDING)
    return PairedResult(
        norm=str(threat.norm),
        epsilon=str(threat.epsilon),
        both=table.both,
        only_dense=table.only_dense,
        only_slim=table.only_slim,
        neither=table.neither,
        difference=table.difference,
        interval=table.interval,
    )


def transfer_share(broken_by: NDArray[np.int16], attacks: tuple[str, ...]) -> float | None:
    """Return the share of right images that outlive the replay of the dense model's adversarial images."""
    num_right = int((broken_by != WRONG).sum())
    if TRANSFER not in attacks or num_right == 0:
        return None
    return 1 - int((broken_by == attacks.index(TRANSFER)).sum()) / num_right


def differences(place: str, stated: Any, found: Any) -> list[str]:
    """Return one sentence for each plain value in which two records differ by more than rounding."""
    if isinstance(stated, dict) and isinstance(found, dict):
        return [line for key in stated for line in differences(f"{place}.{key}".strip("."), stated[key], found[key])]
    if isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        pairs = enumerate(zip(stated, found, strict=True))
        return [line for number, pair in pairs for line in differences(f"{place}[{number}]", *pair)]
    numbers = isinstance(stated, int | float) and isinstance(found, int | float)
    if stated == found or (numbers and math.isclose(stated, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)):
        return []
    return [f"{place}: the certificate says {_short(stated)}, the outcomes give {_short(found)}"]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a record" if isinstance(value, dict) else repr(value)
