"""The record as tables: for a terminal within 80 columns, and as cells that the page shows too."""

import textwrap

from compressor.gate import wording
from compressor.report.tables import UNKNOWN, Table
from compressor.report.text import WIDTH, table_text
from compressor.sensitivity.advice import CAVEAT, commands, findings, together
from compressor.sensitivity.record import Layer, Sensitivity, by_drop, layers_of
from compressor.types import Structure

BAR_WIDTH = 10


def heading(record: Sensitivity) -> str:
    """Return what was measured, and on what."""
    return (
        f"{record.architecture}: each layer pruned alone, nothing fine-tuned. {record.num_images:,} {record.role} "
        f"images (seed {record.seed}), filters ranked by {record.criterion}. "
        f"Dense: {wording.percent(record.accuracy)} right, {wording.percent(record.fgsm_accuracy)} under FGSM at "
        f"{record.threat}."
    )


def filter_table(record: Sensitivity) -> Table:
    """Return what is left at each ratio, the most sensitive group first."""
    layers = by_drop(layers_of(record, Structure.FILTERS))
    widest = max((layer.mean_drop for layer in layers), default=0.0)
    rows = [
        (
            f"{layer.name}{together(layer)}",
            str(layer.rows[0].num_units),
            *(_share(layer, ratio, under_attack=False) for ratio in record.ratios),
            *(_share(layer, ratio, under_attack=True) for ratio in record.ratios),
            _drop(layer.mean_drop, widest),
        )
        for layer in layers
    ]
    shares = [f"{100 * ratio:g}%" for ratio in record.ratios]
    return Table(
        title="Filters",
        heads=("filters", "units", *shares, *(f"{share}*" for share in shares), _head()),
        rows=tuple(rows),
        note=(
            "Percent of images right after that share of the units left; * and right under FGSM. Drop: points of "
            "accuracy, averaged over the ratios. (+n): n other layers lose the same units."
        ),
    )


def block_table(record: Sensitivity) -> Table:
    """Return what is left without each block, the most sensitive first."""
    layers = by_drop(layers_of(record, Structure.BLOCKS))
    widest = max((layer.mean_drop for layer in layers), default=0.0)
    rows = [
        (
            layer.name,
            f"{100 * row.accuracy:.1f}",
            f"{100 * row.fgsm_accuracy:.1f}",
            f"{100 * row.macs_saved_fraction:.1f}",
            _drop(layer.mean_drop, widest),
        )
        for layer in layers
        for row in layer.rows
    ]
    return Table(
        title="Blocks",
        heads=("blocks", "right", "right*", "MACs saved", _head()),
        rows=tuple(rows),
        note="Percent after that block alone was removed; * and right under FGSM.",
    )


def sensitivity_text(record: Sensitivity, *, checkpoint: str | None = None) -> str:
    """Return everything for a terminal: the tables, what they suggest, and the next commands.

    Args:
        record: what was measured.
        checkpoint: its path, for the commands; None: a placeholder.
    """
    tables = [table for table in (filter_table(record), block_table(record)) if table.rows]
    skipped = [f"not measured: {left.name}: {left.reason}" for left in record.left_out]
    following = commands(record, *(() if checkpoint is None else (checkpoint,)))
    parts = [
        _wrapped(heading(record)),
        *(table_text(table) for table in tables),
        "\n".join(_wrapped(line) for line in (*skipped, *findings(record), CAVEAT)),
        # Commands are pasted, so they stay on one line.
        "\n".join(f"{word} {line}" for word, line in zip(("next:", "or:  "), following, strict=False)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _share(layer: Layer, ratio: float, *, under_attack: bool) -> str:
    row = layer.at(ratio)
    if row is None:
        return UNKNOWN
    return f"{100 * (row.fgsm_accuracy if under_attack else row.accuracy):.1f}"


def _drop(drop: float, widest: float) -> str:
    """Return the drop in points with a bar; where accuracy rose, there is none."""
    length = round(BAR_WIDTH * drop / widest) if drop > 0 else 0
    number = f"{100 * drop:.1f}"
    return f"{'0.0' if number == '-0.0' else number:>5} {'#' * length:<{BAR_WIDTH}}"


def _head() -> str:
    return f"{'drop':>5} {'':<{BAR_WIDTH}}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)
