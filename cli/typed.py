"""What was typed, for the records and reports that say how to make them again. No path that nobody typed is told."""

import re
import shlex
from collections.abc import Mapping, Sequence

import typer

from cli.options import option_name
from cli.settings import Setting

ARGUMENTS, SETTINGS = "compress.arguments", "compress.settings"
"""Under these keys a context keeps what it was parsed from."""


PASSWORD = re.compile(r"(\w://[^:/@\s]+):[^@\s]+@")
"""In the URL of a database; no record tells it."""


def keep(context: typer.Context, arguments: Sequence[str], settings: Mapping[str, Setting]) -> None:
    """Note what was typed, and what files say, before it is parsed."""
    context.meta[ARGUMENTS], context.meta[SETTINGS] = tuple(arguments), dict(settings)


def typed_commands(context: typer.Context) -> tuple[str, ...]:
    """Return the command as it was typed; values from files and variables stand before it as comments."""
    arguments, settings = context.meta.get(ARGUMENTS, ()), context.meta.get(SETTINGS, {})
    notes = []
    for parameter, value in context.params.items():
        name, source = option_name(parameter), context.get_parameter_source(parameter)
        if source is not None and source.name == "DEFAULT_MAP" and name in settings:
            notes.append(f"# {_dashed(name)} = {settings[name].value} from {settings[name].source}")
        elif source is not None and source.name == "ENVIRONMENT":
            notes.append(f"# {_dashed(name)} = {value} from COMPRESS_{name.upper()}")
    line = shlex.join(["compress", context.info_name or "", *arguments])
    told = (PASSWORD.sub(r"\1:...@", each) for each in (*notes, line))
    return tuple("".join(char if char.isprintable() else " " for char in each) for each in told)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
