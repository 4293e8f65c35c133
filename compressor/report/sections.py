"""The parts of report.html, top to bottom. Each returns HTML, or an empty text where nothing is known."""

from collections.abc import Mapping, Sequence
from html import escape

from compressor.certify.certificate import Result
from compressor.gate import wording
from compressor.report import corrupted, curves, proofs, tables
from compressor.report.frames import frame, side_by_side
from compressor.report.strip import strip
from compressor.report.summary import Summary
from compressor.report.tables import Table
from compressor.types import Norm

MOST_OPEN_ROWS = 50
"""A longer table is folded."""


def section(title: str, *parts: str) -> str:
    """Return a part of the page under its title; nothing where nothing stands under it."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def note(text: str) -> str:
    """Return a quiet paragraph; nothing for an empty text."""
    return f'<p class="quiet">{escape(text)}</p>' if text else ""


def _cell(text: str) -> str:
    """Return a figure whose bracket, where there is one, stays whole when a narrow screen breaks the line."""
    figure, space, rest = text.partition(" [") if " [" in text else text.partition(" (")
    return f'{escape(figure)} <span class="whole">{escape(space.strip() + rest)}</span>' if space else escape(text)


def table_html(table: Table) -> str:
    """Return a table that scrolls by itself when it is too wide, also by keyboard."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.heads)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{_cell(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{note(table.note)}"
    )


def _from(table: Table | None) -> str:
    return section(table.title, table_html(table)) if table is not None and table.rows else ""


def verdict(summary: Summary) -> str:
    """The verdict on top, with what blocks and what was accepted."""
    head = f"<header>\n<h1>{escape(summary.name)}</h1>\n{note(summary.created)}"
    found = summary.verdict
    if found is None:
        return f'{head}\n<p class="verdict undecided"><strong>Not judged</strong></p>\n</header>'
    because = {each.id: each.because for each in found.accepted}
    lines = [f"<li>{escape(each.reason)}</li>" for each in tables.standing(found)]
    lines += [
        f"<li>accepted, {escape(each.reason)}<br>because: {escape(because[each.id])}</li>"
        for each in found.conditions
        if each.id in because
    ]
    reasons = f"\n<ul>\n{''.join(lines)}\n</ul>" if lines else ""
    return (
        f'{head}\n<div class="verdict {found.decision}"><strong>{escape(str(found.decision).capitalize())}</strong> by '
        f"{escape(found.policy.source)}{reasons}</div>\n</header>"
    )


def comparison(summary: Summary) -> str:
    """Dense, slim and control side by side."""
    return _from(tables.comparison(summary))


def conditions(summary: Summary) -> str:
    """Every condition, what blocks first."""
    if summary.verdict is None:
        return ""
    rows = "\n".join(
        f'<tr><td><span class="tag {word}">{word}</span></td><td><code>{escape(each.id)}</code></td>'
        f"<td>{escape(each.reason)}</td></tr>"
        for each, word in tables.in_order(summary.verdict)
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("decision", "condition", "why"))
    return section(
        "Conditions",
        '<div class="scroll" tabindex="0" role="region" aria-label="Conditions"><table class="conditions">\n<thead>'
        f"<tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>",
    )


def curve(summary: Summary) -> str:
    """Accuracy of each model against epsilon, one chart for each norm."""
    parts = []
    for norm in Norm:
        found = curves.curves_of(summary, norm)
        if found:
            parts += [side_by_side(curves.drawing_of(found)), table_html(curves.table_of(found))]
    return section("Accuracy against epsilon", *parts)


def samples(summary: Summary) -> str:
    """The images that broke the file by most."""
    words = "Grey is no change. Of the adversarial images in replay.npz, those answered wrong by the widest margin."
    return section("Images that broke it", strip(summary.samples), note(words)) if summary.samples else ""


def attacks(summary: Summary) -> str:
    """What each attack broke."""
    return _from(tables.attacks(summary.certificate.result)) if summary.certificate else ""


def proved(summary: Summary) -> str:
    """What was proved beside the battery."""
    return "\n".join(map(_from, proofs.tables_of(summary)))


def corruptions(summary: Summary) -> str:
    """What noise, blur, weather, compression and shifts left."""
    found = summary.certificate.result.corruptions if summary.certificate else None
    if found is None:
        return ""
    drawn = section("Corruptions, mild to severe", side_by_side(corrupted.heat_map(found)))
    return "\n".join([drawn, *map(_from, corrupted.tables_of(summary))])


def classes(summary: Summary) -> str:
    """Recall and robust share of each class."""
    result = summary.certificate.result if summary.certificate else None
    table = tables.per_class(result) if result else None
    if result is None or table is None:
        return ""
    if len(table.rows) > MOST_OPEN_ROWS:
        words = f"{wording.amount(len(table.rows))} classes"
        return section(table.title, f"<details><summary>{words}</summary>\n{table_html(table)}\n</details>")
    return section(table.title, _falls(result), table_html(table))


def _falls(result: Result) -> str:
    """Return what became of each class, where there is a dense model to compare with."""
    from compressor.report.drawings.rows import Change, changes

    before = result.baseline.per_class if result.baseline else ()
    pairs = list(zip(before, result.per_class, strict=False))
    first = f" at {result.threats[0].threat}" if result.threats else ""
    kinds = {
        "Recall": [(new.label, old.recall, new.recall) for old, new in pairs],
        f"Robust{first}": [(new.label, old.robust, new.robust) for old, new in pairs],
    }
    frames = []
    for number, (title, rows) in enumerate(kinds.items()):
        known = [
            Change(name=name, before=old, after=new) for name, old, new in rows if old is not None and new is not None
        ]
        drawn = changes(known, name=f"classes{number}-")
        frames += [frame(each, title=f"{title}, dense to slim{_part(place)}") for place, each in enumerate(drawn)]
    words = "A ring is the dense model, a dot the slim one." if frames else ""
    return "\n".join([side_by_side(*frames), note(words)])


def _part(place: int) -> str:
    return ", continued" if place else ""


def calibration(summary: Summary) -> str:
    """How far probabilities can be believed."""
    result = summary.certificate.result if summary.certificate else None
    if result is None:
        return ""
    found = [("dense", result.baseline.calibration)] if result.baseline else []
    known = [pair for pair in (*found, ("slim", result.calibration)) if tables.filled_bins(pair[1])]
    if not known:
        return ""
    from compressor.report.drawings.squares import reliability

    caption = "Upwards: how often it is right. The larger a dot, the more images."
    drawn = frame(reliability(known, name="reliability"), caption=caption, keys=[name for name, _ in known])
    words = "; ".join(f"{name} {wording.percent(each.ece)}" for name, each in known)
    return section("Reliability", side_by_side(drawn), note(f"Expected calibration error: {words}."))


def layers(summary: Summary) -> str:
    """Layer widths before and after; many are folded."""
    if not summary.layers:
        return ""
    from compressor.report.drawings.rows import Change, widths

    rows = [Change(name=each.name, before=each.before, after=each.after) for each in summary.layers]
    drawn = side_by_side(*(frame(each) for each in widths(rows, name="layers")))
    if len(rows) > MOST_OPEN_ROWS:
        drawn = f"<details><summary>{wording.amount(len(rows))} layers</summary>\n{drawn}\n</details>"
    return section("Layer widths", drawn, note("Filters of each layer: what is left, over what was."))


def latency(summary: Summary) -> str:
    """What was timed."""
    return _from(tables.latencies(summary.latency)) if summary.latency else ""


def training(summary: Summary) -> str:
    """How fine-tuning went."""
    table = tables.epochs(summary)
    if table is None:
        return ""
    kinds = (
        ("select", [(each.number, each.select_accuracy) for each in summary.epochs]),
        ("train", [(each.number, each.train_accuracy) for each in summary.epochs if each.train_accuracy is not None]),
    )
    known = {name: tuple(points) for name, points in kinds if len(points) > 1}
    drawn = side_by_side(_training(known, [each.number for each in summary.epochs])) if known else ""
    return section("Fine-tuning", drawn, table_html(table))


def _training(known: Mapping[str, tuple[tuple[float, float], ...]], numbers: Sequence[int]) -> str:
    from compressor.report.drawings.lines import Series, against_epochs

    spoken = f"accuracy of each epoch from {min(numbers)} to {max(numbers)}; the table below has the figures"
    series = [Series(name=name, points=points) for name, points in known.items()]
    return frame(against_epochs(series, name="training", spoken=spoken), keys=list(known))


def claim(summary: Summary) -> str:
    """What the certificate claims and what it does not."""
    if summary.certificate is None:
        return ""
    return section("What is claimed", f"<p>{escape(summary.certificate.result.claim)}</p>")


def reproduce(summary: Summary) -> str:
    """How to make and check this again, and which files it is about."""
    facts = [("model.onnx", summary.model_sha256)]
    if summary.certificate is not None:
        result = summary.certificate.result
        facts += [("slim checkpoint", result.model.sha256), ("certificate", summary.certificate.result_sha256)]
        facts += [("images", f"{result.data.spec}, {result.data.sha256}"), ("seed", str(result.seed))]
        versions = ", ".join(f"{name} {version}" for name, version in sorted(summary.certificate.run.versions.items()))
        facts += [("versions", versions)]
    if summary.verdict is not None:
        facts += [("policy", summary.verdict.policy.sha256)]
    listed = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{escape(str(value))}</code></dd>" for name, value in facts if value
    )
    commands = "\n".join(summary.commands or ("compress verify .",))
    return section("Make or check it again", f"<pre><code>{escape(commands)}</code></pre>", f"<dl>{listed}</dl>")
