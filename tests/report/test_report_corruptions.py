"""What corruptions and shifts left, in every format."""

from dataclasses import replace

from drawn import drawings
from made_up import CREATED, certificate, corruptions

from compressor.report import corrupted, html_page, summarise, summary_markdown, summary_text
from compressor.report.summary import Summary


def shaken(**changes: object) -> Summary:
    """Return a summary of a certificate with corruptions."""
    return summarise(name="x", created=CREATED, certificate=certificate(corruptions=corruptions(**changes)))


def test_the_table_has_a_row_for_each_corruption_and_the_mean() -> None:
    """Severities across, then the mean of slim and dense, by hand."""
    table, worst = corrupted.tables_of(shaken())
    assert table.heads == ("corruption", "1", "2", "slim %", "dense %")
    assert table.rows == (
        ("snow", "90.0", "70.0", "80.0", "85.0"),
        ("fog", "60.0", "40.0", "50.0", "60.0"),
        ("mean", "", "", "65.0", "72.5"),
    )
    assert "not the published sets" in table.note
    assert "Dense minus slim: 7.5 points [6.0, 9.0]" in table.note
    assert "Skipped frost" in table.note
    assert worst.rows == (("occlusion", "81", "31.0 [28.1, 34.0]", "36.0"),)
    assert "patch 16" in worst.note


def test_without_a_baseline_or_shifts_there_are_no_columns_for_them() -> None:
    """What is not known has no column, and no table."""
    rows = tuple(replace(row, dense_accuracy=None) for row in corruptions().rows)
    tables = corrupted.tables_of(shaken(baseline=None, rows=rows, worst_case=(), source="published"))
    assert [table.heads[-1] for table in tables] == ["slim %"]
    assert tables[0].rows[0] == ("snow", "90.0", "70.0", "80.0")
    assert "published CIFAR-10-C arrays" in tables[0].note


def test_text_and_markdown_show_both_tables_and_the_comparison() -> None:
    """Text keeps within 80 columns; a certificate without corruptions shows nothing of them."""
    text, markdown = summary_text(shaken()), summary_markdown(shaken())
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "corrupted %" in text
    assert "65.0 [63.0, 67.0]" in text
    assert "72.5 [70.5, 74.5]" in text
    assert "occlusion" in text
    assert markdown.count("<details>") == markdown.count("</details>") == 2
    plain = summarise(name="x", created=CREATED, certificate=certificate())
    assert "corrupt" not in summary_text(plain) + summary_markdown(plain)


def test_the_page_draws_a_heat_map() -> None:
    """One row of cells for each corruption, as full as its accuracy, spoken too; nothing without corruptions."""
    page = html_page(shaken()).decode()
    (drawn,) = [each for each in drawings(page) if "snow" in each.texts]
    assert (drawn.spoken, drawn.count("heat")) == ("snow: 90.0 %, 70.0 %; fog: 60.0 %, 40.0 %", 4)
    assert drawn.opacities("heat") == [0.9, 0.7, 0.6, 0.4]
    assert drawn.texts == ["snow", "fog", "80.0 %", "50.0 %", "1", "2"]
    assert "Common corruptions" in page
    assert "Shifts in the worst place" in page
    plain = html_page(summarise(name="x", created=CREATED, certificate=certificate())).decode()
    assert "orruptions" not in plain
