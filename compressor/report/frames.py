"""Drawings on the page: each with its title and caption, side by side where there is room."""

from collections.abc import Sequence
from html import escape


def frame(drawing: str, *, title: str = "", caption: str = "", keys: Sequence[str] = ()) -> str:
    """Return a drawing with the words around it.

    Args:
        drawing: an `svg` element.
        title: above it.
        caption: below it.
        keys: names of lines, shown with their strokes.
    """
    head = f"<h3>{escape(title)}</h3>\n" if title else ""
    strokes = "".join(f'<span class="key {escape(each)}">{escape(each)}</span>' for each in keys)
    below = (f'<span class="keys">{strokes}</span>' if keys else "") + escape(caption)
    foot = f"\n<figcaption>{below}</figcaption>" if below else ""
    return f'<figure class="drawing">{head}{drawing}{foot}</figure>'


def side_by_side(*frames: str) -> str:
    """Return drawings in as many columns as the screen has room for; nothing for none."""
    return '<div class="drawings">\n' + "\n".join(frames) + "\n</div>" if frames else ""
