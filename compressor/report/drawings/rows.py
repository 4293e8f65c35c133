"""One row for each model, layer, class or corruption: its name, its figures, and a bar below them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from compressor.gate import wording
from compressor.report.drawings.canvas import (
    EDGE,
    LABEL,
    WIDTH,
    Axes,
    Figure,
    Paint,
    dash,
    ground,
    inline,
    settings,
    shown,
    wide,
)
from compressor.types import Interval

ROW, NAMES, MIDDLE, FOOT = 31, 12, 22, 16
"""Height of a row, where its words stand in it, where the middle of its bar is; and the height of what stands below."""
MOST_ROWS = 15
"""A longer list goes on in another drawing, beside the first where there is room."""

MODELS = {"slim": Paint.SLIM, "dense": Paint.DENSE, "control": Paint.CONTROL}
ENDS = ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One model's share of something."""

    name: str
    """`dense`, `slim` or `control`."""
    value: float
    """In [0, 1]; the interval and the demand likewise."""
    interval: Interval | None
    demanded: float | None
    """None where nothing is demanded of this model."""


@settings()
def shares(found: Sequence[Share], *, name: str) -> str:
    """Return a mark for what was measured, a band for its interval, and a broken line for what is demanded.

    Args:
        found: of each model, in the order to draw them in.
        name: of the drawing.
    """
    spans = [each.interval or (each.value, each.value) for each in found]
    figures = [_percent(each) for each in found]
    figure, axes, middles = _rows([each.name for each in found], figures, ends=ENDS)
    axes.hlines(middles, 0, 1, color=Paint.TRACK, linewidth=3)
    for each, (low, high), y in zip(found, spans, middles, strict=True):
        paint = MODELS.get(each.name, Paint.SLIM)
        axes.hlines(y, low, max(high, low + 0.004), color=paint, alpha=0.5, linewidth=9, gid="band")
        axes.vlines(each.value, y - 6, y + 6, color=Paint.INK, linewidth=2.5, gid="mark")
        if each.demanded is not None:
            broken = dash(3, 2)
            axes.vlines(each.demanded, y - 6, y + 7, color=Paint.FAILED, linewidth=2, linestyle=broken, gid="limit")
    demands = (
        "" if each.demanded is None else f", demanded {wording.demanded_percent(each.demanded)}" for each in found
    )
    spoken = "; ".join(
        f"{each.name}: {words}{demand}" for each, words, demand in zip(found, figures, demands, strict=True)
    )
    return inline(figure, name=name, spoken=spoken)


def _percent(share: Share) -> str:
    return wording.percent(share.value) + (f" {wording.bracket(share.interval)}" if share.interval else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What something was, and what it is."""

    name: str
    before: float
    after: float


def widths(layers: Sequence[Change], *, name: str) -> list[str]:
    """Return layers' filters, what is left over what was, against the widest layer.

    Args:
        layers: 0 after: removed with its block.
        name: of the drawings.
    """
    widest = max((each.before for each in layers), default=1)
    return [_widths(part, widest, f"{name}{number}") for number, part in _parts(layers)]


def _parts(rows: Sequence[Change]) -> Iterator[tuple[int, tuple[Change, ...]]]:
    size = ceil(len(rows) / max(1, ceil(len(rows) / MOST_ROWS))) or 1
    parts = (tuple(rows[first : first + size]) for first in range(0, len(rows), size))
    return enumerate(parts, start=1)


@settings()
def _widths(layers: Sequence[Change], widest: float, name: str) -> str:
    words = [f"{each.before:g} to {each.after:g}" if each.after else f"{each.before:g}, removed" for each in layers]
    figure, axes, middles = _rows([each.name for each in layers], words, ends=())
    axes.hlines(middles, 0, [each.before / widest for each in layers], color=Paint.TRACK, linewidth=9, gid="was")
    axes.hlines(middles, 0, [each.after / widest for each in layers], color=Paint.SLIM, linewidth=9, gid="left")
    spoken = "; ".join(f"{each.name}: {told} filters" for each, told in zip(layers, words, strict=True))
    return inline(figure, name=name, spoken=spoken)


def changes(rows: Sequence[Change], *, name: str) -> list[str]:
    """Return the way of each share: a ring where it was, a dot where it is.

    Args:
        rows: shares in [0, 1].
        name: of the drawings.
    """
    return [_changes(part, f"{name}{number}") for number, part in _parts(rows)]


@settings()
def _changes(rows: Sequence[Change], name: str) -> str:
    words = [f"{wording.percent(each.before).removesuffix(' %')} to {wording.percent(each.after)}" for each in rows]
    figure, axes, middles = _rows([each.name for each in rows], words, ends=ENDS)
    before, after = [each.before for each in rows], [each.after for each in rows]
    axes.hlines(middles, 0, 1, color=Paint.TRACK, linewidth=3)
    axes.hlines(middles, before, after, color=Paint.SLIM, linewidth=2, gid="way")
    axes.plot(
        before,
        middles,
        "o",
        markerfacecolor=Paint.GROUND,
        markeredgecolor=Paint.DENSE,
        markeredgewidth=2,
        markersize=9,
        gid="before",
    )
    axes.plot(after, middles, "o", gid="after", color=Paint.SLIM, markersize=7)
    spoken = "; ".join(f"{each.name}: {told}" for each, told in zip(rows, words, strict=True))
    return inline(figure, name=name, spoken=spoken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """One row of a heat map."""

    name: str
    shares: tuple[float, ...]
    """One for each column, in [0, 1]."""
    mean: float


@settings()
def heat(rows: Sequence[Heat], *, columns: Sequence[str], name: str) -> str:
    """Return rows of cells, the fuller in colour the more is right, and the mean of each row.

    Args:
        rows: each with one share for each column.
        columns: what stands below them.
        name: of the drawing.
    """
    step = 1 / max(1, len(columns))
    below = tuple((step * (place + 0.5), words) for place, words in enumerate(columns))
    means = [wording.percent(each.mean) for each in rows]
    figure, axes, middles = _rows([each.name for each in rows], means, ends=below)
    for row, y in zip(rows, middles, strict=True):
        starts = [step * place for place in range(len(row.shares))]
        paints = [(str(Paint.SLIM), share) for share in row.shares]
        ends = [start + step - 0.008 for start in starts]
        axes.hlines([y] * len(starts), starts, ends, color=Paint.TRACK, linewidth=11)
        axes.hlines([y] * len(starts), starts, ends, color=paints, linewidth=11, gid="heat")
    spoken = "; ".join(f"{each.name}: {', '.join(map(wording.percent, each.shares))}" for each in rows)
    return inline(figure, name=name, spoken=spoken)


def _rows(
    names: Sequence[str], figures: Sequence[str], *, ends: Sequence[tuple[float, str]]
) -> tuple[Figure, Axes, list[float]]:
    """Return a ground from 0 to 1 with the words of each row on it, and the heights of the bars' middles.

    Args:
        names: what stands on the left; shortened where there is no room.
        figures: what stands on the right.
        ends: places and words below the ground.
    """
    foot = FOOT if ends else 0
    figure, axes = ground(height=ROW * len(names) + foot, foot=foot)
    axes.set_xlim(0, 1)
    axes.set_ylim(ROW * len(names), 0)
    axes.set_yticks([])
    axes.set_xticks([])
    room = WIDTH - 2 * EDGE
    for place, (name, words) in enumerate(zip(names, figures, strict=True)):
        left = room - wide(words) - LABEL
        axes.text(0, ROW * place + NAMES, shown(name, left), gid="name")
    for place, words in enumerate(figures):
        axes.text(1, ROW * place + NAMES, words, ha="right", gid="figures")
    for x, words in ends:
        side = "left" if x == 0 else "right" if x == 1 else "center"
        axes.text(x, ROW * len(names) + FOOT - 4, words, ha=side, color=Paint.QUIET, fontsize=LABEL)
    return figure, axes, [ROW * place + MIDDLE for place in range(len(names))]
