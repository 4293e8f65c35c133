"""The words of a page follow from the numbers that stand beside them: read back from the text, and decided again."""

import math
from collections.abc import Iterator

from benchmarks.paper.claims import Claims
from benchmarks.paper.judge import verdict
from benchmarks.paper.statistics import holm


class Contradiction(Exception):
    """A word on the page does not follow from its numbers."""


def check(page: str, claims: Claims) -> int:
    """Return how many verdicts were decided again from the text.

    Raises:
        Contradiction: a word, or an adjusted p, that the numbers beside it do not give.
    """
    return sum(_check_table(rows, claims) for rows in _tables(page))


def _check_table(rows: list[dict[str, str]], claims: Claims) -> int:
    by_id = {claim.id: claim for claim in claims.claim}
    if [row["claim"] for row in rows] != [f"`{claim.id}`" for claim in claims.claim]:
        raise Contradiction("a table of verdicts does not list all claims")
    measured = [row for row in rows if row["p"]]
    adjusted = holm([float(row["p"]) for row in measured])
    for row, expected in zip(measured, adjusted, strict=True):
        if not math.isclose(float(row["adjusted p"]), expected, rel_tol=1e-4):
            raise Contradiction(f"{row['claim']}: adjusted p {row['adjusted p']}, and Holm gives {expected:.6g}")
        claim = by_id[row["claim"].strip("`")]
        strong = [float(row[name]) for name in claims.measures("strong") if row[name] not in ("", "says nothing")]
        word = verdict(float(row["adjusted p"]), strong, has_strong=claim.strong, alpha=claims.test.alpha)
        if row["verdict"] != f"**{word}**":
            raise Contradiction(f"{row['claim']} is called {row['verdict']}, and its numbers say {word}")
        if f"{claim.says} **{word.capitalize()}**" not in "\n".join(row.get("text", "").splitlines()):
            raise Contradiction(f"{row['claim']}: the sentence below the table says something else")
    if any(row["verdict"] != "not measured" for row in rows if not row["p"]):
        raise Contradiction("a claim without numbers has a verdict")
    return len(measured)


def _tables(page: str) -> Iterator[list[dict[str, str]]]:
    """Yield the rows of each table of verdicts, by their heads, with the text behind the table."""
    lines = page.splitlines()
    for place, line in enumerate(lines):
        head = _cells(line)
        if head[:2] != ["claim", "verdict"]:
            continue
        end = next((at for at in range(place + 2, len(lines)) if not lines[at].startswith("|")), len(lines))
        after = "\n".join(lines[end : next((at for at in range(end, len(lines)) if lines[at].startswith("#")), None)])
        yield [{**dict(zip(head, _cells(row), strict=True)), "text": after} for row in lines[place + 2 : end]]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
