"""Rows of a table in the width of a terminal: what is too long goes on below its own column."""

import shlex
import textwrap

WIDTH = 80
"""Of a terminal, in columns."""


def in_columns(head: str, text: str) -> str:
    """Return `head` and, behind it, `text` in as many lines as it needs.

    Args:
        head: the columns before, with the space behind them. Never broken.
        text: the last column. A word that is longer than the room for it, such as a path, stays whole.
    """
    room = WIDTH - len(head)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([(head + lines[0]).rstrip(), *(" " * len(head) + line for line in lines[1:])])


def quoted(place: object) -> str:
    """Return a path as a shell takes it: a command that is told can be typed as it stands."""
    return shlex.quote(str(place))
