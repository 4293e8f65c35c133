"""docs/reference.md, from the commands themselves: `make docs`. A test holds the page against them.

python -m cli.reference docs/reference.md
"""

import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer.main

from cli.app import COMMANDS, app
from cli.options import FLAG_ONLY, POSITIONAL, option_name
from compressor.files import write_whole

HEAD = """\
# Reference

Written by `make docs` from the commands themselves; nothing here is edited by hand. `compress COMMAND --help` says the
same, and `compress config COMMAND` shows what each option is here and now.

An option is taken from the first place that names it: the flag, the variable `COMPRESS_NAME` (`COMPRESS_NUM_IMAGES` for
`--num-images`), the file of `--config`, `./compress.toml`, `[tool.compress]` in `pyproject.toml`, the default. Marked
with *flag only* are those that no variable and no file may set, so that a change of files cannot loosen a gate. Exit
codes stand in the [README](../README.md).
"""
TYPES = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
"""How a value is written where the option does not say."""


def main() -> None:
    """Write the page to the path that is named."""
    path = Path(sys.argv[1])
    write_whole(path, page().encode())
    sys.stdout.write(f"wrote {path}\n")


def page() -> str:
    """Return the reference: one section for each command."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([HEAD, *(_section(name, commands[name]) for name in COMMANDS)])


def _section(name: str, command: Any) -> str:
    """Return what a command is for, its arguments and its options, by their panels."""
    taken = [each for each in command.params if each.name != "help"]
    arguments = [each for each in taken if each.param_type_name == "argument"]
    usage = " ".join(["compress", name, *(str(each.metavar) for each in arguments)])
    parts = [f"## compress {name}\n", f"{command.help}\n", f"Usage: `{usage}` and options. {_example(command)}\n"]
    parts += [f"- `{each.metavar!s}`: {each.help}" for each in arguments]
    parts += [""] if arguments else []
    panels = dict.fromkeys(_panel(each) for each in taken if each not in arguments)
    for panel in panels:
        rows = [_row(each) for each in taken if each not in arguments and _panel(each) == panel]
        parts += [f"| {panel} | default | |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def _example(command: Any) -> str:
    word, line = command.epilog.split(": ", 1)
    return f"{word}: `{line}`."


def _panel(option: Any) -> str:
    return option.rich_help_panel or "Of this command"


def _row(option: Any) -> str:
    """Return one option: how it is written, its default, what it does."""
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else f" {_value(option)}"
    default = "" if option.default is None or option.default is False else option.default
    shown = "on" if default is True else f"`{getattr(default, 'value', default)}`" if default != "" else ""
    name = option_name(str(option.name))
    only = " *Flag only.*" if name in FLAG_ONLY and name not in POSITIONAL else ""
    words = f"{option.help}{only}".replace("|", "\\|")
    return f"| {names}{takes} | {shown} | {words} |"


def _value(option: Any) -> str:
    """Return what stands for the value: the option's own word, the words that it may be, or its type."""
    kind = option.type_descriptor.annotation
    kind = get_args(kind)[0] if get_args(kind) else kind
    choices = " or ".join(str(each.value) for each in kind) if isinstance(kind, type) and issubclass(kind, Enum) else ""
    return option.metavar or choices or TYPES[kind]


if __name__ == "__main__":
    main()
