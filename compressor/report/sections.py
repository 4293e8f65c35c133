"""The parts of report.html, top to bottom. Each returns HTML, or an empty text where nothing is known."""

import re
from html import escape

from compressor.attacks.threat import Threat
from compressor.certify.certificate import Result
from compressor.gate import wording
from compressor.gate.policy import threat_id
from compressor.report import charts, corrupted, curves, plots, proofs, tables
from compressor.report.strip import strip
from compressor.report.summary import Summary
from compressor.report.tables import Table
from compressor.types import Norm

MOST_OPEN_ROWS = 50
"""A longer table is folded."""

DEMANDED = re.compile(r"at least ([\d.]+) %")


def section(title: str, *parts: str) -> str:
    """Return a part of the page under its title; nothing where nothing stands under it."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _note(text: str) -> str:
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
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{_note(table.note)}"
    )


def _from(table: Table | None) -> str:
    return section(table.title, table_html(table)) if table is not None and table.rows else ""


def verdict(summary: Summary) -> str:
    """The verdict on top, with what blocks and what was accepted."""
    head = f"<header>\n<h1>{escape(summary.name)}</h1>\n{_note(summary.created)}"
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


def robustness(summary: Summary) -> str:
    """Clean accuracy and robust accuracy under each threat, with intervals."""
    rows = [_bars(summary, "Clean accuracy", None)]
    rows += [_bars(summary, f"Robust accuracy at {threat}", threat) for threat in summary.threats]
    drawn = [row for row in rows if row]
    if not drawn:
        return ""
    note = "The mark is what was measured, the band its interval; a dashed line is what the policy demands."
    return section("Accuracy and robustness", *drawn, _note(note))


def _bars(summary: Summary, title: str, threat: Threat | None) -> str:
    place = None if threat is None else summary.threats.index(threat)
    limit = _demanded(summary, "accuracy.min" if threat is None else f"robustness.{threat_id(threat)}.min")
    bars = [
        charts.interval_bar(column.name, figure, demanded=limit if column.name == "slim" else None)
        for column in summary.columns
        if (figure := column.accuracy if place is None else column.robust[place]) is not None
    ]
    if not bars:
        return ""
    ends = '<div class="ends" aria-hidden="true"><div><span>0 %</span><span>100 %</span></div></div>'
    return f"<h3>{escape(title)}</h3>\n" + "\n".join([*bars, ends])


def _demanded(summary: Summary, condition_id: str) -> float | None:
    """Return the share that a condition demands, read from its own words."""
    stated = summary.verdict.conditions if summary.verdict else ()
    texts = [each.demanded for each in stated if each.id == condition_id]
    match = DEMANDED.fullmatch(texts[0]) if texts else None
    return float(match.group(1)) / 100 if match else None


def curve(summary: Summary) -> str:
    """Accuracy of each model against epsilon, one chart for each norm."""
    parts = []
    for norm in Norm:
        found = curves.curves_of(summary, norm)
        if found:
            parts += [curves.drawing_of(found), table_html(curves.table_of(found))]
    return section("Accuracy against epsilon", *parts)


def samples(summary: Summary) -> str:
    """The images that broke the file by most."""
    note = "Grey is no change. Of the adversarial images in replay.npz, those answered wrong by the widest margin."
    return section("Images that broke it", strip(summary.samples), _note(note)) if summary.samples else ""


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
    drawn = section("Corruptions, mild to severe", corrupted.heat_map(found))
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
    before = result.baseline.per_class if result.baseline else ()
    pairs = list(zip(before, result.per_class, strict=False))
    first = f" at {result.threats[0].threat}" if result.threats else ""
    kinds = (
        ("Recall, dense to slim", [(new.label, old.recall, new.recall) for old, new in pairs]),
        (f"Robust{first}, dense to slim", [(new.label, old.robust, new.robust) for old, new in pairs]),
    )
    parts = []
    for title, rows in kinds:
        bars = [charts.change_bar(name, old, new) for name, old, new in rows if old is not None and new is not None]
        parts += [f"<h3>{escape(title)}</h3>", *bars] if bars else []
    words = "A ring is the dense model, a dot the slim one." if parts else ""
    return "\n".join([*parts, _note(words)])


def calibration(summary: Summary) -> str:
    """How far probabilities can be believed."""
    result = summary.certificate.result if summary.certificate else None
    if result is None:
        return ""
    found = [("dense", result.baseline.calibration)] if result.baseline else []
    known = [pair for pair in (*found, ("slim", result.calibration)) if plots.filled_bins(pair[1])]
    if not known:
        return ""
    words = "; ".join(f"{name} {wording.percent(each.ece)}" for name, each in known)
    return section("Reliability", plots.reliability(known), _note(f"Expected calibration error: {words}."))


def layers(summary: Summary) -> str:
    """Layer widths before and after."""
    widest = max((each.before for each in summary.layers), default=1)
    bars = [charts.width_bar(each.name, each.before, each.after, widest) for each in summary.layers]
    return section("Layer widths", *bars)


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
    series = [charts.Series(name=name, points=tuple(points)) for name, points in kinds if len(points) > 1]
    numbers = [each.number for each in summary.epochs]
    spoken = f"accuracy of each epoch from {min(numbers)} to {max(numbers)}; the table below has the figures"
    ends = {"left": f"epoch {min(numbers)}", "right": f"epoch {max(numbers)}"}
    chart = charts.line_chart(series, spoken=spoken, whole=False, **ends) if series else ""
    return section("Fine-tuning", chart, table_html(table))


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
