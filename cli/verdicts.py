"""How verdicts and bundles are shown, and which exit code they are. Imports no torch: the gate uses it."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from compressor.bundle import open_bundle
from compressor.errors import EvidenceError, OptionError
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


def previous_at(bundle: Path | None, form: str) -> Verdict | None:
    """Return the verdict to compare with, which only text does.

    Raises:
        OptionError: another format was asked for.
        BundleError: not a bundle.
        EvidenceError: it holds no verdict.
    """
    if bundle is None:
        return None
    if form != "text":
        raise OptionError(
            f"--previous is shown in text, and --format {form} was asked for",
            advice="leave --previous out, or use --format text",
        )
    verdict = open_bundle(bundle).verdict
    if verdict is None:
        raise EvidenceError(f"--previous {bundle} holds no verdict", advice="name a bundle that was judged")
    return verdict


def check_form(form: str, *, json: bool) -> str:
    """Return the format to write.

    Raises:
        OptionError: an unknown format, or another one than the JSON that was asked for too.
    """
    if form not in ENDINGS:
        raise OptionError(f"--format {form!r} is not known", advice=f"choose one of {', '.join(ENDINGS)}")
    if json and form not in ("text", "json"):
        raise OptionError(f"--json and --format {form} are two formats", advice="give one of them")
    return "json" if json else form


def as_text(verdict: Verdict, form: str, *, previous: Verdict | None = None, commands: Sequence[str] = ()) -> str:
    """Return the verdict in one of the formats that `check_form` knows.

    Args:
        verdict: to show.
        form: its format; JSON is the record alone.
        previous: of an earlier bundle, for text.
        commands: what was typed to come to this.
    """
    if form == "json":
        return dump(verdict).decode()
    if form == "markdown":
        return verdict_markdown(verdict, commands=commands)
    if form == "junit":
        return junit(verdict, commands=commands).decode()
    return verdict_text(verdict, previous=previous, commands=commands)


def post(verdict: Verdict, commands: Sequence[str] = ()) -> None:
    """Add the verdict to the summary of the job when GitHub runs it; a board that cannot be written changes nothing."""
    board = os.environ.get("GITHUB_STEP_SUMMARY")
    if not board:
        return
    try:
        with Path(board).open("a", encoding="utf-8") as file:
            file.write(verdict_markdown(verdict, commands=commands))
    except OSError as error:
        reason = error.strerror or error
        sys.stderr.write(f"warning: the verdict is not in the job's summary: cannot write {board}: {reason}\n")


def released_text(summary: Summary, verdict: Verdict, bundle: Path, commands: Sequence[str] = ()) -> str:
    """Return what a release ends with: the comparison, the bundle, the verdict, how to make it again, what is next.

    Args:
        summary: of the models.
        verdict: on them.
        bundle: its folder.
        commands: what was typed to come to this.
    """
    following = shlex.join(["compress", "verify", str(bundle)])
    judged = verdict_text(verdict, command=following, commands=commands)
    return "\n".join([summary_text(summary), f"bundle: {bundle}", "", judged])
