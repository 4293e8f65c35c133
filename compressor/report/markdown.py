"""Markdown for pull requests and for GITHUB_STEP_SUMMARY."""

import html
import re
from collections.abc import Sequence

from compressor.gate.verdict import Verdict
from compressor.report import corrupted, proofs, tables
from compressor.report.summary import Summary
from compressor.report.tables import Table

SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def plain(text: str) -> str:
    """Return text that Markdown and the HTML inside it leave alone, on one line."""
    return SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def code(text: str) -> str:
    """Return an id as code; a backtick would end it."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(plain(cell) for cell in cells) + " |"


def table_markdown(table: Table) -> str:
    """Return a table with figures to the right."""
    rule = "|".join(["", " --- ", *(" ---: " for _ in table.heads[1:]), ""])
    lines = [_line(table.heads), rule, *(_line(row) for row in table.rows)]
    return "\n".join([*lines, *(["", plain(table.note)] if table.note else [])]) + "\n"


def commands_markdown(commands: Sequence[str]) -> str:
    """Return commands as a block of code, in a fence longer than any inside of it."""
    lines = [" ".join(command.splitlines()) for command in commands]
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sh", *lines, fence]) + "\n"


def _again(commands: Sequence[str]) -> str:
    return "\n".join(
        ["<details><summary>how to make it again</summary>", "", commands_markdown(commands), "</details>"]
    )


def verdict_markdown(verdict: Verdict, *, commands: Sequence[str] = ()) -> str:
    """Return the verdict: a headline, what blocks, and everything else folded away.

    Args:
        verdict: to show.
        commands: what was typed to come to this.
    """
    because = {each.id: each.because for each in verdict.accepted}
    ordered = tables.in_order(verdict)
    blocking = [(each, word) for each, word in ordered if word not in ("passed", "accepted")]
    taken = [each for each, word in ordered if word == "accepted"]
    passed = [each for each, word in ordered if word == "passed"]
    lines = [f"## {str(verdict.decision).upper()}: judged by {plain(verdict.policy.source)}", ""]
    lines += [f"- **{word}** {code(each.id)}: {plain(each.reason)}" for each, word in blocking]
    lines += [
        f"- **accepted** {code(each.id)}: {plain(each.reason)} (accepted because: {plain(because[each.id])})"
        for each in taken
    ]
    if passed:
        lines += ["", f"<details><summary>{len(passed)} passed</summary>", ""]
        lines += [f"- {code(each.id)}: {plain(each.reason)}" for each in passed]
        lines += ["", "</details>"]
    lines += ["", _again(commands)] if commands else []
    return "\n".join(lines) + "\n"


def summary_markdown(summary: Summary) -> str:
    """Return the verdict, when there is one, the comparison, and what corruptions and shifts left, folded away."""
    head = verdict_markdown(summary.verdict, commands=summary.commands) + "\n" if summary.verdict else ""
    folded = "".join(
        f"\n<details><summary>{plain(table.title)}</summary>\n\n{table_markdown(table)}\n</details>\n"
        for table in (*proofs.tables_of(summary), *corrupted.tables_of(summary))
    )
    again = f"\n{_again(summary.commands)}\n" if summary.commands and not summary.verdict else ""
    return f"{head}### {plain(summary.name)}\n\n{table_markdown(tables.comparison(summary))}{folded}{again}"
