"""Drawings on a square ground with figures at its sides: reliability, and the frontier of several bundles."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from compressor.certify.certificate import Calibration, CalibrationBin
from compressor.gate import wording

LEFT, TOP, SIDE = 40.0, 12.0, 190.0
"""Where the ground begins, and how long its sides are."""
WIDTH, HEIGHT = LEFT + SIDE + 22, TOP + SIDE + 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What runs along one side."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """Value and what stands beside it."""

    def share(self, value: float) -> float:
        """Return how far along a value lies, in [0, 1]."""
        return (value - self.low) / (self.high - self.low)


SHARES = Axis(low=0, high=1, ticks=((0, "0 %"), (0.5, "50 %"), (1, "100 %")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One bundle on the plot."""

    x: float
    y: float
    name: str
    """A number or a letter: its name stands in a table."""
    is_best: bool
    """On the frontier: filled. That may be for something that this drawing does not show."""


def reliability(calibrations: Sequence[tuple[str, Calibration]]) -> str:
    """Return how often models are right (upwards) against how sure they are (across); on the diagonal they agree.

    Args:
        calibrations: name and calibration of each model; empty bins are left out.
    """
    spoken = "; ".join(f"{name}: {_spoken(calibration)}" for name, calibration in calibrations)
    drawn = "".join(_bins(name, calibration) for name, calibration in calibrations)
    diagonal = f'<line class="limit" x1="{LEFT}" y1="{TOP + SIDE}" x2="{LEFT + SIDE}" y2="{TOP}"/>'
    keys = "".join(f'<span class="key {escape(name)}">{escape(name)}</span>' for name, _ in calibrations)
    caption = "Upwards: how often it is right. Across: how sure it is. The larger a dot, the more images."
    return _plot(f"{diagonal}{drawn}", SHARES, SHARES, spoken=spoken, caption=caption, keys=keys)


def _bins(name: str, calibration: Calibration) -> str:
    known = [(each.confidence, each.accuracy, each.num) for each in filled_bins(calibration)]
    most = max((num for _, _, num in known), default=1)
    points = [
        (_x(SHARES, confidence), _y(SHARES, accuracy), 1.5 + 4.5 * (num / most) ** 0.5)
        for confidence, accuracy, num in known
        if confidence is not None and accuracy is not None
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>' for x, y, radius in points)
    return f'<g class="{escape(name)}"><polyline points="{path}"/>{dots}</g>'


def filled_bins(calibration: Calibration) -> list[CalibrationBin]:
    """Return the bins that hold an image."""
    return [each for each in calibration.bins if each.num and each.confidence is not None and each.accuracy is not None]


def _spoken(calibration: Calibration) -> str:
    parts = [
        f"{wording.amount(each.num)} images {wording.percent(each.confidence or 0)} sure, "
        f"{wording.percent(each.accuracy or 0)} right"
        for each in filled_bins(calibration)
    ]
    return ", ".join(parts) or "no image"


def frontier(dots: Sequence[Dot], *, across: Axis, upwards: Axis, spoken: str, caption: str) -> str:
    """Return bundles as dots, filled on the frontier; a line joins those that none beats in this drawing.

    Args:
        dots: of all bundles that can be compared, each inside of both axes.
        across: what runs from left to right.
        upwards: what runs from bottom to top.
        spoken: the same in words, for those who hear it.
        caption: what the axes are.
    """
    best = sorted(
        (_x(across, dot.x), _y(upwards, dot.y)) for dot in dots if not any(_beats(each, dot) for each in dots)
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in best)
    marks = "".join(_dot(dot, _x(across, dot.x), _y(upwards, dot.y)) for dot in dots)
    drawn = f'<g class="slim"><polyline points="{path}"/>{marks}</g>'
    return _plot(drawn, across, upwards, spoken=spoken, caption=caption, keys="")


def _beats(one: Dot, other: Dot) -> bool:
    return one.x <= other.x and one.y >= other.y and (one.x, one.y) != (other.x, other.y)


def _dot(dot: Dot, x: float, y: float) -> str:
    kind = "best" if dot.is_best else "beaten"
    # A name stands left of dots near the right end, where it would otherwise be cut off.
    side, anchor = (-7, "end") if x > LEFT + 0.9 * SIDE else (7, "start")
    text = f'<text x="{x + side:.1f}" y="{y - 5:.1f}" text-anchor="{anchor}">{escape(dot.name)}</text>'
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>{text}'


def _x(axis: Axis, value: float) -> float:
    return LEFT + SIDE * axis.share(value)


def _y(axis: Axis, value: float) -> float:
    return TOP + SIDE * (1 - axis.share(value))


def _plot(drawn: str, across: Axis, upwards: Axis, *, spoken: str, caption: str, keys: str) -> str:
    right, foot = LEFT + SIDE, TOP + SIDE
    rules = "".join(
        f'<line class="rule" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{foot}"/>'
        f'<text x="{x:.1f}" y="{foot + 15}" text-anchor="middle">{escape(words)}</text>'
        for x, words in ((_x(across, value), words) for value, words in across.ticks)
    )
    rules += "".join(
        f'<line class="rule" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{escape(words)}</text>'
        for y, words in ((_y(upwards, value), words) for value, words in upwards.ticks)
    )
    legend = f'<span class="keys">{keys}</span>' if keys else ""
    return (
        f'<figure class="plot"><svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(spoken)}">'
        f"{rules}{drawn}</svg><figcaption>{legend}{escape(caption)}</figcaption></figure>"
    )
