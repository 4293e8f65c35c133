"""From the paths of `compress report` to one text. Imports no torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from compressor.bench.record import Latency
from compressor.bundle import open_bundle
from compressor.bundle.names import CONTROL, HISTORY, PLAN, REPLAY, TRIALS, VERDICT
from compressor.certify.certificate import Certificate
from compressor.errors import EvidenceError, OptionError
from compressor.gate.evidence import Evidence, read_evidence
from compressor.gate.verdict import Verdict
from compressor.records import now, parse
from compressor.report import (
    Comparison,
    LayerWidth,
    ModelSize,
    Sample,
    Summary,
    attestation,
    compare,
    comparison_markdown,
    comparison_page,
    comparison_text,
    html_page,
    junit,
    summarise,
    summary_markdown,
    summary_text,
    verdict_text,
)
from compressor.report.commands import told_commands
from compressor.report.stored import history_facts, plan_facts, search_facts
from compressor.report.text import commands_text

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
        search=search_facts(folder / TRIALS) if folder and (folder / TRIALS).is_file() else None,
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
    return told_commands(certificate.run.commands if certificate else None)


def bundles_of(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the folders of several bundles by the name that each is shown by; nothing for one bundle or records.

    Raises:
        OptionError: records beside several bundles, which nobody could tell the owner of.
    """
    folders = list({path.resolve(): path for path in paths if path.is_dir()}.values())
    if len(folders) < 2:
        return {}
    others = [path for path in paths if not path.is_dir()]
    if others:
        raise OptionError(
            f"{others[0]} was named beside {len(folders)} bundles", advice="compare bundles only, or show one of them"
        )
    names = Counter(folder.resolve().name for folder in folders)
    return {_shown(folder, alone=names[folder.resolve().name] == 1): folder for folder in folders}


def _shown(folder: Path, *, alone: bool) -> str:
    return folder.resolve().name if alone else str(folder)


def comparison_of(bundles: Mapping[str, Path]) -> Comparison:
    """Compare bundles.

    Raises:
        EvidenceError: a record that cannot be read.
        BundleError: a folder without records.
    """
    return compare([(label, summary_at([folder])) for label, folder in bundles.items()])


def compared(bundles: Mapping[str, Path], form: str, commands: Sequence[str]) -> str:
    """Return the comparison in one of the formats.

    Raises:
        OptionError: a format that is about one verdict.
    """
    if form not in ("text", "markdown", "html"):
        raise OptionError(f"--format {form} is about one bundle", advice="name one, or choose text, markdown or html")
    found = comparison_of(bundles)
    if form == "html":
        return comparison_page(found, commands).decode()
    return comparison_markdown(found, commands) if form == "markdown" else comparison_text(found, commands)


def write(paths: Sequence[Path], form: str, commands: Sequence[str] = ()) -> str:
    """Return the report in one of the formats.

    Args:
        paths: a bundle, records, or several bundles to compare.
        form: its format.
        commands: what was typed, for a comparison; a bundle knows its own.

    Raises:
        OptionError: an unknown format.
        EvidenceError: the format needs a verdict, and there is none.
    """
    if form not in ENDINGS:
        raise OptionError(f"--format {form!r} is not known", advice=f"choose one of {', '.join(ENDINGS)}")
    bundles = bundles_of(paths)
    if bundles:
        return compared(bundles, form, commands)
    summary = summary_at(paths)
    if form == "markdown":
        return summary_markdown(summary)
    if form == "html":
        return html_page(summary).decode()
    if form == "text":
        again = "".join(f"{line}\n" for line in commands_text(summary.commands))
        judged = verdict_text(summary.verdict, commands=summary.commands) if summary.verdict else again
        return f"{summary_text(summary)}\n{judged}"
    if summary.verdict is None or summary.model_sha256 is None:
        raise EvidenceError(
            f"--format {form} is about a verdict, and none was named", advice=f"name a bundle, or {VERDICT} as well"
        )
    if form == "junit":
        return junit(summary.verdict, commands=summary.commands).decode()
    return attestation(summary.verdict, model_sha256=summary.model_sha256).decode()


def without_pictures(summary: Summary) -> Summary:
    """Return what is told as JSON: all of it but the pictures, which are in replay.npz."""
    return replace(summary, samples=())


def plain_comparison(found: Comparison) -> dict[str, object]:
    """Return a comparison as JSON tells it: each bundle's own summary is told by its own report."""
    return {
        "threats": found.threats,
        "timed": found.timed,
        "rows": [
            {
                "bundle": row.label,
                "accuracy": row.accuracy,
                "robust": row.robust,
                "timed": row.timed,
                "is_best": row.is_best,
                "beaten_by": row.beaten_by,
            }
            for row in found.rows
        ],
        "apart": found.apart,
        "notes": found.notes,
    }
