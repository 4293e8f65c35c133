"""Dots on a ground with figures at its sides: reliability, and the frontier of bundles or of a search."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compressor.certify.certificate import Calibration
from compressor.gate import wording
from compressor.report.drawings.canvas import (
    EDGE,
    LABEL,
    WIDTH,
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
    shown,
    wide,
)
from compressor.report.tables import filled_bins

HEIGHT, LEFT, TOP, FOOT = 300, 44, 9, 40
MODELS = {"dense": (Paint.DENSE, dash(7, 4), Paint.GROUND), "slim": (Paint.SLIM, "solid", Paint.SLIM)}
"""Colour, stroke and inside of each model's line and dots."""
LARGEST, SMALLEST = 6.0, 1.5
"""Radius of the dot of the fullest bin; and of one that holds next to nothing."""
RADIUS = 4.5
MOST_NAME = 60.0
"""Room for a dot's name."""
BESIDE = 1.5
"""Half of what lies between two names."""
LINE = LABEL + 3
"""Height of a line of words."""


@settings()
def reliability(calibrations: Sequence[tuple[str, Calibration]], *, name: str) -> str:
    """Return how often models are right (upwards) against how sure they are (across); on the diagonal they agree.

    Args:
        calibrations: name and calibration of each model; empty bins are left out.
        name: of the drawing.
    """
    figure, axes = _square("how sure it is")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_locator(MaxNLocator(4))
    axes.plot([0, 1], [0, 1], color=Paint.QUIET, linewidth=1, linestyle=dash(2, 3), gid="diagonal")
    for model, calibration in calibrations:
        paint, stroke, inside = MODELS[model]
        found = filled_bins(calibration)
        across, upwards = [each.confidence or 0.0 for each in found], [each.accuracy or 0.0 for each in found]
        most = max(each.num for each in found)
        radii = [SMALLEST + (LARGEST - SMALLEST) * (each.num / most) ** 0.5 for each in found]
        axes.plot(across, upwards, color=paint, linestyle=stroke, linewidth=1.5, gid=f"{model}-line")
        sizes = [(2 * radius) ** 2 for radius in radii]
        axes.scatter(across, upwards, sizes, facecolor=inside, edgecolor=paint, linewidth=1.5, gid=model, zorder=3)
    spoken = "; ".join(f"{model}: {_spoken(calibration)}" for model, calibration in calibrations)
    return inline(figure, name=name, spoken=spoken)


def _spoken(calibration: Calibration) -> str:
    parts = [
        f"{wording.amount(each.num)} images {wording.percent(each.confidence or 0)} sure, "
        f"{wording.percent(each.accuracy or 0)} right"
        for each in filled_bins(calibration)
    ]
    return ", ".join(parts) or "no image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One bundle or candidate."""

    x: float
    y: float
    """A share in [0, 1]."""
    name: str
    """A number or a word: more stands in a table."""
    is_best: bool
    """Filled. That may be for something that this drawing does not show."""


@settings()
def frontier(dots: Sequence[Dot], *, across: str, is_share: bool, name: str, spoken: str) -> str:
    """Return dots, filled for the best; a line joins those that none beats in this drawing.

    Args:
        dots: all that can be compared.
        across: what runs from left to right; less is better.
        is_share: whether that is a share of a whole, rather than a number.
        name: of the drawing.
        spoken: the same in words, for those who hear it.
    """
    figure, axes = _square(across)
    axes.set_xlim(0, 1.05 if is_share else 1.1 * max(dot.x for dot in dots) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    if is_share:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    between(axes, min(dot.y for dot in dots), max(dot.y for dot in dots))
    best = sorted((dot.x, dot.y) for dot in dots if not any(_beats(each, dot) for each in dots))
    axes.plot([x for x, _ in best], [y for _, y in best], color=Paint.SLIM, linewidth=1.5, gid="frontier")
    for is_best, inside in ((False, Paint.GROUND), (True, Paint.SLIM)):
        some = [dot for dot in dots if dot.is_best == is_best]
        axes.plot(
            [dot.x for dot in some],
            [dot.y for dot in some],
            "o",
            markerfacecolor=inside,
            markeredgecolor=Paint.SLIM,
            markeredgewidth=1.5,
            markersize=2 * RADIUS,
            gid="best" if is_best else "beaten",
        )
    _name(axes, dots)
    return inline(figure, name=name, spoken=spoken)


def _beats(one: Dot, other: Dot) -> bool:
    return one.x <= other.x and one.y >= other.y and (one.x, one.y) != (other.x, other.y)


def _square(across: str) -> tuple[Figure, Axes]:
    figure, axes = ground(height=HEIGHT, left=LEFT, right=EDGE + 8, top=TOP, foot=FOOT)
    rules(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel(across, labelpad=3)
    return figure, axes


Box = tuple[float, float, float, float]
"""Left, low, right, high."""


def _name(axes: Axes, dots: Sequence[Dot]) -> None:
    """Write names beside their dots, the best first, where nothing else stands; where no room is left, none."""
    places = [tuple(axes.transData.transform((dot.x, dot.y))) for dot in dots]
    ground_box = tuple(axes.bbox.extents)
    taken: list[Box] = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in places]
    order = sorted(range(len(dots)), key=lambda number: not dots[number].is_best)
    for number in order:
        words, (x, y) = shown(dots[number].name, MOST_NAME), places[number]
        width = wide(words)
        for left, low in _around(x, y, width):
            box = (left - BESIDE, low, left + width + BESIDE, low + LINE)
            if ground_box[0] <= box[0] and box[2] <= WIDTH and not any(_meet(box, other) for other in taken):
                taken.append(box)
                figure_place = (left + width / 2, low + 3)
                axes.annotate(words, figure_place, xycoords="figure pixels", ha="center", color=Paint.INK, gid="name")
                break


def _around(x: float, y: float, width: float) -> Iterable[tuple[float, float]]:
    """Return where a name may begin: on the right, left, above, below, and at the corners."""
    gap, half = RADIUS + 2, LINE / 2
    return (
        (x + gap, y - half),
        (x - gap - width, y - half),
        (x - width / 2, y + gap),
        (x - width / 2, y - gap - LINE),
        (x + gap - 2, y + gap - 4),
        (x - gap + 2 - width, y + gap - 4),
        (x + gap - 2, y - gap + 4 - LINE),
        (x - gap + 2 - width, y - gap + 4 - LINE),
    )


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
