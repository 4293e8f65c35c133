"""What corruptions and shifts left: a table of corruption by severity, and one of the worst places."""

from compressor.certify.certificate import Result
from compressor.certify.corruption_result import CorruptionResult, WorstCaseRow
from compressor.gate import wording
from compressor.report.frames import frame
from compressor.report.summary import Summary
from compressor.report.tables import UNKNOWN, Table


def tables_of(summary: Summary) -> tuple[Table, ...]:
    """Return the tables, or nothing where nothing was corrupted."""
    result = summary.certificate.result if summary.certificate else None
    if result is None or result.corruptions is None:
        return ()
    found = [corruptions(result.corruptions), worst_cases(result, result.corruptions)]
    return tuple(table for table in found if table.rows)


def corruptions(found: CorruptionResult) -> Table:
    """Return the accuracy under each corruption at each severity, its mean, and the dense model's mean."""
    severities = sorted({row.severity for row in found.rows})
    cells = {(row.name, row.severity): row.accuracy for row in found.rows}
    rows = []
    for name in found.names:
        dense = [row.dense_accuracy for row in found.rows if row.name == name and row.dense_accuracy is not None]
        known = (*(cells[name, severity] for severity in severities), found.mean_of(name))
        before = (_plain(sum(dense) / len(dense) if dense else None),) if found.baseline else ()
        rows.append((name, *map(_plain, known), *before))
    base = found.baseline
    blank = tuple("" for _ in severities)
    rows.append(("mean", *blank, _plain(found.mean_accuracy), *((_plain(base.mean_accuracy),) if base else ())))
    heads = ("corruption", *map(str, severities), "slim %", *(("dense %",) if base else ()))
    return Table(title="Common corruptions", heads=heads, rows=tuple(rows), note=" ".join(_notes(found)))


def _notes(found: CorruptionResult) -> list[str]:
    where = (
        "Pictures of the published CIFAR-10-C arrays"
        if found.source == "published"
        else "Computed here, not the published sets"
    )
    notes = [
        f"{where}; columns are severities. Mean {wording.bracket(found.mean_interval)} ({found.interval_method}), over "
        f"{wording.amount(found.num_images)} images that all corruptions share."
    ]
    if found.baseline is not None:
        drop, interval = found.baseline.difference, found.baseline.difference_interval
        notes.append(f"Dense minus slim: {wording.points(drop)} {wording.bracket(interval)}.")
    return [*notes, *(f"Skipped {each.name}: {each.reason}." for each in found.skipped)]


def worst_cases(result: Result, found: CorruptionResult) -> Table:
    """Return what is right at every place of each grid."""
    has_dense = any(row.dense_accuracy is not None for row in found.worst_case)
    rows = tuple(
        (row.name, str(row.settings.get("num_positions", UNKNOWN)), *_worst(row, has_dense=has_dense))
        for row in found.worst_case
    )
    settings = "; ".join(
        f"{row.name}: {', '.join(f'{key} {value}' for key, value in row.settings.items())}" for row in found.worst_case
    )
    note = (
        f"An image counts where it is right, and right at every place. {settings}. Intervals: "
        f"{wording.demanded_percent(result.confidence)}, by {result.interval_method}."
    )
    heads = ("shift", "places", "slim %", *(("dense %",) if has_dense else ()))
    return Table(title="Shifts in the worst place", heads=heads, rows=rows, note=note)


def _worst(row: WorstCaseRow, *, has_dense: bool) -> tuple[str, ...]:
    slim = f"{_plain(row.accuracy)} {wording.bracket(row.interval)}"
    return (slim, _plain(row.dense_accuracy)) if has_dense else (slim,)


def _plain(share: float | None) -> str:
    return UNKNOWN if share is None else wording.percent(share).removesuffix(" %")


def heat_map(found: CorruptionResult) -> str:
    """Return the slim model's accuracy under each corruption, from mild to severe, as rows of cells."""
    from compressor.report.drawings.rows import Heat, heat

    severities = sorted({row.severity for row in found.rows})
    cells = {(row.name, row.severity): row.accuracy for row in found.rows}
    rows = [
        Heat(name=name, shares=tuple(cells[name, each] for each in severities), mean=found.mean_of(name))
        for name in found.names
    ]
    caption = "Columns are severities; the fuller a cell's colour, the more is still right. The figure is the mean."
    return frame(heat(rows, columns=[str(each) for each in severities], name="corruptions"), caption=caption)
