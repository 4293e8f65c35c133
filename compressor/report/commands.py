"""Commands as records tell them, made safe to be shown and pasted: whoever wrote a record may have written anything."""

import shlex
from collections.abc import Iterable

PROGRAM = "compress"


def told_commands(commands: Iterable[str] | None) -> tuple[str, ...]:
    """Return those that run this program, each argument quoted anew, and comments; all else is left out.

    Args:
        commands: as a certificate holds them, or None.
    """
    shown = []
    for command in commands or ():
        line = "".join(char if char.isprintable() else " " for char in command)
        if line.startswith("#"):
            shown.append(line)
            continue
        try:
            words = shlex.split(line)
        except ValueError:  # a quotation without an end
            continue
        if words[:1] == [PROGRAM]:
            shown.append(shlex.join(words))
    return tuple(shown)
