"""`[[robustness]]`: what stays right under attack, alone and against the baseline."""

from collections.abc import Iterator, Sequence

from compressor.attacks.threat import Threat, parse_threat
from compressor.certify.certificate import PairedResult, Result
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_BASELINE, NO_CERTIFICATE
from compressor.gate.demands import RobustnessDemand
from compressor.gate.evidence import Evidence
from compressor.gate.policy import threat_id
from compressor.gate.verdict import Condition

TRIED_NEXT = 8
"""Where no epsilon is known at which a comparison means something, this part of the smallest one measured is named."""


def judge_robustness(demands: Sequence[RobustnessDemand], evidence: Evidence) -> Iterator[Condition]:
    """Yield the conditions on each threat; one with neither `min` nor `max_drop` is only measured."""
    result = evidence.certificate.result if evidence.certificate else None
    for demand in demands:
        if demand.min is not None:
            yield _minimum(demand.threat, demand.min, result)
        if demand.max_drop is not None:
            yield _drop(demand.threat, demand.max_drop, result)


def _named(threat: Threat) -> str:
    return f"{threat.norm} {threat.epsilon}"


def _not_attacked(threat: Threat) -> str:
    remedy = f"make one with compress certify --threat {threat}"
    return f"the certificate has no result at {_named(threat)}: undecided, {remedy}"


def _minimum(threat: Threat, limit: float, result: Result | None) -> Condition:
    condition_id = f"robustness.{threat_id(threat)}.min"
    found = next((each for each in result.threats if each.threat == threat), None) if result else None
    if result is None or found is None:
        reason = _not_attacked(threat) if result else NO_CERTIFICATE
        return rules.missing(condition_id, f"at least {wording.demanded_percent(limit)}", reason)
    return rules.share_at_least(
        condition_id,
        what=f"robust accuracy at {_named(threat)}",
        found=found.robust_accuracy,
        interval=found.interval,
        limit=limit,
        num_images=found.decided_after or result.data.num_images,
    )


def _drop(threat: Threat, limit: float, result: Result | None) -> Condition:
    condition_id = f"robustness.{threat_id(threat)}.max_drop"
    demanded = f"at most {wording.demanded_points(limit)} below the baseline"
    if result is None or result.baseline is None:
        return rules.missing(condition_id, demanded, NO_BASELINE if result else NO_CERTIFICATE)
    pair = next((each for each in result.baseline.threats if _threat(each) == threat), None)
    if pair is None:
        return rules.missing(condition_id, demanded, _not_attacked(threat))
    chance = 1 / max(1, len(result.per_class))
    dense = dense_interval(pair, result.confidence)
    if dense[1] <= chance:
        return rules.missing(condition_id, demanded, _vacuous(threat, dense, chance, result))
    return rules.drop_at_most(
        condition_id,
        what=f"robust accuracy at {_named(threat)}",
        found=pair.difference,
        interval=pair.interval,
        limit=limit,
        num_images=_num_images(pair),
    )


def dense_interval(pair: PairedResult, confidence: float) -> tuple[float, float]:
    """Return the Wilson interval of the baseline's own robust accuracy."""
    return rules.wilson(pair.both + pair.only_dense, max(1, _num_images(pair)), confidence=confidence)


def _num_images(pair: PairedResult) -> int:
    return pair.both + pair.only_dense + pair.only_slim + pair.neither


def _threat(pair: PairedResult) -> Threat:
    return parse_threat(f"{pair.norm}:{pair.epsilon}")


def _vacuous(threat: Threat, dense: tuple[float, float], chance: float, result: Result) -> str:
    """Say that the baseline has nothing left to lose here, and where the comparison would mean something."""
    return (
        f"the baseline's own robust accuracy at {_named(threat)} is {wording.bracket(dense)}, not above chance "
        f"({wording.percent(chance)}), so nothing can drop: undecided, {_meaningful(threat, chance, result)}"
    )


def _meaningful(threat: Threat, chance: float, result: Result) -> str:
    """Name the largest smaller epsilon at which the baseline had something to lose, or one to try, and say which."""
    pairs = result.baseline.threats if result.baseline else ()
    same_norm = {_threat(pair).epsilon: pair for pair in pairs if pair.norm == threat.norm}
    smaller = {epsilon: pair for epsilon, pair in same_norm.items() if epsilon < threat.epsilon}
    telling = [epsilon for epsilon in smaller if dense_interval(smaller[epsilon], result.confidence)[0] > chance]
    if telling:
        pair = smaller[max(telling)]
        share = (pair.both + pair.only_dense) / max(1, _num_images(pair))
        return f"demand it at {threat.norm}:{max(telling)}, where the baseline keeps {wording.percent(share)}"
    lowest = min([*smaller, threat.epsilon])
    return (
        f"demand it at a smaller epsilon. As a rule of thumb, which nothing here has measured, try "
        f"{threat.norm}:{lowest / TRIED_NEXT}; compress certify BASELINE --data DATA without a threat draws the curve "
        "that tells"
    )
