"""`[size]`, `[parity]`: facts about the file, counted or measured without an interval.

Where targets have replayed the file, their parity records stand beside the maker's, and every one of them must hold.
"""

from collections.abc import Iterator

from compressor.export.record import Parity
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_CERTIFICATE, NO_PARITY, ONLY_REPLAYED
from compressor.gate.demands import ParityDemand, SizeDemand
from compressor.gate.evidence import Evidence, is_replay
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


def record_name(parity: Parity) -> str:
    """Return what to call a record: that of a target, or of another provider, is told apart."""
    if is_replay(parity):
        return f"the parity record of a target ({parity.provider})"
    return "the parity record" + ("" if parity.provider == "cpu" else f" on {parity.provider}")


def judge_parity(demand: ParityDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield the records' own conclusion when there is one, and the condition on agreement. The worst record counts."""
    records = evidence.parities
    if records:
        worst = max(records, key=lambda each: (each.decision != Decision.PASSED, each.max_rel))
        places = " and ".join(dict.fromkeys(_place(each) for each in records))
        besides = f", the worst of {len(records)} records ({places})" if len(records) > 1 else ""
        yield rules.fact(
            PARITY_DECISION,
            demanded="the ONNX file answers as the torch model",
            found=worst.max_abs,
            holds=worst.decision == Decision.PASSED,
            reason=f"the largest difference of a logit is {worst.max_abs:.2g} on {wording.amount(worst.num_images)} "
            f"images ({_place(worst)}){besides}",
        )
    limit = demand.min_agreement
    if limit is None:
        return
    demanded = f"at least {wording.demanded_percent(limit)} equal answers"
    if evidence.parity is None:
        yield rules.missing("parity.min_agreement", demanded, ONLY_REPLAYED if records else NO_PARITY)
        return
    least = min(records, key=lambda each: each.agreement)
    who = "stored and fresh answers are the same" if is_replay(least) else "torch and ONNX give the same answer"
    yield rules.fact(
        "parity.min_agreement",
        demanded=demanded,
        found=least.agreement,
        holds=least.agreement >= limit,
        reason=f"{who} on {wording.percent(least.agreement, besides=limit)} "
        f"of {wording.amount(least.num_images)} images{f' ({_place(least)})' if is_replay(least) else ''}; "
        f"demanded {demanded}",
    )


def _place(parity: Parity) -> str:
    return f"{parity.provider}, replayed on a target" if is_replay(parity) else parity.provider
