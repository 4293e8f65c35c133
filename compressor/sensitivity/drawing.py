"""The record as one drawing: two panels over the same layers, clean above and FGSM below. Plain SVG, light and dark.

Colours are written out, not CSS variables: many programs that show an SVG file know no variables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil
from string import Template

from compressor.gate import wording
from compressor.sensitivity.advice import findings, together
from compressor.sensitivity.record import Layer, Sensitivity, SensitivityRow, layers_of
from compressor.types import Structure

LEFT, RIGHT, HEAD = 52, 96, 112
"""Room for the numbers, the dense level's name, and the title with its legend."""
PANEL, BETWEEN = 200, 44
STEP = 22
"""Between two layers: a slanted label of 11 px needs 15 of it."""
LEAST_WIDTH = 760
CHARACTER = 6.4
"""Width of a character of 11 px, generously."""
TICKS, MOST_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2), 5
MARKS = ("circle", "square", "triangle", "diamond")
BLOCK_KIND = "block"

STYLE = """
.sensitivity { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 12px; }
.sensitivity text { fill: #1c2024; }
.sensitivity .title { font-size: 16px; font-weight: 600; }
.sensitivity .quiet, .sensitivity .name { fill: #5a6270; }
.sensitivity .name { font-size: 11px; }
.sensitivity .ground { fill: #ffffff; }
.sensitivity .rule { stroke: #d9dde3; stroke-width: 1; }
.sensitivity .level { stroke: #1c2024; stroke-width: 1.5; stroke-dasharray: 6 4; }
.sensitivity polyline { fill: none; stroke-width: 1.6; }
.sensitivity .kind0 { stroke: #2268b8; } .sensitivity .kind0 .mark { fill: #2268b8; }
.sensitivity .kind1 { stroke: #a35a00; } .sensitivity .kind1 .mark { fill: #a35a00; }
.sensitivity .kind2 { stroke: #b0204f; } .sensitivity .kind2 .mark { fill: #b0204f; }
.sensitivity .kind3 { stroke: #6a3fb5; } .sensitivity .kind3 .mark { fill: #6a3fb5; }
.sensitivity .block { stroke: #0b6b3a; } .sensitivity .block .mark { fill: #0b6b3a; }
@media (prefers-color-scheme: dark) {
  .sensitivity text { fill: #e8eaed; }
  .sensitivity .quiet, .sensitivity .name { fill: #a3abb8; }
  .sensitivity .ground { fill: #14171b; }
  .sensitivity .rule { stroke: #343a43; }
  .sensitivity .level { stroke: #e8eaed; }
  .sensitivity .kind0 { stroke: #7fb0ff; } .sensitivity .kind0 .mark { fill: #7fb0ff; }
  .sensitivity .kind1 { stroke: #f0b050; } .sensitivity .kind1 .mark { fill: #f0b050; }
  .sensitivity .kind2 { stroke: #ff8fab; } .sensitivity .kind2 .mark { fill: #ff8fab; }
  .sensitivity .kind3 { stroke: #c3a6ff; } .sensitivity .kind3 .mark { fill: #c3a6ff; }
  .sensitivity .block { stroke: #7fd6a0; } .sensitivity .block .mark { fill: #7fd6a0; }
}
""".strip()

FRAME = Template("""\
<svg$xmlns class="sensitivity" viewBox="0 0 $width $height" width="$width" height="$height" role="img" \
aria-labelledby="sensitivity-title sensitivity-desc">
<title id="sensitivity-title">$title</title>
<desc id="sensitivity-desc">$desc</desc>
<style>
$style
</style>
<rect class="ground" width="$width" height="$height"/>
$body
</svg>""")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One quantity over all layers."""

    top: int
    title: str
    dense: float
    ticks: tuple[float, ...]
    """Shares that get a rule, from zero to the upper edge."""
    under_attack: bool

    def share(self, row: SensitivityRow) -> float:
        return row.fgsm_accuracy if self.under_attack else row.accuracy

    def y(self, share: float) -> float:
        return self.top + PANEL * (1 - share / self.ticks[-1])


class _Places:
    """Where each layer stands from left to right: groups first, then a gap, then blocks."""

    def __init__(self, groups: Sequence[Layer], blocks: Sequence[Layer]) -> None:
        num = len(groups) + len(blocks) + (1 if groups and blocks else 0)
        self.step = max(STEP, (LEAST_WIDTH - LEFT - RIGHT) / num)
        first_block = num - len(blocks)
        self.groups = {layer.name: LEFT + self.step * (place + 0.5) for place, layer in enumerate(groups)}
        self.blocks = {layer.name: LEFT + self.step * (first_block + place + 0.5) for place, layer in enumerate(blocks)}
        self.end = LEFT + self.step * num
        self.width = ceil(self.end + RIGHT)


def sensitivity_svg(record: Sensitivity) -> bytes:
    """Return the drawing as an SVG file."""
    return (drawing(record, xmlns=' xmlns="http://www.w3.org/2000/svg"') + "\n").encode()


def drawing(record: Sensitivity, *, xmlns: str = "") -> str:
    """Return the drawing as an `svg` element; inside HTML it needs no namespace."""
    groups, blocks = layers_of(record, Structure.FILTERS), layers_of(record, Structure.BLOCKS)
    places = _Places(groups, blocks)
    panels = _panels(record)
    feet = panels[-1].top + PANEL
    names = [f"{layer.name}{together(layer)}" for layer in (*groups, *blocks)]
    height = ceil(feet + 16 + CHARACTER * max(map(len, names)))
    title = f"{record.architecture}: each layer pruned alone, nothing fine-tuned"
    below = (
        f"{record.num_images:,} {record.role} images, seed {record.seed}; filters ranked by {record.criterion}; "
        "dashed: the dense model"
    )
    body = [
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
        f'<text class="quiet" x="{LEFT}" y="46">{escape(below)}</text>',
        _legend(record, has_blocks=bool(blocks)),
        *(_panel(panel, places, record, groups, blocks) for panel in panels),
        *(
            _name(x, feet, name)
            for x, name in zip((*places.groups.values(), *places.blocks.values()), names, strict=True)
        ),
    ]
    desc = " ".join([f"{below.capitalize()}.", *(_spoken(panel) for panel in panels), *findings(record)])
    return FRAME.substitute(
        xmlns=xmlns,
        width=places.width,
        height=height,
        title=escape(title),
        desc=escape(desc),
        style=STYLE,
        body="\n".join(body),
    )


def _panels(record: Sensitivity) -> tuple[_Panel, _Panel]:
    clean, attacked = [row.accuracy for row in record.rows], [row.fgsm_accuracy for row in record.rows]
    above = _Panel(
        top=HEAD,
        title="right answers",
        dense=record.accuracy,
        ticks=_ticks(max(record.accuracy, *clean)),
        under_attack=False,
    )
    below = _Panel(
        top=HEAD + PANEL + BETWEEN,
        title=f"right answers that stay right under FGSM at {record.threat}",
        dense=record.fgsm_accuracy,
        ticks=_ticks(max(record.fgsm_accuracy, *attacked)),
        under_attack=True,
    )
    return above, below


def _ticks(highest: float) -> tuple[float, ...]:
    """Return the shares that are named beside a panel: from zero to the first one that none exceeds."""
    step = next(step for step in TICKS if ceil(round(highest / step, 9)) <= MOST_TICKS)
    return tuple(step * number for number in range(max(1, ceil(round(highest / step, 9))) + 1))


def _panel(
    panel: _Panel, places: _Places, record: Sensitivity, groups: Sequence[Layer], blocks: Sequence[Layer]
) -> str:
    parts = [f'<text x="{LEFT}" y="{panel.top - 10}">{escape(panel.title)}</text>']
    for share in panel.ticks:
        y = panel.y(share)
        parts.append(_level(y, places.end, "rule"))
        parts.append(f'<text class="quiet" text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{_percent(share)}</text>')
    for x in (*places.groups.values(), *places.blocks.values()):
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{panel.top}" y2="{panel.top + PANEL}"/>')
    parts.append(_level(panel.y(panel.dense), places.end, "level"))
    parts.append(
        f'<text x="{places.end + 8:.1f}" y="{panel.y(panel.dense) + 4:.1f}">dense {wording.percent(panel.dense)}</text>'
    )
    for number, ratio in enumerate(record.ratios):
        parts.append(_line(panel, places, groups, number, ratio))
    for layer in blocks:
        x, (row,) = places.blocks[layer.name], layer.rows
        y = panel.y(panel.share(row))
        stem = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{panel.y(panel.dense):.1f}" y2="{y:.1f}"/>'
        parts.append(f'<g class="{BLOCK_KIND}">{stem}{_mark("diamond", x, y, _told(panel, row))}</g>')
    return "\n".join(parts)


def _line(panel: _Panel, places: _Places, groups: Sequence[Layer], number: int, ratio: float) -> str:
    """Return one ratio over all groups; the line is broken where nothing left at it."""
    runs: list[list[str]] = [[]]
    marks = []
    for layer in groups:
        row = layer.at(ratio)
        if row is None:
            runs.append([])
            continue
        x, y = places.groups[layer.name], panel.y(panel.share(row))
        runs[-1].append(f"{x:.1f},{y:.1f}")
        marks.append(_mark(MARKS[number % len(MARKS)], x, y, _told(panel, row)))
    lines = "".join(f'<polyline points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    return f'<g class="kind{number % len(MARKS)}">{lines}{"".join(marks)}</g>'


def _mark(shape: str, x: float, y: float, told: str = "") -> str:
    """Return a mark of its own shape, so that no line is known by its colour alone."""
    title = f"<title>{escape(told)}</title>" if told else ""
    if shape == "circle":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3.4">{title}</circle>'
    corners = {
        "square": ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
        "triangle": ((0.0, -4.4), (4.0, 3.0), (-4.0, 3.0)),
        "diamond": ((0.0, -4.6), (4.6, 0.0), (0.0, 4.6), (-4.6, 0.0)),
    }[shape]
    points = " ".join(f"{x + across:.1f},{y + down:.1f}" for across, down in corners)
    return f'<polygon class="mark" points="{points}">{title}</polygon>'


def _told(panel: _Panel, row: SensitivityRow) -> str:
    what = f"without {row.group}" if row.structure is Structure.BLOCKS else f"{row.group} at {_percent(row.ratio)}"
    return f"{what}: {wording.percent(panel.share(row))} {panel.title}"


def _legend(record: Sensitivity, *, has_blocks: bool) -> str:
    parts, x = [], float(LEFT)
    keys = [
        (f"kind{number % len(MARKS)}", MARKS[number % len(MARKS)], f"{_percent(ratio)} removed")
        for number, ratio in enumerate(record.ratios)
    ]
    keys += [(BLOCK_KIND, "diamond", "block removed")] if has_blocks else []
    for kind, shape, words in keys:
        parts.append(f'<g class="{kind}">{_mark(shape, x + 5, 62)}</g><text x="{x + 14:.1f}" y="66">{words}</text>')
        x += 14 + 7 * len(words) + 12
    return "\n".join(parts)


def _name(x: float, feet: float, name: str) -> str:
    return (
        f'<text class="name" text-anchor="end" transform="translate({x + 4:.1f} {feet + 10:.1f}) rotate(-90)">'
        f"{escape(name)}</text>"
    )


def _level(y: float, end: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.6g}'):g} %"


def _spoken(panel: _Panel) -> str:
    return f"{panel.title.capitalize()}: the dense model {wording.percent(panel.dense)}."
