"""From one target to the ratio, the choice and the record of how near it came."""

from compressor.errors import PruneError
from compressor.progress import SILENT, Progress
from compressor.prune.choose import Choice, Chooser
from compressor.prune.measured import Bench, Measured, fit_bytes
from compressor.prune.plan_record import Target
from compressor.prune.targets import NAMES, largest_below, limit_of, next_step, smallest_model, unreachable
from compressor.prune.timed import fit_latency

Found = tuple[float, Choice, Target]
"""The ratio that it came from, what leaves, and the target as it was reached."""


def reach_counted(chooser: Chooser, quantity: str, wanted: float | int) -> Found:
    """Return the largest model below a ceiling on what can be counted.

    Args:
        chooser: of the dense model.
        quantity: `macs` or `params`.
        wanted: a fraction of dense below 1, or a number.

    Raises:
        PruneError: the target is none, or the smallest model exceeds it.
    """

    def size(choice: Choice) -> int:
        return choice.cost.macs if quantity == "macs" else choice.cost.params

    dense = size(chooser.priced((), {}))
    limit = limit_of(wanted, dense, NAMES[quantity][0])
    smallest = size(smallest_model(chooser))
    if smallest > limit:
        raise unreachable(quantity, smallest, limit)
    ratio, choice = largest_below(chooser, size, limit)
    reached = size(choice)
    target = Target(
        quantity=quantity,
        limit=limit,
        reached=reached,
        dense=dense,
        gap_fraction=(limit - reached) / dense,
        next_step=next_step(chooser, choice, size),
    )
    return ratio, choice, target


def reach_bytes(chooser: Chooser, bench: Bench, wanted: float | int, *, progress: Progress = SILENT) -> Found:
    """Return the largest model whose ONNX file does not exceed a ceiling; that file was written and counted.

    Raises:
        PruneError: the target is none, or the smallest model exceeds it.
    """
    whole = chooser.priced((), {})
    dense = bench.upper(whole)
    limit = limit_of(wanted, int(dense), NAMES["bytes"][0])
    ratio, choice, size = fit_bytes(chooser, bench, limit, dense=whole, progress=progress)
    reached = bench.upper(choice)
    target = Target(
        quantity="bytes",
        limit=limit,
        reached=reached,
        dense=dense,
        gap_fraction=(limit - reached) / dense,
        next_step=next_step(chooser, choice, size),
        tried=tuple(bench.tried),
    )
    return ratio, choice, target


def reach_latency(chooser: Chooser, bench: Bench, quantity: str, limit: float, *, progress: Progress = SILENT) -> Found:
    """Return the largest measured model whose latency is surely below a ceiling.

    Args:
        chooser: of the dense model.
        bench: measures what `quantity` says.
        quantity: `latency_ms` or `latency_ratio`.
        limit: in those units.
        progress: listener.

    Raises:
        PruneError: the target is none, or no measured model is surely below it.
    """
    whole = chooser.priced((), {})
    if quantity == "latency_ratio":
        bench.note(whole, Measured(value=1.0, upper=1.0))
    option, unit = NAMES[quantity]
    if not 0 < limit < float("inf"):
        raise PruneError(f"{option} {limit:g} leaves nothing", advice="write 2ms, or 0.5 (of the dense latency)")
    if bench.upper(whole) <= limit:
        raise PruneError(
            f"{option} {limit:g} removes nothing: the dense model has at most {bench.upper(whole):.4g} {unit}",
            advice="ship it as it is, or allow less",
        )
    ratio, choice, step = fit_latency(chooser, bench, limit, quantity=quantity, dense=whole, progress=progress)
    reached, dense = bench.upper(choice, thorough=True), bench.value(whole)
    target = Target(
        quantity=quantity,
        limit=limit,
        reached=reached,
        dense=dense,
        gap_fraction=(limit - reached) / dense,
        next_step=step,
        tried=tuple(bench.tried),
    )
    return ratio, choice, target
