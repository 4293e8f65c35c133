"""Records to JSON and back. A record is a frozen dataclass; its file adds schema, created, tool_version."""

import dataclasses
import json
from datetime import UTC, datetime
from enum import Enum
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from compressor.errors import EvidenceError

Record = TypeVar("Record")

strict = with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
"""Class decorator of every record that is read back: unknown keys are an error, and so is what JSON has no number for.

NaN is neither above nor below a limit, so the worst of several records could be passed over."""

Count = Annotated[int, Field(ge=0, le=2**53)]
"""How many of something a record may say that there are: what follows is computed in floats, exact up to here."""

Level = Annotated[float, Field(gt=0, lt=1)]
"""Confidence of an interval."""

LATER = MappingProxyType({"is_later": True})
"""`field(default=None, metadata=LATER)`: a key that older files lack. None is not written: old digests still hold."""


def tool_version() -> str:
    """Return the installed version of compress, or "0+unknown" when run from a bare checkout."""
    try:
        return version("compress")
    except PackageNotFoundError:
        return "0+unknown"


def now() -> str:
    """Return the current time as ISO 8601 in UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_plain(value: Any) -> Any:
    """Return a record as dicts, lists, strings and numbers, ready for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {
            field.name: to_plain(item) for field, item in told if item is not None or not field.metadata.get("is_later")
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Path | Fraction):
        return str(value)
    return value


def dump(record: Any) -> bytes:
    """Return a record as readable JSON bytes (two spaces, keys in the order of the record)."""
    return (json.dumps(to_plain(record), indent=2, allow_nan=False) + "\n").encode()


def parse(content: bytes, kind: type[Record], *, source: str) -> Record:
    """Read a record back, strictly.

    Args:
        content: JSON.
        kind: the dataclass that it must be.
        source: what to call it in an error, usually its path.

    Raises:
        EvidenceError: not JSON, or not this record; names the first place that does not fit.
    """
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise EvidenceError(
            f"{source} is not a {kind.__name__} record: {place}: {first['msg'].lower()}",
            advice="write it anew with the command that made it",
        ) from error
