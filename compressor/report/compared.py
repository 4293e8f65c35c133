"""A comparison of bundles as text, Markdown and HTML."""

from collections.abc import Sequence
from html import escape

from compressor.gate import wording
from compressor.report.comparison import Comparison, Row
from compressor.report.frames import frame, side_by_side
from compressor.report.markdown import commands_markdown, plain, table_markdown
from compressor.report.page import whole_page
from compressor.report.sections import section, table_html
from compressor.report.tables import UNKNOWN, Table
from compressor.report.text import commands_text, paragraph, table_text

MOST_COLUMNS = 3
"""Threats with a column of their own; all of them stand in the table with intervals."""

CHANCE = "By the measured figures: where intervals overlap, a difference may be chance."


def tables_of(found: Comparison) -> tuple[Table, ...]:
    """Return the frontier, the figures with their intervals, and the sizes; nothing where nothing can be compared."""
    return (_frontier(found), _intervals(found), _sizes(found)) if found.rows else ()


def _frontier(found: Comparison) -> Table:
    shown = found.threats[:MOST_COLUMNS]
    rows = tuple(
        (
            _numbered(number, row),
            _plain(row.accuracy),
            *(_plain(share) for share in row.robust[: len(shown)]),
            *((UNKNOWN if row.timed is None else f"{row.timed.p50_ms:.3g}",) if found.timed else ()),
            _place(found, row),
        )
        for number, row in enumerate(found.rows, start=1)
    )
    heads = ("bundle", "accuracy %", *map(str, shown), *(("p50 ms",) if found.timed else ()), "frontier")
    more = len(found.threats) - len(shown)
    notes = [f"The frontier counts {more} more threats; see the intervals." if more else "", CHANCE, *found.notes]
    return Table(title="Frontier", heads=heads, rows=rows, note=" ".join(note for note in notes if note))


def _numbered(number: int, row: Row) -> str:
    return f"{number} {row.label}"


def _place(found: Comparison, row: Row) -> str:
    if row.is_best:
        return "yes"
    number = next((place for place, each in enumerate(found.rows, start=1) if each.label == row.beaten_by), None)
    return UNKNOWN if number is None else f"below {number}"


def _intervals(found: Comparison) -> Table:
    rows = []
    for number, row in enumerate(found.rows, start=1):
        slim = next(column for column in row.summary.columns if column.name == "slim")
        figures = [("accuracy", slim.accuracy)]
        figures += [(str(threat), slim.robust[row.summary.threats.index(threat)]) for threat in found.threats]
        rows += [
            (f"{_numbered(number, row)}: {name}", _plain(figure.value), wording.bracket(figure.interval))
            for name, figure in figures
            if figure is not None and figure.interval is not None
        ]
    note = "Intervals cover the sampling of images. Attacks bound robust accuracy from above."
    return Table(title="With intervals", heads=("bundle and figure", "%", "interval"), rows=tuple(rows), note=note)


def _sizes(found: Comparison) -> Table:
    rows = []
    for number, row in enumerate(found.rows, start=1):
        slim = next(column for column in row.summary.columns if column.name == "slim")
        ratio, verdict = row.summary.ratio_p50, row.summary.verdict
        rows.append(
            (
                _numbered(number, row),
                UNKNOWN if slim.params is None else wording.amount(slim.params),
                UNKNOWN if slim.macs is None else wording.count(slim.macs),
                UNKNOWN if slim.num_bytes is None else wording.size(slim.num_bytes),
                UNKNOWN if ratio is None else f"x {ratio.value:.2f}",
                UNKNOWN if verdict is None else str(verdict.decision),
            )
        )
    heads = ("bundle", "parameters", "multiply-adds", "model.onnx", "of dense", "verdict")
    note = "Of dense: median latency beside each bundle's own dense model, timed in turn. Verdict: by its own policy."
    return Table(title="Size and verdict", heads=heads, rows=tuple(rows), note=note)


def _plain(share: float) -> str:
    return wording.percent(share).removesuffix(" %")


def _apart(found: Comparison) -> list[str]:
    return [f"{each.label}: {each.reason}" for each in found.apart]


def comparison_text(found: Comparison, commands: Sequence[str] = ()) -> str:
    """Return tables within 80 columns, and who cannot be compared."""
    parts = [f"{table.title}\n{table_text(table)}" for table in tables_of(found)]
    apart = [line for words in _apart(found) for line in paragraph(words, "  ")]
    parts += ["\n".join(["Not compared", *apart])] if apart else []
    parts += ["\n".join(commands_text(commands))] if commands else []
    return "\n\n".join(parts) + "\n"


def comparison_markdown(found: Comparison, commands: Sequence[str] = ()) -> str:
    """Return the frontier, everything else folded away, and who cannot be compared."""
    first, *others = tables_of(found) or (None,)
    parts = [] if first is None else [f"### {first.title}\n\n{table_markdown(first)}"]
    parts += [
        f"<details><summary>{plain(table.title)}</summary>\n\n{table_markdown(table)}\n</details>\n"
        for table in others
        if table is not None
    ]
    apart = "".join(f"- {plain(words)}\n" for words in _apart(found))
    parts += [f"### Not compared\n\n{apart}"] if apart else []
    parts += [commands_markdown(commands)] if commands else []
    return "\n".join(parts)


def comparison_page(found: Comparison, commands: Sequence[str] = ()) -> bytes:
    """Return one self-contained HTML file."""
    num = len(found.rows) + len(found.apart)
    first, *others = tables_of(found) or (None,)
    parts = [f"<header>\n<h1>{num} bundles compared</h1>\n</header>"]
    if first is not None:
        parts.append(section(first.title, _drawings(found), table_html(first)))
    parts += [section(table.title, table_html(table)) for table in others if table is not None]
    apart = "".join(f"<li>{escape(words)}</li>" for words in _apart(found))
    parts.append(section("Not compared", f"<ul>{apart}</ul>" if apart else ""))
    again = escape("\n".join(commands))
    parts.append(section("Make it again", f"<pre><code>{again}</code></pre>" if again else ""))
    return whole_page(f"{num} bundles compared", "\n".join(part for part in parts if part))


def _drawings(found: Comparison) -> str:
    """Return accuracy, and robust accuracy at each threat, against latency; nothing where no latency is shared."""
    rows = [(number, row, row.timed) for number, row in enumerate(found.rows, start=1)]
    timed = [(number, row, latency.p50_ms) for number, row, latency in rows if latency is not None]
    if len(timed) < 2:
        return ""
    from compressor.report.drawings.squares import Dot, frontier

    frames = []
    for place, title in enumerate(("Accuracy", *(f"Robust accuracy at {threat}" for threat in found.threats))):
        values = [(row.accuracy, *row.robust)[place] for _, row, _ in timed]
        dots = [
            Dot(x=p50, y=value, name=str(number), is_best=row.is_best)
            for (number, row, p50), value in zip(timed, values, strict=True)
        ]
        spoken = f"{title}: " + "; ".join(
            f"{row.label} {wording.percent(value)} in {wording.milliseconds(p50)}"
            for (_, row, p50), value in zip(timed, values, strict=True)
        )
        drawn = frontier(dots, across="median latency in ms", is_share=False, name=f"frontier{place}", spoken=spoken)
        frames.append(frame(drawn, title=title, caption="Filled: on the frontier, which all figures decide together."))
    return side_by_side(*frames)
