"""How a policy writes numbers: shares, sizes, counts, ages. Each reader refuses with what was probably meant.

The readers raise ValueError, as pydantic wants; `policy` turns that into a PolicyError with the line.
"""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainValidator

from compressor.attacks.threat import Threat, parse_threat
from compressor.errors import OptionError

SIZE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
"""Bytes in each unit, by its name in upper case."""

COUNT_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
"""How many, by the unit's name in upper case."""

AGE_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

LARGEST_RATIO = 10.0
"""A limit above this is a percentage by mistake."""


def _number(value: Any) -> float:
    """Return a TOML number as float; a truth value, text or NaN is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _percentage(value: Any) -> float | None:
    """Return the share that `45`, `45.5` or `"45 %"` was probably meant to be, or None."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", str(value))
    share = float(match.group(1)) / 100 if match and not isinstance(value, bool) else 0.0
    return share if 0 < share <= 1 else None


def read_share(value: Any) -> float:
    """Read a fraction in [0, 1]."""
    if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    meant = _percentage(value)
    hint = f"; did you mean {meant:g}?" if meant is not None else ""
    raise ValueError(f"{value!r} is not a fraction in [0, 1]{hint}")


def read_ratio(value: Any) -> float:
    """Read a ratio of two times: above 0, usually below 1."""
    number = _number(value)
    if 0 < number <= LARGEST_RATIO:
        return number
    hint = f"; did you mean {number / 100:g}?" if number > LARGEST_RATIO else ""
    raise ValueError(f"{value!r} is not a ratio above 0 and at most {LARGEST_RATIO:g}{hint}")


def read_milliseconds(value: Any) -> float:
    """Read a duration in milliseconds, above 0."""
    number = _number(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{value!r} is not a number of milliseconds above 0")
    return number


def _amount(value: Any, units: dict[str, int]) -> int | None:
    """Return the amount of `2MB` or `50M` in single pieces, or None when it is not of that form."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]*)", value.strip()) if isinstance(value, str) else None
    if match is None or match.group(2).upper() not in units:
        return None
    return round(float(match.group(1)) * units[match.group(2).upper()])


def read_size(value: Any) -> int:
    """Read a number of bytes: `2MB`, `512KiB`, `1500000`."""
    num_bytes = _amount(value, SIZE_UNITS)
    if num_bytes is not None and num_bytes > 0:
        return num_bytes
    count = _amount(value, COUNT_UNITS) if isinstance(value, str) else None
    text = str(value).strip()
    hint = f"; did you mean '{text}B'?" if count else ""
    raise ValueError(f"{value!r} is not a size such as '2MB', '512KiB' or 1500000{hint}")


def read_count(value: Any) -> int:
    """Read a count: `50M`, `270k`, `1000000`."""
    count = _amount(value, COUNT_UNITS)
    if count is not None and count > 0:
        return count
    size = _amount(value, SIZE_UNITS) if isinstance(value, str) else None
    hint = f"; did you mean '{re.sub(r'(?i)i?b$', '', str(value).strip())}'?" if size else ""
    raise ValueError(f"{value!r} is not a count such as '50M', '270k' or 1000000{hint}")


def read_age(value: Any) -> timedelta:
    """Read an age: `12h`, `30d`, `4w`."""
    match = re.fullmatch(r"(\d{1,5})\s*([hdw])", value.strip()) if isinstance(value, str) else None
    if match is not None and int(match.group(1)) > 0:
        return int(match.group(1)) * AGE_UNITS[match.group(2)]
    hint = f"; did you mean '{value}d'?" if isinstance(value, int) and not isinstance(value, bool) else ""
    raise ValueError(f"{value!r} is not an age such as '12h', '30d' or '4w'{hint}")


def read_day(value: Any) -> date:
    """Read a day: `"2027-01-01"` or a TOML date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a day such as '2027-01-01'") from None


def read_whole(value: Any) -> int:
    """Read a whole number, at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number of at least 0")
    return value


def read_positive(value: Any) -> int:
    """Read a whole number, at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a whole number of at least 1")
    return value


def read_digest(value: Any) -> str:
    """Read a sha256: 64 hexadecimal digits."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return value.lower()
    raise ValueError(f"{value!r} is not a sha256 of 64 hexadecimal digits")


def read_word(value: Any) -> str:
    """Read a name that is not empty."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError(f"{value!r} is not a name")


def read_threat(value: Any) -> Threat:
    """Read `linf:2/255`."""
    try:
        return parse_threat(value if isinstance(value, str) else repr(value))
    except OptionError as error:
        raise ValueError(f"{error.message}; {error.advice}") from None


Share = Annotated[float, PlainValidator(read_share)]
Ratio = Annotated[float, PlainValidator(read_ratio)]
Milliseconds = Annotated[float, PlainValidator(read_milliseconds)]
Size = Annotated[int, PlainValidator(read_size)]
Count = Annotated[int, PlainValidator(read_count)]
Age = Annotated[timedelta, PlainValidator(read_age)]
Day = Annotated[date, PlainValidator(read_day)]
Whole = Annotated[int, PlainValidator(read_whole)]
Positive = Annotated[int, PlainValidator(read_positive)]
Digest = Annotated[str, PlainValidator(read_digest)]
Word = Annotated[str, PlainValidator(read_word)]
PolicyThreat = Annotated[Threat, PlainValidator(read_threat)]
