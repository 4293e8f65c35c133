"""How verdicts and bundles are shown, and which exit code they are. Imports no torch: the gate uses it."""

import os
from pathlib import Path

from compressor.bundle import open_bundle
from compressor.errors import OptionError
from compressor.gate.verdict import Verdict
from compressor.records import dump
from compressor.report import Summary, junit, summary_text, verdict_markdown, verdict_text
from compressor.types import Decision

PASSED, REJECTED, UNDECIDED = 0, 3, 4
ENDINGS = {"text": "txt", "json": "json", "markdown": "md", "junit": "xml"}
SUFFIXES = tuple(f".{ending}" for ending in ENDINGS.values())


def exit_code(verdict: Verdict) -> int:
    """Return 0, 3 or 4."""
    return {Decision.PASSED: PASSED, Decision.FAILED: REJECTED, Decision.UNDECIDED: UNDECIDED}[verdict.decision]


def as_text(verdict: Verdict, form: str, *, since: Path | None = None) -> str:
    """Return the verdict in one of the formats; on GitHub the Markdown also goes to the job's summary.

    Raises:
        OptionError: an unknown format.
    """
    if form not in ENDINGS:
        raise OptionError(f"--format {form!r} is not known", advice=f"choose one of {', '.join(ENDINGS)}")
    board = os.environ.get("GITHUB_STEP_SUMMARY")
    if board:
        with Path(board).open("a", encoding="utf-8") as file:
            file.write(verdict_markdown(verdict))
    if form == "json":
        return dump(verdict).decode()
    if form == "markdown":
        return verdict_markdown(verdict)
    if form == "junit":
        return junit(verdict).decode()
    return verdict_text(verdict, previous=open_bundle(since).verdict if since else None)


def released_text(summary: Summary, verdict: Verdict, bundle: Path) -> str:
    """Return what a release ends with: the comparison, the verdict and the path of the bundle."""
    return "\n".join(
        [
            summary_text(summary),
            verdict_text(verdict, command=f"compress verify {bundle}"),
            f"bundle: {bundle}",
        ]
    )
