"""Did an identical run write what lies at the destination? Only such a file is replaced without --force.

Records tell when they were made, so bytes never agree. They are compared by what is judged: a certificate by its
result, a verdict by its policy, decisions and figures, a latency, which is never the same twice, by what was timed and
where. Evidence is named by digests that change with the hour, so a verdict is not compared by them: the digests of the
model and of the certificate's result stand among its conditions.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compressor.bench.record import SCHEMA as LATENCY
from compressor.certify.certificate import SCHEMA as CERTIFICATE
from compressor.errors import OutputError
from compressor.gate.verdict import SCHEMA as VERDICT

Plain = Mapping[str, Any]
"""A record as JSON tells it."""

ADVICE = "choose another --output, or add --force"

HISTORY = "compress.history/1"
"""As `compressor.finetune.history` has it, whose room needs torch."""

PASSING = ("evidence.max_age", "latency.")
"""Conditions whose figures pass with the hour, by how their ids begin: only what they come to is compared."""

TIMED = ("created", "seconds", "images_per_second", "num_processes")
"""What two histories of one training need not agree on."""

MOMENTS = re.compile(r'timestamp="[^"]*"|\b\d+ (?:hours?|days?)\b')
"""What tells the time in a verdict that is written for reading."""

TYPED = re.compile(
    r'^again:$(?:\n  .*)*|^(`{3,})sh$.*?^\1$|<property name="command" [^>]*/>', flags=re.MULTILINE | re.DOTALL
)
"""What tells how it was asked for: --force and its like change no verdict."""


def is_same_run(there: bytes, new: bytes) -> bool:
    """Say whether two results come from identical runs."""
    if there == new:
        return True
    before, after = _record(there), _record(new)
    if before is None or after is None:
        return before is after is None and _without_moments(there) == _without_moments(new)
    judged = JUDGED.get(str(after["schema"]), _all_but_time)
    try:
        return before["schema"] == after["schema"] and judged(before) == judged(after)
    except (LookupError, TypeError, AttributeError):  # somebody else's file under our name
        return False


def refuse_other(path: Path, schema: str, asked: Plain, *, force: bool) -> None:
    """Refuse, before any work, a destination where something else lies than what this run will write.

    Args:
        path: the destination; nothing may be there.
        schema: of the record that will be written.
        asked: what its run is asked for, by the names of `asked_of`.
        force: overwrite whatever is there.

    Raises:
        OutputError: another kind of file is there, or a record of another run.
    """
    if force or not path.exists():
        return
    record = None if path.is_dir() else _record(path.read_bytes())
    if record is None or record["schema"] != schema:
        what = f"a {record['schema']} record" if record else "no record of compress"
        raise OutputError(f"{path} exists already and is {what}", advice=ADVICE)
    try:
        there = ASKED[schema](record)
    except (LookupError, TypeError, AttributeError):
        raise OutputError(f"{path} exists already and is no whole {schema} record", advice=ADVICE) from None
    other = [f"{name} is {_shown(there.get(name))} there and {_shown(asked[name])} here" for name in asked]
    other = [words for name, words in zip(asked, other, strict=True) if asked[name] != there.get(name)]
    if other:
        raise OutputError(f"{path} exists already and is about another run: {'; '.join(other)}", advice=ADVICE)


def refuse_other_training(checkpoint: Path, history: Path, key: str, *, force: bool) -> None:
    """Refuse, before any training, to replace what another training wrote.

    Args:
        checkpoint: the destination; nothing may be there.
        history: beside it; it says which training wrote the checkpoint.
        key: digest of all that decides the outcome of the first training of this run.
        force: overwrite whatever is there.

    Raises:
        OutputError: the files are of another run, or do not say of which.
    """
    taken = next((path for path in (checkpoint, history) if path.exists()), None)
    if force or taken is None:
        return
    record = _record(history.read_bytes()) if history.is_file() else None
    if record is None or record["schema"] != HISTORY:
        raise OutputError(f"{taken} exists already, and no history beside it says how it was made", advice=ADVICE)
    first = next(iter(record.get("earlier") or ()), record)
    if not isinstance(first, dict) or first.get("key") != key:
        raise OutputError(
            f"{taken} exists already and is of another training: other weights, images, recipe or teacher",
            advice=ADVICE,
        )


def _shown(value: object) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else json.dumps(value)


def _record(content: bytes) -> Plain | None:
    """Return a record, or None where there is none."""
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) and isinstance(plain.get("schema"), str) else None


def _without_moments(content: bytes) -> str:
    return MOMENTS.sub("", TYPED.sub("", content.decode(errors="replace")))


def _all_but_time(record: Plain) -> object:
    return {key: value for key, value in record.items() if key != "created"}


def _judged_of_certificate(record: Plain) -> object:
    return record["result_sha256"], record["result"]


def _judged_of_verdict(record: Plain) -> object:
    def judged(condition: Plain) -> object:
        if condition["id"].startswith(PASSING):
            return condition["id"], condition["demanded"], condition["decision"]
        return condition

    other = {key: value for key, value in record.items() if key not in ("created", "evidence", "conditions")}
    return other, [judged(each) for each in record["conditions"]]


def _judged_of_latency(record: Plain) -> object:
    return asked_of_latency(record), [row["device_name"] for row in record["rows"]]


def _judged_of_history(record: Plain) -> object:
    def judged(value: object) -> object:
        if isinstance(value, dict):
            return {key: judged(item) for key, item in value.items() if key not in TIMED}
        return [judged(item) for item in value] if isinstance(value, list) else value

    return judged(record)


def asked_of_latency(record: Plain) -> dict[str, object]:
    """Return what was asked of the run that timed."""
    return {
        "the model": record["artefact_sha256"],
        "the other model": record["against"] and record["against"]["sha256"],
        "provider, batch and threads": [
            list(each)
            for each in dict.fromkeys((row["provider"], row["batch"], row["threads"]) for row in record["rows"])
        ],
        "CUDA graphs": any(row.get("cuda_graph") for row in record["rows"])
        or any(each["what"].startswith("CUDA graphs") for each in record.get("not_measured", ())),
    }


def asked_of_certificate(record: Plain) -> dict[str, object]:
    """Return what was asked of the run that certified."""
    result = record["result"]
    return {
        "the model": result["artefact"]["sha256"],
        "the baseline": result["baseline"] and result["baseline"]["sha256"],
        "the data": result["data"]["spec"],
        "the threats": [f"{each['norm']}:{each['epsilon']}" for each in result["threats"]],
        "the battery": sorted({each["battery"] for each in result["threats"]}),
        "the number of images": result["data"]["num_images"],
        "the seed": result["seed"],
        "proving": any("proof" in each for each in result["threats"]),
        "the source of corruptions": (result["corruptions"] or {}).get("source"),
        "ending early": result["interval_method"] == "confidence-sequence",
    }


JUDGED: dict[str, Callable[[Plain], object]] = {
    CERTIFICATE: _judged_of_certificate,
    VERDICT: _judged_of_verdict,
    LATENCY: _judged_of_latency,
    HISTORY: _judged_of_history,
}
"""By what two records of a schema are compared; all others by everything but their time."""

ASKED: dict[str, Callable[[Plain], dict[str, object]]] = {CERTIFICATE: asked_of_certificate, LATENCY: asked_of_latency}
"""What is known of a run before it begins."""
