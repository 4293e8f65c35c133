"""The evidence: records from files, with the digest of each, and of the model they are about when it is at hand.

There is one certificate. Of parity and latency records there may be several: `replay.py` writes its own on each
target. All of them count: each must be about the same file, each parity record must hold, and of fitting latencies the
slowest is judged. So a record more can only make the verdict stricter. The maker may have compared on several
providers, once on each. A parity record of `replay.py` compares the file there with the file where it was made; only
the maker's compare it with torch, so it stands beside those, never for them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.bench.record import SCHEMA as LATENCY_SCHEMA
from compressor.bench.record import Latency
from compressor.certify.certificate import SCHEMA as CERTIFICATE_SCHEMA
from compressor.certify.certificate import Certificate
from compressor.errors import BundleError, EvidenceError
from compressor.export.record import SCHEMA as PARITY_SCHEMA
from compressor.export.record import Parity
from compressor.files import is_signature, sha256_of_bytes, sha256_of_file
from compressor.records import dump, parse

KINDS: dict[str, type[Certificate] | type[Parity] | type[Latency]] = {
    CERTIFICATE_SCHEMA: Certificate,
    PARITY_SCHEMA: Parity,
    LATENCY_SCHEMA: Latency,
}
"""Which record a file is, by its "schema" key."""

REPLAY_TOOL = "replay/"
"""How the tool version begins in records that `replay.py` wrote."""

BUNDLE_FILES = ("certificate.json", "parity*.json", "latency*.json")
"""What is read of a folder, in this order."""

MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about one model file."""

    certificate: Certificate | None = None
    parity: Parity | None = None
    """The maker's: torch against the file, on the CPU where there are several."""
    more_parities: tuple[Parity, ...] = ()
    """The maker's on other providers, and those of targets."""
    latency: tuple[Latency, ...] = ()
    """One or more: a file may be timed on several machines."""
    digests: tuple[str, ...] = ()
    """sha256 of each record's file, in the order they were read."""
    model_sha256: str | None = None
    """Of the model file itself, when it was at hand."""
    model_bytes: int | None = None
    """Its size, when it was at hand."""

    @property
    def parities(self) -> tuple[Parity, ...]:
        """Every parity record, the maker's first."""
        return (*(() if self.parity is None else (self.parity,)), *self.more_parities)


def is_replay(parity: Parity) -> bool:
    """Say whether `replay.py` wrote this record on a target."""
    return parity.tool_version.startswith(REPLAY_TOOL)


def evidence_of(
    *,
    certificate: Certificate | None = None,
    parity: Parity | None = None,
    more_parities: Sequence[Parity] = (),
    latency: Sequence[Latency] = (),
    model: bytes | None = None,
) -> Evidence:
    """Return evidence from records in memory; digests are those of the files that `records.dump` writes.

    Args:
        certificate: or None.
        parity: or None.
        more_parities: on other providers, and of targets.
        latency: any number.
        model: the ONNX file that they are about.
    """
    records = [each for each in (certificate, parity, *more_parities, *latency) if each is not None]
    return Evidence(
        certificate=certificate,
        parity=parity,
        more_parities=tuple(more_parities),
        latency=tuple(latency),
        digests=tuple(sha256_of_bytes(dump(each)) for each in records),
        model_sha256=None if model is None else sha256_of_bytes(model),
        model_bytes=None if model is None else len(model),
    )


def read_evidence(paths: Iterable[Path | str]) -> Evidence:
    """Read records and bundles.

    Args:
        paths: record files, told apart by their "schema", and folders of a bundle. The same file twice counts once.

    Raises:
        EvidenceError: a file that cannot be read, is no such record, or is a second certificate, or a second parity
            record for the same provider that was not written on a target.
        BundleError: a folder that holds no record, or a path that does not exist.
    """
    contents: dict[str, tuple[Path, bytes]] = {}
    models: dict[str, Path] = {}
    for path in map(Path, paths):
        for file in _files_at(path):
            content = _content(file)
            contents.setdefault(sha256_of_bytes(content), (file, content))
        if path.is_dir() and (path / MODEL_FILE).is_file():
            models.setdefault(sha256_of_file(path / MODEL_FILE), path / MODEL_FILE)
    records = [_record(file, content) for file, content in contents.values()]
    parity, more_parities = _parities(records)
    _check_one(models.values(), "model file")
    model = next(iter(models), None)
    return Evidence(
        certificate=_only(records, Certificate, "certificate"),
        parity=parity,
        more_parities=more_parities,
        latency=tuple(record for _, record in records if isinstance(record, Latency)),
        digests=tuple(contents),
        model_sha256=model,
        model_bytes=models[model].stat().st_size if model else None,
    )


def _files_at(path: Path) -> list[Path]:
    """Return the record files that a path stands for."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise EvidenceError(
            f"there is no {path}", advice="name certificate.json, parity.json, latency.json or a bundle"
        )
    found = [file for pattern in BUNDLE_FILES for file in sorted(path.glob(pattern)) if file.is_file()]
    files = [file for file in found if not is_signature(file.name)]
    if not files:
        raise BundleError(
            f"{path} holds no certificate.json, parity.json or latency.json",
            advice="name the folder of a bundle, or make the records first: compress certify, compress bench",
        )
    return files


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise EvidenceError(f"cannot read {file}: {error.strerror or error}", advice="check the path") from error


def _record(file: Path, content: bytes) -> tuple[Path, Certificate | Parity | Latency]:
    advice = "name certificate.json, parity.json, latency.json or a folder that holds them"
    try:
        plain: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{file} is not JSON", advice=advice) from error
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if not isinstance(schema, str) or schema not in KINDS:
        what = f"a {schema!r} record" if isinstance(schema, str) else "no record of compress"
        raise EvidenceError(f"{file} is {what}, which is no evidence", advice=advice)
    return file, parse(content, KINDS[schema], source=str(file))


def _parities(records: Sequence[tuple[Path, Any]]) -> tuple[Parity | None, tuple[Parity, ...]]:
    """Return the maker's record, that of the CPU first, and all others."""
    found = [(file, record) for file, record in records if isinstance(record, Parity)]
    makers = [each for each in found if not is_replay(each[1])]
    for provider in dict.fromkeys(record.provider for _, record in makers):
        _check_one([file for file, record in makers if record.provider == provider], "parity record")
    first = next((record for _, record in makers if record.provider == "cpu"), makers[0][1] if makers else None)
    return first, tuple(record for _, record in found if record is not first)


def _only(records: Sequence[tuple[Path, Any]], kind: type[Any], name: str) -> Any:
    """Return the one record of a kind, or None."""
    found = [(file, record) for file, record in records if isinstance(record, kind)]
    _check_one([file for file, _ in found], name)
    return found[0][1] if found else None


def _check_one(files: Iterable[Path], name: str) -> None:
    several = list(files)
    if len(several) > 1:
        raise EvidenceError(
            f"{several[0]} and {several[1]} are two different {name}s", advice=f"name one {name} at a time"
        )
