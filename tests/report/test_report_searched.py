"""The frontier of a search in reports: figures on select images, and said to be."""

from dataclasses import replace

import pytest
from drawn import drawings as read

from compressor.errors import EvidenceError
from compressor.report.facts import CandidateFacts, DenseFacts, SearchFacts
from compressor.report.searched import drawings, table_of
from compressor.report.stored import search_facts
from compressor.report.text import WIDTH, table_text


def candidate(number: int, cost: float | None, *, judged: bool = True, standing: str = "passed") -> CandidateFacts:
    """Return a candidate."""
    return CandidateFacts(
        number=number,
        structure="filters",
        criterion="bn-scale",
        profile="early",
        cost=cost,
        accuracy=0.93 if judged else None,
        robust={"linf:1/16": 0.55, "l2:1/4": 0.31} if judged else {},
        p50_ms=0.123,
        standing=standing,
    )


FACTS = SearchFacts(
    minimise="params",
    num_images=270,
    dense=DenseFacts(accuracy=0.96, robust={"linf:1/16": 0.6, "l2:1/4": 0.4}, p50_ms=0.3),
    trials=(
        candidate(1, 0.5),
        candidate(2, 0.3),
        candidate(3, 0.2, standing="undecided"),
        candidate(4, 0.1, judged=False, standing="dropped"),
        candidate(5, None, judged=False, standing="dropped"),
    ),
    winner=2,
)


def test_the_smallest_stands_first_and_the_dense_model_last() -> None:
    """Candidates that were never judged are counted and not shown."""
    table = table_of(FACTS)
    assert [row[0].split()[0] for row in table.rows] == ["3", "2", "1", "dense"]
    assert [row[-1] for row in table.rows] == ["undecided", "chosen", "passed", ""]
    assert table.rows[1][1:] == ("30.0", "93.0", "55.0", "31.0", "0.123", "chosen")
    assert table.note.startswith("5 candidates, of which 2 ended before the judgement.")
    assert "select images" in table.note
    assert all(len(line) <= WIDTH for line in table_text(table).splitlines())


def test_each_threat_has_a_drawing_with_all_candidates() -> None:
    """The chosen one is filled; each point is also told in words."""
    drawn = read(drawings(FACTS))
    assert [(each.count("best"), each.count("beaten")) for each in drawn] == [(1, 3)] * 3
    assert {"1", "2", "3", "dense"} <= set(drawn[0].texts)
    assert "2 filters bn-scale early 55.0 % with 30.0 % of the parameters" in drawn[1].spoken


def test_one_point_is_no_frontier() -> None:
    """Nothing is drawn then, and nothing fails."""
    assert drawings(replace(FACTS, trials=FACTS.trials[:1])) == ""
    assert drawings(replace(FACTS, trials=())) == ""
    assert [row[0] for row in table_of(replace(FACTS, trials=(), winner=None)).rows] == ["dense"]


def test_a_file_that_is_no_search_is_refused() -> None:
    """With the place that does not fit."""
    with pytest.raises(EvidenceError, match="trials"):
        search_facts(b"{}")
