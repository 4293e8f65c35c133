"""From the paths of `compress report` to one text. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from compressor.bench.record import Latency
from compressor.bundle import open_bundle
from compressor.bundle.names import CONTROL, HISTORY, PLAN, REPLAY, VERDICT
from compressor.certify.certificate import Certificate
from compressor.errors import EvidenceError, OptionError
from compressor.gate.evidence import Evidence, read_evidence
from compressor.gate.verdict import Verdict
from compressor.records import now, parse
from compressor.report import (
    LayerWidth,
    ModelSize,
    Sample,
    Summary,
    attestation,
    html_page,
    junit,
    summarise,
    summary_markdown,
    summary_text,
    verdict_text,
)
from compressor.report.stored import history_facts, plan_facts

ENDINGS = {"text": "txt", "markdown": "md", "html": "html", "junit": "xml", "attestation": "json"}


def summary_at(paths: Sequence[Path]) -> Summary:
    """Gather what records and a bundle say.

    Raises:
        EvidenceError: a path that is no record.
        BundleError: a folder without records.
    """
    folder = next((path for path in paths if path.is_dir()), None)
    verdicts = [path for path in paths if path.is_file() and path.name == VERDICT]
    found = read_evidence([path for path in paths if path not in verdicts])
    verdict = open_bundle(folder).verdict if folder else None
    if verdicts:
        verdict = parse(verdicts[0].read_bytes(), Verdict, source=str(verdicts[0]))
    latency = (open_bundle(folder).latency if folder else None) or next(iter(found.latency), None)
    layers, dense = _planned(folder, latency)
    return summarise(
        name=_name_of(folder, found) if folder else paths[0].stem,
        created=verdict.created if verdict else found.certificate.created if found.certificate else now(),
        certificate=found.certificate,
        parity=found.parity,
        latency=latency,
        verdict=verdict,
        dense=dense,
        control=_control(folder),
        layers=layers,
        epochs=history_facts(folder / HISTORY).points if folder and (folder / HISTORY).is_file() else (),
        samples=_samples(folder, found.certificate),
        commands=(*_typed(found.certificate), *((f"compress verify {folder.resolve().name}",) if folder else ())),
    )


def _name_of(folder: Path, found: Evidence) -> str:
    """Return what the model is called: the bundle's folder without the digest behind it."""
    name = folder.resolve().name
    return name if found.model_sha256 is None else name.removesuffix(f"-{found.model_sha256[:8]}")


def _planned(folder: Path | None, latency: Latency | None) -> tuple[tuple[LayerWidth, ...], ModelSize | None]:
    if folder is None or not (folder / PLAN).is_file():
        return (), None
    facts = plan_facts(folder / PLAN)
    return facts.layers, facts.dense(latency.against.file_bytes if latency and latency.against else None)


def _control(folder: Path | None) -> Certificate | None:
    if folder is None or not (folder / CONTROL).is_file():
        return None
    return read_evidence([folder / CONTROL]).certificate


def _samples(folder: Path | None, certificate: Certificate | None) -> tuple[Sample, ...]:
    """Return the images that broke the file; none where numpy is absent, as on a machine that only judges."""
    if folder is None or certificate is None or not (folder / REPLAY).is_file():
        return ()
    try:
        from compressor.bundle.replay_images import read_replay
        from compressor.report.pictures import samples
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        return ()
    return samples(read_replay(folder / REPLAY), [each.label for each in certificate.result.per_class])


def _typed(certificate: Certificate | None) -> tuple[str, ...]:
    return (certificate.run.commands if certificate else None) or ()


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
        verdict = verdict_text(summary.verdict, commands=summary.commands) if summary.verdict else ""
        return f"{summary_text(summary)}\n{verdict}"
    if summary.verdict is None or summary.model_sha256 is None:
        raise EvidenceError(
            f"--format {form} is about a verdict, and none was named", advice=f"name a bundle, or {VERDICT} as well"
        )
    if form == "junit":
        return junit(summary.verdict, commands=summary.commands).decode()
    return attestation(summary.verdict, model_sha256=summary.model_sha256).decode()
