"""On which line of a TOML file a key stands, so that a refusal can point at it.

The standard library's reader keeps no positions, so this looks for headers and `key =` itself. It decides nothing:
where a file is written in an unusual way, the answer is the nearest line above.
"""

import re

Path = tuple[str | int, ...]
"""Keys and list positions from the root: ("robustness", 0, "min")."""

HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
KEY = re.compile(r"\s*([\w.\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*=")


def _words(dotted: str) -> tuple[str, ...]:
    return tuple(word.strip().strip("\"'") for word in dotted.split("."))


def lines_of_keys(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every table and key of a TOML text; the first one where it stands twice."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = HEADER.match(line)
        key = KEY.match(line)
        if header is not None:
            table = _words(header.group(2))
            if header.group(1) == "[[":
                lines.setdefault(table, number)
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key is not None:
            lines.setdefault((*table, *_words(key.group(1))), number)
    return lines


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of `path`, or of the nearest table around it; 1 when nothing is known."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1
