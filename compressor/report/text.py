"""Plain text within 80 columns, for terminals and logs."""

import shlex
import textwrap
from collections.abc import Sequence

from compressor.gate.verdict import Condition, Verdict
from compressor.report import corrupted, proofs, searched, tables
from compressor.report.summary import Summary
from compressor.report.tables import Table

WIDTH = 80
GAP = 2
DECISION_WIDTH = 11


def table_text(table: Table) -> str:
    """Return a table within 80 columns; a name too long for its column gets a line of its own."""
    figures = [max(len(row[place]) for row in (table.heads, *table.rows)) for place in range(1, len(table.heads))]
    room = max(10, WIDTH - sum(figures) - GAP * len(figures))
    longest = max(len(row[0]) for row in (table.heads, *table.rows))
    lines = _row(table.heads, min(room, longest), figures)
    for row in table.rows:
        lines += _row(row, min(room, longest), figures)
    return "\n".join([*lines, *_wrapped(table.note)])


def _row(cells: Sequence[str], first: int, figures: Sequence[int]) -> list[str]:
    rest = "".join(" " * GAP + cell.rjust(width) for cell, width in zip(cells[1:], figures, strict=True))
    if len(cells[0]) <= first:
        return [(cells[0].ljust(first) + rest).rstrip()]
    return [cells[0][:WIDTH], (" " * first + rest).rstrip()]


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Return a paragraph as lines within 80 columns; ids and paths stay whole."""
    return paragraph(indent + text, indent) if text else []


def paragraph(text: str, indent: str = " " * DECISION_WIDTH) -> list[str]:
    """Return a paragraph whose first line begins at the margin."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def summary_text(summary: Summary) -> str:
    """Return the comparison of dense, slim and control, and what corruptions and shifts left."""
    found = [tables.comparison(summary), *proofs.tables_of(summary), *corrupted.tables_of(summary)]
    found += [] if summary.search is None else [searched.table_of(summary.search)]
    return "\n\n".join(table_text(table) for table in found) + "\n"


def commands_text(commands: Sequence[str]) -> list[str]:
    """Return how to make it again as lines within 80 columns, broken where a shell allows it; none without any."""
    lines = [line for command in commands for line in _command_lines(command, WIDTH - GAP)]
    return ["again:", *(" " * GAP + line for line in lines)] if lines else []


def _command_lines(command: str, width: int) -> list[str]:
    """Break between arguments only: a longer one stays whole, so that the lines can be pasted."""
    if command.startswith("#"):
        return textwrap.wrap(command, width, subsequent_indent="# ", break_on_hyphens=False, break_long_words=False)
    lines: list[str] = []
    for word in map(shlex.quote, shlex.split(command)):
        if lines and len(f"{lines[-1]} {word} \\") <= width:
            lines[-1] += f" {word}"
        else:
            lines = [*lines[:-1], f"{lines[-1]} \\", f"  {word}"] if lines else [word]
    return lines


def verdict_text(
    verdict: Verdict, *, previous: Verdict | None = None, command: str | None = None, commands: Sequence[str] = ()
) -> str:
    """Return the verdict: what blocks first, then the rest, how to make it again, and what to do next.

    Args:
        verdict: to show.
        previous: of an earlier bundle; each figure that changed is shown with what it was.
        command: what to do next; by default how to learn more about the first blocking condition.
        commands: what was typed to come to this.
    """
    title = f"{str(verdict.decision).upper()}  by {verdict.policy.source} ({verdict.policy.sha256[:12]})"
    lines = [title, ""]
    because = {each.id: each.because for each in verdict.accepted}
    before = {each.id: each for each in previous.conditions} if previous else {}
    for condition, word in tables.in_order(verdict):
        if _is_routine(condition, word):
            continue
        lines.append(f"{word:<{DECISION_WIDTH}}{condition.id}")
        lines += _wrapped(condition.reason, " " * DECISION_WIDTH)
        lines += _wrapped(_change(condition, before.get(condition.id)), " " * DECISION_WIDTH)
        if condition.id in because:
            lines += _wrapped(f"ACCEPTED because: {because[condition.id]}", " " * DECISION_WIDTH)
    routine = [each.id for each, word in tables.in_order(verdict) if _is_routine(each, word)]
    if routine:
        lines += paragraph(f"{'passed':<{DECISION_WIDTH}}on the evidence itself: {', '.join(routine)}")
    first = tables.standing(verdict)[:1]
    following = command or (f"compress gate --explain {first[0].id}" if first else None)
    lines += ["", *commands_text(commands)] if commands else []
    lines += ["", f"next: {following}"] if following else []
    return "\n".join(lines) + "\n"


def _is_routine(condition: Condition, word: str) -> bool:
    """Say whether this is a check of the evidence that found nothing to say."""
    return word == "passed" and condition.id.startswith("evidence.")


def _change(now: Condition, before: Condition | None) -> str:
    """Say what it was, when that differs."""
    if before is None or (before.found, before.decision) == (now.found, now.decision):
        return ""
    return f"before: {tables.found_text(before)} ({before.decision})"
