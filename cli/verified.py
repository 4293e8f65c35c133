"""What `compress verify` says to a person, and the command that comes next."""

import textwrap
from itertools import groupby
from pathlib import Path

from cli.columns import WIDTH, quoted
from compressor.verify import Status, VerifyReport

INDENT = 14
"""Room for the longest status."""

OWN_POLICY = "your policy"


def as_text(report: VerifyReport, *, policy: Path | None) -> str:
    """Return one paragraph for each check, the conclusion and the next command, in lines of a terminal.

    Args:
        report: to show.
        policy: the verifier's own, if there was one.
    """
    lines: list[str] = []
    for (status, detail), checks in groupby(report.checks, key=lambda check: (check.status, check.detail)):
        lines += _wrapped(f"{status:<{INDENT}}{', '.join(check.name for check in checks)}")
        lines += _wrapped(" " * INDENT + detail)
    lines += [f"bundle digest {report.digest or 'unknown'}", *_wrapped(report.conclusion, indent=0)]
    return "\n".join([*lines, "", f"next: {next_command(report, policy)}"])


def next_command(report: VerifyReport, policy: Path | None) -> str:
    """Return what to run now; words in capitals are for the reader to fill in."""
    broken, bundle = [check.name for check in report.contradictions], quoted(report.bundle)
    if broken == [OWN_POLICY]:
        return f"compress gate {bundle} --policy {quoted(policy)}"
    if broken:
        return "compress verify FRESH_COPY --expect-digest DIGEST"
    if report.decision is None:
        return f"compress certify {bundle} --data DATA --threat linf:2/255"
    if not report.authentic:
        return f"compress verify {bundle} --expect-digest DIGEST"
    if any(check.name == "recheck" and check.status is Status.NOT_CHECKED for check in report.checks):
        return f"compress verify {bundle} --data DATA --recheck 50"
    return f"python {bundle}/replay.py    (on the machine that will run it)"


def _wrapped(text: str, *, indent: int = INDENT) -> list[str]:
    spaces = " " * indent
    return textwrap.wrap(text, WIDTH, subsequent_indent=spaces, break_long_words=False, break_on_hyphens=False)
