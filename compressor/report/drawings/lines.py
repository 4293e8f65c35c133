"""Shares as lines, left to right: accuracy against epsilon, and against epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

from compressor.report.drawings.canvas import (
    LABEL,
    Axes,
    Figure,
    MaxNLocator,
    Paint,
    PercentFormatter,
    between,
    dash,
    ground,
    inline,
    rules,
    settings,
)

HEIGHT, LEFT, FOOT = 190, 44, 24

SOLID = (0.0, None)
MODELS = {
    "slim": (Paint.SLIM, SOLID),
    "select": (Paint.SLIM, SOLID),
    "dense": (Paint.DENSE, dash(7, 4)),
    "train": (Paint.DENSE, dash(7, 4)),
    "control": (Paint.CONTROL, dash(2, 3)),
}
"""Colour and stroke of each line: no line is known by its colour alone."""
MARKS = {"dense": "s", "train": "s", "control": "^"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of points."""

    name: str
    points: tuple[tuple[float, float], ...]
    """Place and share in [0, 1], in any order."""


@settings()
def against_epsilon(series: Sequence[Series], *, ticks: Sequence[tuple[float, str]], name: str, spoken: str) -> str:
    """Return accuracy from 0 to 100 % against the size of a threat.

    Args:
        series: at least one.
        ticks: sizes that get a rule, and what stands below; ascending, from zero.
        name: of the drawing.
        spoken: what it shows, for those who hear it.
    """
    figure, axes = _lines(series)
    axes.set_xlim(0, ticks[-1][0])
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xticks([x for x, _ in ticks], [words for _, words in ticks])
    first, *_, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    return inline(figure, name=name, spoken=spoken)


@settings()
def against_epochs(series: Sequence[Series], *, name: str, spoken: str) -> str:
    """Return accuracy against epochs, from about the lowest to about the highest.

    Args:
        series: at least one, with at least two points in all.
        name: of the drawing.
        spoken: what it shows, for those who hear it.
    """
    figure, axes = _lines(series, foot=FOOT + LABEL)
    axes.margins(x=0)
    known = [share for each in series for _, share in each.points]
    between(axes, min(known), max(known))
    axes.set_xlabel("epoch", loc="right", labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return inline(figure, name=name, spoken=spoken)


def _lines(series: Sequence[Series], *, foot: float = FOOT) -> tuple[Figure, Axes]:
    figure, axes = ground(height=HEIGHT, left=LEFT, foot=foot, top=LABEL / 2 + 2)
    rules(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    for each in series:
        paint, stroke = MODELS[each.name]
        across, upwards = zip(*sorted(each.points), strict=True)
        axes.plot(
            across,
            upwards,
            color=paint,
            linestyle=stroke,
            linewidth=2,
            marker=MARKS.get(each.name, "o"),
            markersize=5.5,
            gid=each.name,
            clip_on=False,
        )
    return figure, axes
