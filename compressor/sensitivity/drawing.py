"""The record as one drawing: two panels over the same layers, clean above and FGSM below. A file of its own.

Colours are written out, not CSS variables: many programs that show an SVG file know no variables. Those that know of
dark themes find a second set.
"""

from dataclasses import dataclass

from compressor.gate import wording
from compressor.report.drawings.canvas import (
    DARK,
    Axes,
    Figure,
    MaxNLocator,
    Paint,
    PercentFormatter,
    dash,
    panel,
    rules,
    settings,
    sheet,
    shown,
    svg,
    wide,
)
from compressor.sensitivity.advice import findings, together
from compressor.sensitivity.record import Sensitivity, SensitivityRow, layers_of
from compressor.types import Structure

LEFT, RIGHT, HEAD = 52.0, 96.0, 112.0
"""Room for the numbers, the dense level's name, and the title with its legend."""
PANEL, BETWEEN = 200.0, 44.0
STEP = 22.0
"""Between two layers."""
LEAST_WIDTH = 760.0
MOST_NAME = 320.0
"""Room for a layer's name."""
KINDS = (("#2268b8", "o"), ("#a35a00", "s"), ("#b0204f", "^"), ("#6a3fb5", "v"))
"""Colour and mark of each ratio: no line is known by its colour alone."""
BLOCK = "#0b6b3a"
ON_DARK = DARK | {
    "#2268b8": "#7fb0ff",
    "#a35a00": "#f0b050",
    "#b0204f": "#ff8fab",
    "#6a3fb5": "#c3a6ff",
    BLOCK: "#7fd6a0",
}
"""What stands for each colour in a dark theme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One quantity over all layers."""

    top: float
    title: str
    dense: float
    under_attack: bool

    def share(self, row: SensitivityRow) -> float:
        return row.fgsm_accuracy if self.under_attack else row.accuracy

    def told(self, row: SensitivityRow) -> str:
        what = f"without {row.group}" if row.structure is Structure.BLOCKS else f"{row.group} at {_percent(row.ratio)}"
        return f"{what}: {wording.percent(self.share(row))} {self.title}"


class _Places:
    """Where each layer stands from left to right: groups first, then a gap, then blocks."""

    def __init__(self, record: Sensitivity) -> None:
        self.groups, self.blocks = layers_of(record, Structure.FILTERS), layers_of(record, Structure.BLOCKS)
        self.gap = len(self.groups) + (1 if self.groups and self.blocks else 0)
        self.num = self.gap + len(self.blocks)
        self.ticks = [*range(len(self.groups)), *range(self.gap, self.num)]
        self.names = [shown(f"{layer.name}{together(layer)}", MOST_NAME) for layer in (*self.groups, *self.blocks)]
        self.width = max(LEAST_WIDTH, LEFT + STEP * self.num + RIGHT)


@settings()
def sensitivity_drawing(record: Sensitivity) -> str:
    """Return the drawing as an `svg` element, for a page or a file."""
    places = _Places(record)
    panels = (
        _Panel(top=HEAD, title="right answers", dense=record.accuracy, under_attack=False),
        _Panel(
            top=HEAD + PANEL + BETWEEN,
            title=f"right answers that stay right under FGSM at {record.threat}",
            dense=record.fgsm_accuracy,
            under_attack=True,
        ),
    )
    height = panels[-1].top + PANEL + 16 + max(map(wide, places.names))
    figure = sheet(width=places.width, height=height)
    title = f"{record.architecture}: each layer pruned alone, nothing fine-tuned"
    below = (
        f"{record.num_images:,} {record.role} images, seed {record.seed}; filters ranked by {record.criterion}; "
        "broken line: the dense model"
    )
    room = places.width - LEFT
    _write(figure, 26, shown(title, room * 11 / 17), size=16, weight="semibold")
    _write(figure, 46, shown(below, room), size=12, color=Paint.QUIET)
    told: dict[str, list[str]] = {}
    for each in panels:
        axes = panel(figure, left=LEFT, top=each.top, width=places.width - LEFT - RIGHT, height=PANEL)
        _draw(axes, each, places, record, told)
        is_last = each is panels[-1]
        axes.set_xticks(places.ticks, places.names if is_last else [])
        if is_last:
            axes.tick_params(axis="x", labelrotation=90)
            for label in axes.get_xticklabels():
                label.set(rotation_mode="anchor", horizontalalignment="right", verticalalignment="center")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(LEFT / places.width, 1 - 56 / height),
        ncols=len(labels),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=2.5,
    )
    levels = [f"{each.title.capitalize()}: the dense model {wording.percent(each.dense)}." for each in panels]
    spoken = " ".join([f"{title}. {below.capitalize()}.", *levels, *findings(record)])
    return svg(
        figure, name="sensitivity", spoken=spoken, dark={str(key): value for key, value in ON_DARK.items()}, told=told
    )


def _write(
    figure: Figure, y: float, words: str, *, size: float, color: str = Paint.INK, weight: str = "normal"
) -> None:
    width, height = figure.bbox.size
    figure.text(LEFT / width, 1 - y / height, words, fontsize=size, color=color, fontweight=weight)


def _draw(axes: Axes, panel: _Panel, places: _Places, record: Sensitivity, told: dict[str, list[str]]) -> None:
    """Draw one panel, and note what its marks say to those who point at them."""
    rules(axes)
    axes.set_title(panel.title, loc="left", fontsize=12, color=Paint.INK, pad=6)
    axes.set_xlim(-0.5, places.num - 0.5)
    top = max(panel.dense, *(panel.share(row) for row in record.rows))
    axes.set_ylim(0, min(1.0, max(0.02, 1.08 * top)))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.axhline(panel.dense, color=Paint.INK, linewidth=1.5, linestyle=dash(6, 4), gid="dense")
    axes.annotate(
        f"dense {wording.percent(panel.dense)}", (1, panel.dense), (8, -4), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=Paint.INK,
    )  # fmt: skip
    for number, ratio in enumerate(record.ratios):
        rows = [layer.at(ratio) for layer in places.groups]
        color, mark = KINDS[number % len(KINDS)]
        kind = f"{'fgsm' if panel.under_attack else 'clean'}{number}"
        # A line is broken where nothing left at a ratio; where marks meet, all of them are seen.
        shares = [float("nan") if row is None else panel.share(row) for row in rows]
        label = f"{_percent(ratio)} removed"
        axes.plot(
            range(len(rows)), shares, color=color, marker=mark, linewidth=1.6, markersize=6.5, label=label, gid=kind
        )
        told[kind] = [panel.told(row) for row in rows if row is not None]
    if places.blocks:
        _draw_blocks(axes, panel, places, told)


def _draw_blocks(axes: Axes, panel: _Panel, places: _Places, told: dict[str, list[str]]) -> None:
    rows = [row for layer in places.blocks for row in layer.rows]
    across, shares = list(range(places.gap, places.num)), [panel.share(row) for row in rows]
    kind = f"{'fgsm' if panel.under_attack else 'clean'}-blocks"
    axes.vlines(across, panel.dense, shares, color=BLOCK, linewidth=1.6, gid="stem")
    axes.plot(across, shares, "D", color=BLOCK, markersize=6.5, label="block removed", gid=kind)
    told[kind] = [panel.told(row) for row in rows]


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.6g}'):g} %"
