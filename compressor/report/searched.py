"""The candidates of a search: the frontier as a table within 80 columns, and drawn. All of it is on select images."""

from collections import Counter
from collections.abc import Sequence

from compressor.gate import wording
from compressor.report.facts import CandidateFacts, SearchFacts
from compressor.report.frames import frame, side_by_side
from compressor.report.sections import section, table_html
from compressor.report.summary import Summary
from compressor.report.tables import UNKNOWN, Table

MOST_COLUMNS = 2
"""Threats with a column of their own."""

WHAT = {"latency": "latency", "macs": "MACs", "params": "parameters", "bytes": "bytes"}
"""What is made small, in a word."""

DENSE = "dense"
WHOLE = 1.0


def table_of(facts: SearchFacts) -> Table:
    """Return every candidate that was judged, the smallest first, and the dense model."""
    threats = tuple(facts.dense.robust)[:MOST_COLUMNS]
    is_timed = any(each.p50_ms is not None for each in facts.trials)
    rows = [
        (
            named(each),
            _percent(each.cost),
            _percent(each.accuracy),
            *(_percent(each.robust.get(threat)) for threat in threats),
            *((_time(each.p50_ms),) if is_timed else ()),
            "chosen" if each.number == facts.winner else each.standing,
        )
        for each in judged(facts)
    ]
    rows.append(
        (
            DENSE,
            _percent(WHOLE),
            _percent(facts.dense.accuracy),
            *(_percent(facts.dense.robust[threat]) for threat in threats),
            *((_time(facts.dense.p50_ms),) if is_timed else ()),
            "",
        )
    )
    heads = (
        "candidate",
        f"{WHAT[facts.minimise]} %",
        "accuracy %",
        *threats,
        *(("p50 ms",) if is_timed else ()),
        "came to",
    )
    return Table(title="Candidates of the search", heads=heads, rows=tuple(rows), note=_note(facts))


def named(candidate: CandidateFacts) -> str:
    """Return what a candidate is called: its number, and what chose its cut."""
    return f"{candidate.number} {candidate.structure} {candidate.criterion} {candidate.profile}"


def judged(facts: SearchFacts) -> list[CandidateFacts]:
    """Return the candidates that came to a judgement, the smallest first."""
    known = [each for each in facts.trials if each.accuracy is not None and each.cost is not None]
    return sorted(known, key=lambda each: (each.cost, each.number))


def _note(facts: SearchFacts) -> str:
    num, num_judged = len(facts.trials), len(judged(facts))
    early = num - num_judged
    found = [
        f"{num} candidate{'' if num == 1 else 's'}, of which {early} ended before the judgement.",
        f"All figures are on at most {wording.amount(facts.num_images)} select images, attacked by the battery quick "
        "and only until the judgement was certain, the smallest that passed also by the battery of the release, until "
        "one held: they chose, and say nothing of the test images.",
    ]
    counted = Counter(each.standing for each in judged(facts))
    if counted["undecided"]:
        found.append("Undecided: the test would probably not decide them.")
    return " ".join(found)


def section_of(summary: Summary) -> str:
    """Return the table and the drawings for the page; nothing where nothing was searched for."""
    facts = summary.search
    if facts is None:
        return ""
    return section("Candidates of the search", drawings(facts), table_html(table_of(facts)))


def drawings(facts: SearchFacts) -> str:
    """Return accuracy and robust accuracy against size; nothing where fewer than two candidates were judged."""
    rows = judged(facts)
    if len(rows) < 2:
        return ""
    from compressor.report.drawings.squares import Dot, frontier

    across = f"{WHAT[facts.minimise]}, as a share of dense"
    frames = []
    for number, threat in enumerate((None, *facts.dense.robust)):
        title = "Accuracy" if threat is None else f"Robust accuracy at {threat}"
        whole = facts.dense.accuracy if threat is None else facts.dense.robust[threat]
        points = [(each, each.accuracy if threat is None else each.robust.get(threat)) for each in rows]
        known = [(each, share) for each, share in points if share is not None]
        dots = [
            Dot(x=min(each.cost or 0.0, WHOLE), y=share, name=str(each.number), is_best=each.number == facts.winner)
            for each, share in known
        ]
        dots.append(Dot(x=WHOLE, y=whole, name=DENSE, is_best=False))
        spoken = _spoken(title, known, WHAT[facts.minimise])
        drawn = frontier(dots, across=across, is_share=True, name=f"candidates{number}", spoken=spoken)
        frames.append(
            frame(drawn, title=title, caption="Filled: the chosen one. A line joins those that none beats here.")
        )
    return side_by_side(*frames)


def _spoken(title: str, known: Sequence[tuple[CandidateFacts, float]], what: str) -> str:
    return f"{title}: " + "; ".join(
        f"{named(each)} {wording.percent(share)} with {wording.percent(each.cost or 0.0)} of the {what}"
        for each, share in known
    )


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else wording.percent(share).removesuffix(" %")


def _time(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}"
