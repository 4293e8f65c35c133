"""Dense, slim and control at a glance: accuracy and robust accuracy with intervals, and what is demanded of them."""

import re

from compressor.gate import wording
from compressor.gate.policy import threat_id
from compressor.report.frames import frame, side_by_side
from compressor.report.sections import note, section
from compressor.report.summary import Summary

DEMANDED = re.compile(r"at least ([\d.]+) %")


def robustness(summary: Summary) -> str:
    """Clean accuracy and robust accuracy under each threat, with intervals."""
    found = [_shares(summary, place) for place in range(-1, len(summary.threats))]
    words = "The mark is what was measured, the band its interval"
    words += "; a broken line is what the policy demands." if any('class="limit"' in each for each in found) else "."
    drawings = side_by_side(*(each for each in found if each))
    return section("Accuracy and robustness", drawings, note(words)) if drawings else ""


def _shares(summary: Summary, place: int) -> str:
    """Return the models side by side under a threat, by its place; -1 is without one."""
    from compressor.report.drawings.rows import Share, shares

    threat = summary.threats[place] if place >= 0 else None
    limit = _demanded(summary, "accuracy.min" if threat is None else f"robustness.{threat_id(threat)}.min")
    known = [
        Share(
            name=column.name,
            value=figure.value,
            interval=figure.interval,
            demanded=limit if column.name == "slim" else None,
        )
        for column in summary.columns
        if (figure := column.accuracy if place < 0 else column.robust[place]) is not None
    ]
    if not known:
        return ""
    demand = "" if limit is None else f", demanded {wording.demanded_percent(limit)}"
    title = "Clean accuracy" if threat is None else f"Robust accuracy at {threat}"
    return frame(shares(known, name=f"shares{place + 1}"), title=f"{title}{demand}")


def _demanded(summary: Summary, condition_id: str) -> float | None:
    """Return the share that a condition demands, read from its own words."""
    stated = summary.verdict.conditions if summary.verdict else ()
    texts = [each.demanded for each in stated if each.id == condition_id]
    match = DEMANDED.fullmatch(texts[0]) if texts else None
    return float(match.group(1)) / 100 if match else None
