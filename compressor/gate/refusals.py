"""Why a policy is refused: each complaint with its line and what was probably meant."""

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from compressor.errors import PolicyError
from compressor.gate.demands import SCHEMA, SECTIONS, SHOWN_KEYS
from compressor.gate.lines import Path as KeyPath
from compressor.gate.lines import line_of


def refuse(source: str, line: int, message: str, advice: str) -> PolicyError:
    """Return the error for one line of a policy."""
    return PolicyError(f"{source}, line {line}: {message}", advice=advice)


def _shown(path: Iterable[str | int]) -> str:
    """Return a place in the file as a person would say it: `robustness.min`, without list positions."""
    return ".".join(str(part) for part in path if isinstance(part, str))


def closest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?` or, when nothing is near, the known words."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def earliest_refusal(faults: list[Any], source: str, lines: dict[KeyPath, int]) -> PolicyError:
    """Turn pydantic's complaints into the one error about the first line that is wrong."""
    return min((_refusal(each, source, lines) for each in faults), key=lambda pair: pair[0])[1]


def _refusal(fault: Any, source: str, lines: dict[KeyPath, int]) -> tuple[int, PolicyError]:
    """Turn one complaint of pydantic into the line and the error that a person reads."""
    path, kind = tuple(fault["loc"]), fault["type"]
    line, place = line_of(path, lines), _shown(path)
    section = str(path[0]) if path else ""
    if kind == "unexpected_keyword_argument":
        known = [each.name for each in fields(SECTIONS[section])] if len(path) > 1 else ["schema", *SECTIONS]
        where = f"[{section}]" if len(path) > 1 else "the policy"
        return line, refuse(source, line, f"{place!r} is not a key of {where}", closest(str(path[-1]), known))
    if kind in ("missing", "missing_argument"):
        return line, refuse(source, line, f"{place} is missing", 'add it, for example threat = "linf:2/255"')
    if kind == "literal_error":
        return line, refuse(source, line, f"schema is {fault['input']!r}", f'this version reads schema = "{SCHEMA}"')
    if kind == "value_error":
        message, _, hint = str(fault["ctx"]["error"]).partition("; ")
        return line, refuse(source, line, f"{place}: {message}", hint or "write what the sentence says")
    if section in SHOWN_KEYS:
        return line, refuse(source, line, f"{section} is not a list of tables", f"write it as {SHOWN_KEYS[section]}")
    return line, refuse(source, line, f"{place} is not a table", f"write it as [{section}], with its keys below")
