"""The tables that every format shows: cells as text, so that all of them show the same figures."""

from collections.abc import Callable
from dataclasses import dataclass

from compressor.bench.record import Latency, LatencyRow
from compressor.certify.certificate import AttackResult, Baseline, Calibration, CalibrationBin, Result
from compressor.gate import wording
from compressor.gate.judge import blocking
from compressor.gate.verdict import Condition, Verdict
from compressor.report.summary import Column, Figure, Summary
from compressor.types import Decision

UNKNOWN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, heads and rows. The first column names, the others are figures."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What a reader must know to read it rightly."""


def comparison(summary: Summary) -> Table:
    """Return dense, slim and control side by side."""
    columns = summary.columns
    dense = next((column for column in columns if column.name == "dense"), None)
    rows = [("accuracy %", *(_share(column.accuracy) for column in columns))]
    for place, threat in enumerate(summary.threats):
        rows.append((f"robust {threat} %", *(_share(column.robust[place]) for column in columns)))
    rows.append(("corrupted %", *(_share(column.corrupted) for column in columns)))
    rows.append(("calibration error %", *(_plain(column.calibration_error) for column in columns)))
    rows += [
        ("parameters", *(_part(column.params, dense.params if dense else None, wording.amount) for column in columns)),
        ("multiply-adds", *(_part(column.macs, dense.macs if dense else None, wording.count) for column in columns)),
        (
            "model.onnx",
            *(_part(column.num_bytes, dense.num_bytes if dense else None, wording.size) for column in columns),
        ),
        ("median latency", *(_median(column, summary.ratio_p50) for column in columns)),
    ]
    known = tuple(row for row in rows if any(cell != UNKNOWN for cell in row[1:]))
    return Table(
        title="Dense against slim",
        heads=("", *(column.name for column in columns)),
        rows=known,
        note=" ".join(_comparison_notes(summary)),
    )


def _comparison_notes(summary: Summary) -> list[str]:
    notes = []
    if summary.certificate is not None:
        result = summary.certificate.result
        others = "; the dense model's by Wilson" if result.baseline else ""
        notes.append(
            f"Intervals: {wording.demanded_percent(result.confidence)}, by {result.interval_method}{others}; they "
            "cover the sampling of images. Attacks bound robust accuracy from above."
        )
        notes += _beside_dense(result.baseline)
    if summary.timed is not None:
        row = summary.timed
        notes.append(f"Latency: {wording.configuration(row.provider, row.batch, row.threads)} on {row.device_name}.")
    names = [column.name for column in summary.columns]
    if "dense" in names and not summary.has_control:
        notes.append("There is no control, so no difference can be put down to pruning.")
    elif summary.has_control:
        notes.append("Control: the dense model, fine-tuned by the same recipe.")
    return notes


def _beside_dense(baseline: Baseline | None) -> list[str]:
    """Say how alike the two models answer, and whether what fools one fools the other."""
    if baseline is None:
        return []
    alike = f"Dense and slim give the same answer to {wording.percent(baseline.agreement)} of the images"
    if baseline.transfer is None:
        return [f"{alike}."]
    outlived = wording.percent(baseline.transfer)
    return [f"{alike}; {outlived} of what slim answers right outlives the adversarial images of dense."]


def _share(figure: Figure | None) -> str:
    if figure is None:
        return UNKNOWN
    share = wording.percent(figure.value).removesuffix(" %")
    return f"{share} {wording.bracket(figure.interval)}" if figure.interval else share


def _part(value: int | None, whole: int | None, say: Callable[[int], str]) -> str:
    """Return an amount and, where the dense one is known and differs, its share of that."""
    if value is None:
        return UNKNOWN
    return f"{say(value)} ({100 * value / whole:.0f} %)" if whole and whole != value else say(value)


def _median(column: Column, ratio: Figure | None) -> str:
    if column.p50_ms is None:
        return UNKNOWN
    text = wording.milliseconds(column.p50_ms)
    return f"{text} (x {ratio.value:.2f})" if column.name == "slim" and ratio is not None else text


def found_text(condition: Condition) -> str:
    """Return what was found, in the unit of the condition's kind."""
    found, kind = condition.found, condition.id
    if found is None:
        return "nothing"
    if isinstance(found, str):
        return found
    if kind.endswith("_ms"):
        return wording.milliseconds(found)
    if kind.endswith("ratio_p50"):
        return f"x {found:.3g}"
    if kind.startswith(("accuracy.", "robustness.", "corruptions.")) or kind in (
        "parity.min_agreement",
        "evidence.confidence",
    ):
        return wording.points(found) if "drop" in kind else wording.percent(found)
    return wording.amount(found) if isinstance(found, int) else f"{found:.3g}"


def standing(verdict: Verdict) -> tuple[Condition, ...]:
    """Return the conditions that block and that nobody accepted, failed ones first."""
    taken = {each.id for each in verdict.accepted}
    return tuple(each for each in blocking(verdict.conditions) if each.id not in taken)


def in_order(verdict: Verdict) -> tuple[tuple[Condition, str], ...]:
    """Return each condition with the word it is shown by: what blocks first, then what was accepted, then the rest."""
    taken = {each.id for each in verdict.accepted}
    first = standing(verdict)
    accepted = [each for each in blocking(verdict.conditions) if each.id in taken]
    rest = [each for each in verdict.conditions if each.decision is Decision.PASSED]
    return (
        *((each, str(each.decision)) for each in first),
        *((each, "accepted") for each in accepted),
        *((each, str(each.decision)) for each in rest),
    )


def _called(attack: AttackResult) -> str:
    """Return an attack's name, with the loss that it climbs: a battery runs one attack with several."""
    loss = attack.settings.get("loss")
    return attack.name if loss is None else f"{attack.name} ({loss})"


def attacks(result: Result) -> Table | None:
    """Return what each attack broke, in the order the battery ran."""
    rows = tuple(
        (
            f"{_called(attack)} at {threat.threat}",
            wording.amount(attack.num_attempted),
            wording.amount(attack.num_broken),
        )
        for threat in result.threats
        for attack in threat.attacks
    )
    if not rows:
        return None
    audits = [f"Audit at {each.threat}: {each.audit_words()}." for each in result.threats if each.audit is not None]
    note = " ".join(["Each attack tries the images that are still right when it begins.", *audits])
    return Table(title="What each attack broke", heads=("attack", "still right", "broken"), rows=rows, note=note)


def per_class(result: Result) -> Table | None:
    """Return recall of each class, dense and slim, and the robust share under the first threat."""
    dense = dict(enumerate(result.baseline.per_class)) if result.baseline else {}
    if not result.per_class:
        return None
    robust = any(each.robust is not None for each in result.per_class)
    rows = []
    for place, each in enumerate(result.per_class):
        before = dense.get(place)
        row = [each.label, wording.amount(each.num), _plain(before.recall if before else None), _plain(each.recall)]
        row += [_plain(before.robust if before else None), _plain(each.robust)] if robust else []
        rows.append(tuple(row))
    heads = ["class", "images", "dense recall %", "slim recall %"]
    heads += ["dense robust %", "slim robust %"] if robust else []
    first = f"Robust: under {result.threats[0].threat}. " if robust and result.threats else ""
    falls = [
        (before.recall - after.recall, after.label)
        for before, after in zip(dense.values(), result.per_class, strict=False)
        if before.recall is not None and after.recall is not None
    ]
    if falls and max(falls)[0] > 0:
        first += f"{max(falls)[1]} loses most recall, {wording.points(max(falls)[0])}. "
    note = f"{first}One class has few images: a few points are noise."
    return Table(title="Each class", heads=tuple(heads), rows=tuple(rows), note=note)


def _plain(share: float | None) -> str:
    return UNKNOWN if share is None else wording.percent(share).removesuffix(" %")


def latencies(latency: Latency) -> Table | None:
    """Return every row that was timed, of this file and of the one it was compared with."""
    pairs = [("slim", row) for row in latency.rows]
    pairs += [("dense", row) for row in latency.against.rows] if latency.against else []
    if not pairs:
        return None
    rows = tuple(
        (
            f"{name}: {wording.configuration(row.provider, row.batch, row.threads)}{_timed(row)}",
            *(UNKNOWN if value is None else f"{value:.3g}" for value in (row.p50_ms, row.p90_ms, row.p99_ms)),
            wording.amount(round(row.images_per_second)),
        )
        for name, row in pairs
    )
    noisy = "The machine was noisy: read the times with care. " if latency.noisy else ""
    devices = ", ".join(dict.fromkeys(row.device_name for _, row in pairs))
    note = f"{noisy}Milliseconds for one batch on {devices}."
    return Table(title="Latency", heads=("file", "p50 ms", "p90 ms", "p99 ms", "images/s"), rows=rows, note=note)


def _timed(row: LatencyRow) -> str:
    if row.cuda_graph:
        return ", CUDA graph"
    return "" if row.transfers_included else ", on the device"


def epochs(summary: Summary) -> Table | None:
    """Return the epochs of fine-tuning."""
    if not summary.epochs:
        return None
    rows = tuple(
        (
            str(each.number),
            UNKNOWN if each.loss is None else f"{each.loss:.4f}",
            _plain(each.train_accuracy),
            _plain(each.select_accuracy),
        )
        for each in summary.epochs
    )
    return Table(title="Fine-tuning", heads=("epoch", "loss", "train %", "select %"), rows=rows)


def filled_bins(calibration: Calibration) -> list[CalibrationBin]:
    """Return the bins that hold an image."""
    return [each for each in calibration.bins if each.num and each.confidence is not None and each.accuracy is not None]
