"""The one place that knows matplotlib: grounds of a width in CSS pixels, and the library's settings while it draws.

A unit of a drawing is a CSS pixel at its natural width. Drawings are rendered without pyplot, without a user's own
matplotlibrc, and with words as text, which the page's font shows.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import BytesIO
from typing import Any
from unicodedata import east_asian_width

from compressor.errors import MachineError

try:
    import matplotlib as mpl
except ModuleNotFoundError as error:
    if error.name != "matplotlib":
        raise
    raise MachineError(
        "drawing needs the package matplotlib, which is not installed here",
        advice="pip install 'matplotlib>=3.10'; the formats without drawings go on without it",
    ) from error

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator, PercentFormatter

from compressor.report.drawings.svg import Told, as_file, printable, tidied

__all__ = [
    "DARK",
    "EDGE",
    "LABEL",
    "WIDTH",
    "Axes",
    "Figure",
    "MaxNLocator",
    "Paint",
    "PercentFormatter",
    "as_file",
    "between",
    "dash",
    "ground",
    "inline",
    "panel",
    "rules",
    "settings",
    "sheet",
    "shown",
    "svg",
    "wide",
]

WIDTH = 312
"""What a phone of 360 CSS pixels leaves beside a scroll bar. Wider screens enlarge a drawing, words and all."""
EDGE = 4
"""Room for a mark that stands on the edge of the ground."""
LABEL = 11
"""Size of words."""

POINTS_PER_INCH = 72
"""The library speaks of inches and points. One point is one unit of its SVG."""

KEPT = ("backend", "backend_fallback", "interactive", "toolbar", "webagg", "savefig.directory")
"""Settings of a user that have nothing to do with what is drawn."""


class Paint(StrEnum):
    """Colours of the page's style sheet, by their names there. A drawing holds those of the light theme until it is
    written; a page then has the variable, which also knows the dark one.
    """

    GROUND = "#ffffff"
    INK = "#1c2024"
    QUIET = "#5a6270"
    RULE = "#d9dde3"
    TRACK = "#e3e6eb"
    SLIM = "#1f5fbf"
    DENSE = "#5f6673"
    CONTROL = "#8a5a00"
    FAILED = "#97182b"


DARK: dict[str, str] = {
    Paint.GROUND: "#14171b",
    Paint.INK: "#e8eaed",
    Paint.QUIET: "#a3abb8",
    Paint.RULE: "#343a43",
    Paint.SLIM: "#7fb0ff",
}
"""What stands for a colour on dark ground in a drawing that stands for itself."""

OURS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": Paint.RULE,
    "axes.labelcolor": Paint.QUIET,
    "axes.labelsize": LABEL,
    "axes.unicode_minus": False,
    "figure.dpi": POINTS_PER_INCH,
    "font.family": "DejaVu Sans",  # comes with the library, so that every machine places words alike
    "font.size": LABEL,
    "grid.color": Paint.RULE,
    "grid.linewidth": 1,
    "lines.dash_capstyle": "butt",
    "lines.scale_dashes": False,
    "lines.solid_capstyle": "butt",
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "compress",
    "text.color": Paint.INK,
    "text.parse_math": False,
    "xtick.bottom": False,
    "xtick.labelcolor": Paint.QUIET,
    "ytick.labelcolor": Paint.QUIET,
    "ytick.left": False,
}


@contextmanager
def settings() -> Iterator[None]:
    """Draw by our settings only."""
    defaults: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(KEPT)}
    with mpl.rc_context({**defaults, **OURS}), warnings.catch_warnings():
        # Letters that its own font lacks are shown by the reader's.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def ground(
    *, height: float, width: float = WIDTH, left: float = EDGE, right: float = EDGE, top: float = 0, foot: float = 0
) -> tuple[Figure, Axes]:
    """Return an empty drawing and its ground, without a frame. All sizes are in CSS pixels.

    Args:
        height: of the drawing.
        width: of the drawing.
        left: room beside the ground; right, top and foot likewise.
        right: see left.
        top: see left.
        foot: see left.
    """
    figure = Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), frameon=False)
    return figure, panel(figure, left=left, top=top, width=width - left - right, height=height - top - foot)


def sheet(*, width: float, height: float) -> Figure:
    """Return an empty drawing with a ground of its own, for one that stands for itself."""
    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH), facecolor=Paint.GROUND)


def panel(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Return a new ground on a drawing, without a frame; from its upper left corner, in CSS pixels."""
    whole, high = figure.bbox.size
    axes = figure.add_axes((left / whole, 1 - (top + height) / high, width / whole, height / high))
    axes.set_frame_on(False)
    return axes


def rules(axes: Axes) -> None:
    """Draw a thin rule at each tick of both sides, and no tick marks."""
    axes.grid(visible=True)
    axes.tick_params(length=0, pad=5)
    axes.tick_params(axis="x", pad=7)


def between(axes: Axes, low: float, high: float) -> None:
    """Let shares run upwards from about the lowest to about the highest, with ticks at whole percents."""
    room = max(0.02, 0.1 * (high - low))
    axes.set_ylim(max(low - room, -0.02), min(high + room, 1.02))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def dash(on: float, off: float) -> tuple[float, tuple[float, float]]:
    """Return a broken line as the library takes it.

    Args:
        on: length of a stroke.
        off: length of a gap.
    """
    return 0, (on, off)


def wide(text: str) -> float:
    """Return about how wide a text is in CSS pixels: by the library's own font, which is wider than most."""
    narrow = "".join(each for each in text if east_asian_width(each) not in "WF")
    width, _, _ = text_to_path.get_text_width_height_descent(narrow, FontProperties(size=LABEL), ismath=False)
    return float(width) + LABEL * (len(text) - len(narrow))


def shown(name: str, room: float) -> str:
    """Return a name for one line: what cannot be printed is replaced, and the middle left out where it is too long.

    Args:
        name: from outside.
        room: in CSS pixels.
    """
    plain = printable(name)
    if wide(plain) <= room:
        return plain
    head, tail = 0, 0
    while wide(f"{plain[:head]}\u2026{plain[len(plain) - tail - 1 :]}") <= room:
        tail += 1
        if wide(f"{plain[: head + 1]}\u2026{plain[len(plain) - tail :]}") > room:
            break
        head += 1
    return f"{plain[:head]}\u2026{plain[len(plain) - tail :]}"


def inline(figure: Figure, *, name: str, spoken: str) -> str:
    """Return a drawing as an element of the report's page, in the colours of its style sheet.

    Args:
        figure: what was drawn.
        name: of this drawing, once on a page: letters, digits and hyphens.
        spoken: what it shows, for those who hear it.
    """
    return tidied(
        _bytes(figure), name=name, spoken=spoken, paints={each: f"var(--{each.name.lower()})" for each in Paint}
    )


def svg(figure: Figure, *, name: str, spoken: str, dark: dict[str, str], told: Told | None = None) -> str:
    """Return a drawing that stands for itself, as a file or on a page: light colours, and dark ones by a rule.

    Args:
        figure: what was drawn.
        name: as for `inline`.
        spoken: as for `inline`.
        dark: what stands for each colour where the reader asks for dark ones.
        told: what each mark of a kind says to those who point at it.
    """
    return tidied(_bytes(figure), name=name, spoken=spoken, dark=dark, told=told, stands_alone=True)


def _bytes(figure: Figure) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return content.getvalue()
