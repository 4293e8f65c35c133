"""`[size]`, `[parity]`: facts about the file, counted or measured without an interval."""

from collections.abc import Iterator

from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_CERTIFICATE, NO_PARITY
from compressor.gate.demands import ParityDemand, SizeDemand
from compressor.gate.evidence import Evidence
from compressor.gate.policy import PARITY_DECISION
from compressor.gate.verdict import Condition
from compressor.types import Decision


def judge_size(demand: SizeDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield the conditions on bytes, multiply-adds and parameters."""
    model = evidence.certificate.result.model if evidence.certificate else None
    recorded = evidence.parity.bytes_model if evidence.parity else None
    num_bytes = evidence.model_bytes if evidence.model_bytes is not None else recorded
    if demand.max_bytes is not None:
        yield _at_most("size.max_bytes", num_bytes, demand.max_bytes, unit="bytes", absent=NO_PARITY)
    if demand.max_macs is not None:
        macs = model.macs if model else None
        yield _at_most("size.max_macs", macs, demand.max_macs, unit="multiply-adds", absent=NO_CERTIFICATE)
    if demand.max_params is not None:
        params = model.params if model else None
        yield _at_most("size.max_params", params, demand.max_params, unit="parameters", absent=NO_CERTIFICATE)


def _at_most(condition_id: str, found: int | None, limit: int, *, unit: str, absent: str) -> Condition:
    demanded = f"at most {wording.amount(limit)} {unit}"
    if found is None:
        return rules.missing(condition_id, demanded, absent)
    subject = "one image takes" if unit == "multiply-adds" else "the model file has"
    return rules.fact(
        condition_id,
        demanded=demanded,
        found=found,
        holds=found <= limit,
        reason=f"{subject} {wording.amount(found)} {unit}; demanded {demanded}",
    )


def judge_parity(demand: ParityDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield the parity record's own conclusion when there is one, and the condition on agreement."""
    parity = evidence.parity
    if parity is not None:
        yield rules.fact(
            PARITY_DECISION,
            demanded="the ONNX file answers as the torch model",
            found=parity.max_abs,
            holds=parity.decision == Decision.PASSED,
            reason=f"the largest difference of a logit is {parity.max_abs:.2g} on {wording.amount(parity.num_images)} "
            f"images ({parity.provider})",
        )
    limit = demand.min_agreement
    if limit is None:
        return
    demanded = f"at least {wording.demanded_percent(limit)} equal answers"
    if parity is None:
        yield rules.missing("parity.min_agreement", demanded, NO_PARITY)
        return
    yield rules.fact(
        "parity.min_agreement",
        demanded=demanded,
        found=parity.agreement,
        holds=parity.agreement >= limit,
        reason=f"torch and ONNX give the same answer on {wording.percent(parity.agreement, besides=limit)} "
        f"of {wording.amount(parity.num_images)} images; demanded {demanded}",
    )
