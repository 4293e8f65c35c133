"""What was proved, in every format."""

from made_up import CREATED, certificate, proof, threat_result

from compressor.report import html_page, proofs, summarise, summary_markdown, summary_text
from compressor.report.summary import Summary


def proved(*found: object) -> Summary:
    """Return a summary of a certificate whose threats have these proofs."""
    threats = tuple(
        threat_result(f"{number}/255", proof=each, proved_accuracy=None if each.out_of_reach else 0.301)
        for number, each in enumerate(found, start=1)
    )
    return summarise(name="x", created=CREATED, certificate=certificate(threats=threats, baseline=None))


def test_a_threat_is_held_from_both_sides() -> None:
    """Proved, battery, the fall of margins, and smoothing, which the note calls another classifier."""
    (table,) = proofs.tables_of(proved(proof(), proof(margin_fall=None, smoothing=None)))
    assert table.rows == (
        ("linf:1/255", "30.1", "41.2", "0.5", "48.0"),
        ("linf:2/255", "30.1", "41.2", "-", "-"),
    )
    assert "between proved (alpha-crown, in real arithmetic" in table.note
    assert "another classifier, on 100 images, 1,000 draws" in table.note


def test_what_is_out_of_reach_has_its_reason() -> None:
    """No number, and the operator in the note."""
    gone = proof(method=None, num_proved=0, interval=None, out_of_reach="MaxPool2d (3) has no bound", smoothing=None)
    (table,) = proofs.tables_of(proved(gone))
    assert table.rows[0][1] == "-"
    assert "No proof: MaxPool2d (3) has no bound." in table.note


def test_every_format_shows_it_and_none_where_nothing_was_asked() -> None:
    """Text within 80 columns, Markdown folded, the page; a plain certificate has no such section."""
    summary = proved(proof())
    text, markdown, page = summary_text(summary), summary_markdown(summary), html_page(summary).decode()
    assert max(len(line) for line in text.splitlines()) <= 80
    for shown in (text, markdown, page):
        assert "margin falls by" in shown
    plain = summarise(name="x", created=CREATED, certificate=certificate())
    assert proofs.tables_of(plain) == ()
    assert "Proved" not in summary_text(plain) + summary_markdown(plain) + html_page(plain).decode()
