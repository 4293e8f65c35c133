"""The record as a drawing, and as one HTML page in the style of the report: the drawing, the words, the figures."""

from html import escape

from compressor.report.page import whole_page
from compressor.report.sections import table_html
from compressor.sensitivity.advice import CAVEAT, commands, findings
from compressor.sensitivity.record import Sensitivity
from compressor.sensitivity.text import block_table, filter_table, heading


def sensitivity_svg(record: Sensitivity) -> bytes:
    """Return the drawing as an SVG file."""
    from compressor.report.drawings.canvas import as_file
    from compressor.sensitivity.drawing import sensitivity_drawing

    return as_file(sensitivity_drawing(record))


def sensitivity_page(record: Sensitivity, *, checkpoint: str | None = None) -> bytes:
    """Return the page.

    Args:
        record: what was measured.
        checkpoint: its path, for the commands; None: a placeholder.
    """
    from compressor.sensitivity.drawing import sensitivity_drawing

    title = f"{record.architecture}: sensitivity"
    following = "\n".join(commands(record, *(() if checkpoint is None else (checkpoint,))))
    parts = [
        f"<header>\n<h1>{escape(title)}</h1>\n<p>{escape(heading(record))}</p>\n</header>",
        f'<div class="scroll" tabindex="0" role="region" aria-label="drawing">{sensitivity_drawing(record)}</div>',
        *(f"<p>{escape(sentence)}</p>" for sentence in (*findings(record), CAVEAT)),
        f"<pre><code>{escape(following)}</code></pre>" if following else "",
        *(
            f"<section>\n<h2>{table.title}</h2>\n{table_html(table)}\n</section>"
            for table in (filter_table(record), block_table(record))
            if table.rows
        ),
        *(f'<p class="quiet">not measured: {escape(f"{left.name}: {left.reason}")}</p>' for left in record.left_out),
        f'<p class="quiet">checkpoint {escape(record.model_sha256)}<br>images {escape(record.data)}, '
        f"{escape(record.data_sha256)}<br>{escape(record.created)}, compress {escape(record.tool_version)}</p>",
    ]
    return whole_page(title, "\n".join(part for part in parts if part))
