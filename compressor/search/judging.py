"""What the policy says of a candidate, on select images: by the gate's own judge, where select images can answer.

A candidate passes when no condition failed and every one would be decided on the test even if its figure came out worse
there by one standard error, which happens to one candidate in six. An interval shrinks with the square root of the
number of images, so the interval on select is scaled to the number of images that the test has. Without that, the
search would end with the smallest model that might pass, of which chance decides on the test.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from compressor.attacks.threat import Threat
from compressor.bench.record import Latency
from compressor.certify.certificate import Certificate, Flag, PairedAccuracy, PairedResult, Result
from compressor.certify.intervals import Intervals
from compressor.gate.evidence import evidence_of
from compressor.gate.judge import judge
from compressor.gate.policy import Policy, threat_id, threats_of
from compressor.gate.verdict import Condition
from compressor.records import now
from compressor.search.record import Judged, Standing
from compressor.types import Decision

ANSWERED = ("accuracy.", "robustness.", "corruptions.", "size.", "latency.")
"""Conditions that select images can answer, by how their ids begin. The others are about the evidence of the test."""

STANDARD_ERROR = 0.51
"""Of an interval at confidence 0.95, as a share of one of its sides."""

MISSED = 1e-9
"""Least shortfall of what failed."""


def judged(
    policy: Policy,
    certificate: Certificate,
    *,
    num_planned: int,
    num_test: int,
    latency: Sequence[Latency] = (),
    model: bytes | None = None,
    accepted: Collection[str] = (),
) -> tuple[Judged, ...]:
    """Return what came of each condition that can be answered and that nobody accepted beforehand.

    Args:
        policy: what is demanded.
        certificate: on select images.
        num_planned: select images that it could have used.
        num_test: images that the test certificate will have.
        latency: of the candidate's file, where it was timed.
        model: its file, where it was written.
        accepted: ids that somebody took upon themselves.
    """
    whole = replace(certificate, result=with_fixed_intervals(certificate.result, num_planned))
    verdict = judge(policy, evidence_of(certificate=whole, latency=latency, model=model), now=now())
    taken = {*accepted, *(each.id for each in verdict.accepted)}
    limits, num_select = limits_of(policy), whole.result.data.num_images
    scale, is_early = math.sqrt(num_select / max(1, num_test)), num_select < num_planned
    found = []
    for condition in verdict.conditions:
        if condition.id in taken or not condition.id.startswith(ANSWERED):
            continue
        if isinstance(condition.found, int | float):
            missing = shortfall(condition, limits[condition.id], scale=scale, is_early=is_early)
            found.append(
                Judged(
                    id=condition.id,
                    decision=condition.decision,
                    found=float(condition.found),
                    limit=limits[condition.id],
                    shortfall=missing,
                )
            )
    return tuple(found)


def standing_of(conditions: Sequence[Judged]) -> Standing:
    """Return what conditions come to."""
    if any(each.decision is Decision.FAILED for each in conditions):
        return Standing.FAILED
    return Standing.PASSED if all(each.shortfall <= 0 for each in conditions) else Standing.UNDECIDED


def shortfall(condition: Condition, limit: float, *, scale: float, is_early: bool) -> float:
    """Return how much is missing until the condition would be decided as passed on the test; at most 0: nothing.

    Args:
        condition: as the gate judged it, with a figure.
        limit: demanded.
        scale: of intervals, from the number of select images to that of test images.
        is_early: whether the gate decided before all select images were used, by the wide intervals of early looks.
    """
    # The side that the interval on test will have, and what the two figures may differ by.
    scale += STANDARD_ERROR * math.sqrt(1 + scale**2)
    found = condition.found
    assert isinstance(found, int | float)
    low, high = condition.interval or (found, found)
    if condition.id.startswith(("size.", "latency.")):
        missing = (high - limit) / limit
    elif "drop" in condition.id or condition.id == "accuracy.max_ece":
        missing = found - limit + scale * (high - found)
    else:
        missing = limit - found + scale * (found - low)
    if condition.decision is Decision.PASSED and is_early:
        return min(missing, 0.0)
    return max(missing, MISSED) if condition.decision is Decision.FAILED else missing


def limits_of(policy: Policy) -> dict[str, float]:
    """Return what each answerable condition demands, by its id."""
    found: dict[str, float | int | None] = {
        "accuracy.min": policy.accuracy.min,
        "accuracy.max_drop": policy.accuracy.max_drop,
        "accuracy.max_class_drop": policy.accuracy.max_class_drop,
        "accuracy.max_ece": policy.accuracy.max_ece,
        "corruptions.min": policy.corruptions.min,
        "size.max_bytes": policy.size.max_bytes,
        "size.max_macs": policy.size.max_macs,
        "size.max_params": policy.size.max_params,
    }
    for threat in policy.robustness:
        found[f"robustness.{threat_id(threat.threat)}.min"] = threat.min
        found[f"robustness.{threat_id(threat.threat)}.max_drop"] = threat.max_drop
    for row in policy.latency:
        found[f"latency.{row.name}.max_p50_ms"] = row.max_p50_ms
        found[f"latency.{row.name}.max_ratio_p50"] = row.max_ratio_p50
    return {name: float(limit) for name, limit in found.items() if limit is not None}


def attacked_threats(policy: Policy) -> tuple[Threat, ...]:
    """Return what candidates are attacked with: the threats that are judged, or else one for the record."""
    named = tuple(demand.threat for demand in policy.robustness if (demand.min, demand.max_drop) != (None, None))
    return named or threats_of(policy)[:1]


def without(policy: Policy, taken: Collection[str]) -> Policy:
    """Return the policy as if it did not demand what is accepted: what candidates are ended by before the judgement.

    Args:
        policy: read.
        taken: ids of conditions that may fail.
    """

    def kept(demand: Any, name: str) -> Any:
        return replace(demand, **{each.name: None for each in fields(demand) if f"{name}.{each.name}" in taken})

    return replace(
        policy,
        accuracy=kept(policy.accuracy, "accuracy"),
        robustness=tuple(kept(each, f"robustness.{threat_id(each.threat)}") for each in policy.robustness),
        corruptions=kept(policy.corruptions, "corruptions"),
        size=kept(policy.size, "size"),
    )


def accuracy_floor(policy: Policy, dense_accuracy: float) -> float:
    """Return the share of select images that must be right, as far as can be told before the judgement."""
    drop = policy.accuracy.max_drop
    return max(policy.accuracy.min or 0.0, 0.0 if drop is None else dense_accuracy - drop)


def flags_of(certificate: Certificate) -> tuple[str, ...]:
    """Return signs that the attacks may have been fooled: told and not judged, since few images raise them easily."""
    flags: Iterator[Flag] = (flag for threat in certificate.result.threats for flag in threat.flags)
    return tuple(dict.fromkeys(flag.id for flag in flags))


def with_fixed_intervals(result: Result, num_planned: int) -> Result:
    """Return the result with the intervals of a number of images fixed beforehand, where all images were used.

    The sequential intervals are twice as wide, since they allow looking early. A candidate that needed all images is
    compared with a limit and not certified, so the narrower ones tell more. Where attacking stopped, they stay.

    Args:
        result: on select images.
        num_planned: how many images it could have used.
    """
    num = result.data.num_images
    if num < num_planned:
        return result
    intervals = Intervals(confidence=result.confidence)

    def of(pair: PairedResult | PairedAccuracy) -> tuple[float, float]:
        return intervals.difference(pair.only_dense, pair.only_slim, num)

    baseline = result.baseline
    return replace(
        result,
        clean_interval=intervals.share(round(result.clean_accuracy * num), num),
        threats=tuple(
            replace(each, interval=intervals.share(round(each.robust_accuracy * num), num)) for each in result.threats
        ),
        baseline=None
        if baseline is None
        else replace(
            baseline,
            clean=replace(baseline.clean, interval=of(baseline.clean)),
            threats=tuple(replace(pair, interval=of(pair)) for pair in baseline.threats),
        ),
    )
