"""`[corruptions]`: what is still right under noise, blur, weather and compression, on average."""

from collections.abc import Iterator

from compressor.certify.corruption_result import CorruptionResult
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_CERTIFICATE
from compressor.gate.demands import CorruptionDemand
from compressor.gate.evidence import Evidence
from compressor.gate.verdict import Condition

CONDITION = "corruptions.min"


def judge_corruptions(demand: CorruptionDemand, evidence: Evidence) -> Iterator[Condition]:
    """Yield the condition on the mean accuracy over all corruptions that were tried."""
    if demand.min is None:
        return
    result = evidence.certificate.result if evidence.certificate else None
    if result is None or result.corruptions is None or not result.corruptions.rows:
        nothing = "the certificate has no corruptions: undecided, make it with compress certify --corruptions"
        demanded = f"at least {wording.demanded_percent(demand.min)} on average"
        yield rules.missing(CONDITION, demanded, nothing if result else NO_CERTIFICATE)
        return
    yield rules.share_at_least(
        CONDITION,
        what=f"mean accuracy over {_named(result.corruptions)}",
        found=result.corruptions.mean_accuracy,
        interval=result.corruptions.mean_interval,
        limit=demand.min,
        num_images=result.corruptions.num_images,
    )


def _named(found: CorruptionResult) -> str:
    """Say over how many corruptions, which is the worst, and which are not among them."""
    worst = f"worst: {found.worst}, {wording.percent(found.mean_of(found.worst))}"
    without = f"; without {', '.join(each.name for each in found.skipped)}" if found.skipped else ""
    return f"{len(found.names)} corruptions ({worst}{without})"
