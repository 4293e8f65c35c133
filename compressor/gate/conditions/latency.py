"""`[[latency]]`: how long the file takes, on rows of exactly the demanded provider, device, batch and threads."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from compressor.bench.record import Latency, LatencyRow, Ratio
from compressor.gate import rules, wording
from compressor.gate.conditions.absent import NO_LATENCY
from compressor.gate.demands import ANY_DEVICE, LatencyDemand
from compressor.gate.evidence import Evidence
from compressor.gate.verdict import Condition
from compressor.types import Decision


def judge_latency(demands: Sequence[LatencyDemand], evidence: Evidence) -> Iterator[Condition]:
    """Yield the conditions on each configuration. Where several records fit, the slowest counts."""
    for demand in demands:
        if demand.max_p50_ms is not None:
            yield _median(demand, demand.max_p50_ms, evidence.latency)
        if demand.max_ratio_p50 is not None:
            yield _ratio(demand, demand.max_ratio_p50, evidence.latency)


def _fits(row: LatencyRow, demand: LatencyDemand) -> bool:
    return (
        row.provider == demand.provider
        and row.batch == demand.batch
        and row.threads == demand.threads
        and fnmatchcase(row.device_name.lower(), demand.device.lower())
    )


def _compared(record: Latency) -> list[tuple[LatencyRow, Ratio]]:
    """Return the rows that were timed in turns with the dense model's, each with its ratio."""
    against = record.against
    if against is None:
        return []
    only = Ratio(ratio_p50=against.ratio_p50, ratio_interval=against.ratio_interval)
    return list(zip(record.rows, against.ratios or (only,), strict=False))


def _described(demand: LatencyDemand) -> str:
    device = "" if demand.device == ANY_DEVICE else f" on {demand.device!r}"
    return wording.configuration(demand.provider, demand.batch, demand.threads) + device


def _nothing_fits(demand: LatencyDemand, records: Sequence[Latency], *, compared: bool) -> str:
    """Say which row is missing, what there is instead and how to make it."""
    if not records:
        return NO_LATENCY
    rows = [row for record in records for row in ([each for each, _ in _compared(record)] if compared else record.rows)]
    present = "; ".join(
        dict.fromkeys(
            f"{wording.configuration(row.provider, row.batch, row.threads)} on {row.device_name}" for row in rows
        )
    )
    reasons = [each.reason for record in records for each in record.not_measured or () if each.what == "against"]
    if compared and reasons:
        return f"there is no comparison with the dense model for {_described(demand)}: {reasons[0]}: undecided"
    what = "comparison with the dense model" if compared else "row"
    return (
        f"there is no {what} for {_described(demand)}, only {present or 'nothing'}: undecided, measure it with "
        f"compress bench --provider {demand.provider} --batch {demand.batch} --threads {demand.threads}"
        + (" --against DENSE" if compared else "")
    )


def _noise(record: Latency) -> str:
    return " (a noisy machine)" if record.noisy else ""


def _median(demand: LatencyDemand, limit: float, records: Sequence[Latency]) -> Condition:
    condition_id = f"latency.{demand.name}.max_p50_ms"
    demanded = f"at most {limit:g} ms"
    fitting = [(row.p50_ms, record) for record in records for row in record.rows if _fits(row, demand)]
    if not fitting:
        return rules.missing(condition_id, demanded, _nothing_fits(demand, records, compared=False))
    found, record = max(fitting, key=lambda pair: pair[0])
    return rules.fact(
        condition_id,
        demanded=demanded,
        found=found,
        holds=found <= limit,
        reason=f"median latency on {_described(demand)} is {found:.4g} ms{_noise(record)}; demanded {demanded}",
    )


def _ratio(demand: LatencyDemand, limit: float, records: Sequence[Latency]) -> Condition:
    """Judge the interleaved ratio; older records hold one, for the configuration of their first row."""
    condition_id = f"latency.{demand.name}.max_ratio_p50"
    demanded = f"at most {limit:g} times the dense model's"
    fitting = [(ratio, record) for record in records for row, ratio in _compared(record) if _fits(row, demand)]
    if not fitting:
        return rules.missing(condition_id, demanded, _nothing_fits(demand, records, compared=True))
    ratio, record = max(fitting, key=lambda pair: pair[0].ratio_interval[1])
    found, interval = ratio.ratio_p50, ratio.ratio_interval
    decision = rules.decide_at_most(limit, interval)
    if not interval[0] <= found <= interval[1]:
        decision = Decision.UNDECIDED
    ending = "undecided, more runs on a quiet machine would settle it" if decision is Decision.UNDECIDED else decision
    return Condition(
        id=condition_id,
        demanded=demanded,
        found=found,
        interval=interval,
        decision=decision,
        reason=f"median latency on {_described(demand)} is {found:.3g} "
        f"[{interval[0]:.3g}, {interval[1]:.3g}] times the dense model's{_noise(record)}; demanded at most {limit:g}: "
        f"{ending}",
    )
