"""From the paths of `compress report` to one text. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from compressor.bundle import open_bundle
from compressor.bundle.names import CONTROL, VERDICT
from compressor.errors import EvidenceError, OptionError
from compressor.gate.evidence import read_evidence
from compressor.gate.verdict import Verdict
from compressor.records import now, parse
from compressor.report import (
    Summary,
    attestation,
    html_page,
    junit,
    summarise,
    summary_markdown,
    summary_text,
    verdict_text,
)

ENDINGS = {"text": "txt", "markdown": "md", "html": "html", "junit": "xml", "attestation": "json"}


def summary_at(paths: Sequence[Path]) -> Summary:
    """Gather what records and bundles say.

    Raises:
        EvidenceError: a path that is no record.
        BundleError: a folder without records.
    """
    folders = [path for path in paths if path.is_dir()]
    verdicts = [path for path in paths if path.is_file() and path.name == VERDICT]
    found = read_evidence([path for path in paths if path not in verdicts])
    bundle = open_bundle(folders[0]) if folders else None
    verdict = bundle.verdict if bundle else None
    if verdicts:
        verdict = parse(verdicts[0].read_bytes(), Verdict, source=str(verdicts[0]))
    control = None
    if folders and (folders[0] / CONTROL).is_file():
        control = read_evidence([folders[0] / CONTROL]).certificate
    return summarise(
        name=folders[0].name if folders else paths[0].stem,
        created=found.certificate.created if found.certificate else now(),
        certificate=found.certificate,
        parity=found.parity,
        latency=found.latency[0] if found.latency else None,
        verdict=verdict,
        control=control,
        commands=(f"compress verify {folders[0]}",) if folders else (),
    )


def write(paths: Sequence[Path], form: str) -> str:
    """Return the report in one of the formats.

    Raises:
        OptionError: an unknown format.
        EvidenceError: the format needs a verdict, and there is none.
    """
    if form not in ENDINGS:
        raise OptionError(f"--format {form!r} is not known", advice=f"choose one of {', '.join(ENDINGS)}")
    summary = summary_at(paths)
    if form == "markdown":
        return summary_markdown(summary)
    if form == "html":
        return html_page(summary).decode()
    if form == "text":
        verdict = verdict_text(summary.verdict) if summary.verdict else ""
        return f"{summary_text(summary)}\n{verdict}"
    if summary.verdict is None or summary.model_sha256 is None:
        raise EvidenceError(
            f"--format {form} is about a verdict, and none was named", advice=f"name a bundle, or {VERDICT} as well"
        )
    if form == "junit":
        return junit(summary.verdict).decode()
    return attestation(summary.verdict, model_sha256=summary.model_sha256).decode()
