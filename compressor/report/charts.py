"""Small drawings as inline SVG. Words stay outside the drawing, so that they are readable at every width."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from compressor.gate import wording
from compressor.report.summary import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of points, left to right."""

    name: str
    points: tuple[tuple[float, float], ...]


def interval_bar(name: str, figure: Figure, *, demanded: float | None = None) -> str:
    """Return one model's share as a mark on the way from 0 to 100 %, its interval as a band, the demand as a line.

    Args:
        name: of the model.
        figure: share in [0, 1] with its interval.
        demanded: share in [0, 1], drawn when given.
    """
    low, high = figure.interval or (figure.value, figure.value)
    words = wording.percent(figure.value) + (f" {wording.bracket(figure.interval)}" if figure.interval else "")
    spoken = f"{name}: {words}" + (f", demanded {wording.demanded_percent(demanded)}" if demanded is not None else "")
    mark = _upright(figure.value, "mark")
    limit = _upright(demanded, "limit") if demanded is not None else ""
    return (
        f'<div class="bar"><span class="who">{escape(name)}</span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{escape(spoken)}">'
        f'<rect class="track" x="0" y="4" width="100" height="2"/>'
        f'<rect class="band {escape(name)}" x="{100 * low:.2f}" y="1" width="{max(0.4, 100 * (high - low)):.2f}" '
        f'height="8"/>{mark}{limit}</svg><span class="figures">{escape(words)}</span></div>'
    )


def _upright(share: float, kind: str) -> str:
    place = f"{100 * share:.2f}"
    return f'<line class="{kind}" x1="{place}" x2="{place}" y1="0" y2="10"/>'


def width_bar(name: str, before: int, after: int, widest: int) -> str:
    """Return a layer's filters after (filled) and before (outline), against the widest layer."""
    words = f"{before} to {after}" if after else f"{before}, removed"
    scale = 100 / max(1, widest)
    return (
        f'<div class="bar layer"><span class="who">{escape(name)}</span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{escape(name)}: {words} filters">'
        f'<rect class="was" x="0" y="1" width="{before * scale:.2f}" height="8"/>'
        f'<rect class="band slim" x="0" y="1" width="{after * scale:.2f}" height="8"/></svg>'
        f'<span class="figures">{words}</span></div>'
    )


def change_bar(name: str, before: float, after: float) -> str:
    """Return a way from 0 to 100 % with a ring at the share before and a dot at the share after.

    Args:
        name: of what changed.
        before: share in [0, 1].
        after: share in [0, 1].
    """
    words = f"{wording.percent(before).removesuffix(' %')} to {wording.percent(after)}"
    first, second = (f"{100 * share:.2f}" for share in (before, after))
    return (
        f'<div class="bar layer"><span class="who">{escape(name)}</span>'
        f'<svg class="change" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(name)}: {words}"><rect class="track" x="0" y="4" width="100" height="2"/>'
        f'<line class="way" x1="{first}" x2="{second}" y1="5" y2="5"/><line class="ring" {_still(first)}/>'
        f'<line class="hole" {_still(first)}/><line class="dot" {_still(second)}/></svg>'
        f'<span class="figures">{words}</span></div>'
    )


def _still(place: str) -> str:
    """Return the ends of a line without length, which is a dot that no scaling distorts."""
    return f'x1="{place}" x2="{place}" y1="5" y2="5"'


def heat_bar(name: str, shares: Sequence[float], mean: float) -> str:
    """Return a row of cells, the fuller the more is right, and the mean beside it.

    Args:
        name: of the row.
        shares: one per cell, in [0, 1].
        mean: of the row, in [0, 1].
    """
    width = 100 / max(1, len(shares))
    cells = "".join(
        f'<rect class="heat" x="{place * width:.2f}" y="0" width="{width - 1:.2f}" height="10" '
        f'fill-opacity="{share:.3f}"/>'
        for place, share in enumerate(shares)
    )
    spoken = f"{name}: {', '.join(wording.percent(share) for share in shares)}"
    return (
        f'<div class="bar layer"><span class="who">{escape(name)}</span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{escape(spoken)}">{cells}</svg>'
        f'<span class="figures">{escape(wording.percent(mean))}</span></div>'
    )


def line_chart(series: Sequence[Series], *, spoken: str, left: str, right: str, whole: bool) -> str:
    """Return shares as lines.

    Args:
        series: at least one, with at least two points in all.
        spoken: what the chart shows, for those who hear it.
        left: what stands under the left end.
        right: what stands under the right end.
        whole: draw from 0 to 100 %, rather than from the lowest to the highest point.
    """
    across = [x for each in series for x, _ in each.points]
    upward = [y for each in series for _, y in each.points]
    low, high = (0.0, 1.0) if whole else (min(upward), max(upward))
    lines = "".join(_line(each, (min(across), max(across)), (low, high)) for each in series)
    keys = "".join(f'<span class="key {escape(each.name)}">{escape(each.name)}</span>' for each in series)
    return (
        f'<figure class="chart"><div class="axis"><span>{escape(wording.percent(high))}</span>'
        f"<span>{escape(wording.percent(low))}</span></div>"
        f'<svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="{escape(spoken)}">{lines}</svg>'
        f'<div class="feet"><span>{escape(left)}</span><span>{escape(right)}</span></div>'
        f"<figcaption>{keys}</figcaption></figure>"
    )


def _line(series: Series, across: tuple[float, float], upward: tuple[float, float]) -> str:
    """Return a line with a dot on each point; a dot is a line without length, which no scaling distorts."""
    width, height = across[1] - across[0] or 1.0, upward[1] - upward[0] or 1.0
    places = [(2 + 96 * (x - across[0]) / width, 38 - 36 * (y - upward[0]) / height) for x, y in sorted(series.points)]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
    dots = "".join(f'<line class="dot" x1="{x:.2f}" y1="{y:.2f}" x2="{x:.2f}" y2="{y:.2f}"/>' for x, y in places)
    return f'<g class="{escape(series.name)}"><polyline points="{path}"/>{dots}</g>'
