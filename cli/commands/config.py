"""compress config: what would each option be, and who says so?"""

import os
from typing import Annotated, Any

import typer

from cli import options
from cli.completion import among
from cli.screen import show

EXAMPLE = "Example: compress config release"


def _commands() -> tuple[str, ...]:
    """Return the names of all commands."""
    from cli.app import COMMANDS

    return tuple(COMMANDS)


Command = Annotated[
    str | None,
    typer.Argument(metavar="[COMMAND]", help="Only this command's options.", autocompletion=among(_commands)),
]


def run(
    context: typer.Context,
    command: Command = None,
    *,
    config: options.Config = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show the effective value of every option and where it came from."""
    from cli.columns import in_columns
    from cli.outputs import as_json
    from cli.settings import settings_for
    from compressor.errors import OptionError

    commands: dict[str, Any] = context.parent.command.commands  # type: ignore[union-attr]
    if command is not None and command not in commands:
        raise OptionError(f"there is no command {command!r}", advice=f"known: {', '.join(commands)}")
    options_of = options.option_names({name: each.callback for name, each in commands.items()})
    rows = []
    for name in [command] if command else commands:
        settings = settings_for(name, options_of, config)
        for parameter in commands[name].params:
            key = options.option_name(parameter.name)
            if key not in options_of[name]:
                continue
            value, source = parameter.default, "default"
            if key in settings:
                value, source = settings[key].value, settings[key].source
            if parameter.envvar and parameter.envvar in os.environ:
                value, source = os.environ[parameter.envvar], parameter.envvar
            written = next(each for each in parameter.opts if each.startswith("--")).removeprefix("--")
            rows.append({"command": name, "option": written, "value": value, "source": source})
    if json:
        show(as_json("config", options=rows))
        return
    for row in rows:
        value = "" if row["value"] is None else str(getattr(row["value"], "value", row["value"]))
        show(in_columns(f"{row['command']:<9} --{row['option']:<18} {value:<22} ", row["source"]))
    show(f"next: compress {command or 'COMMAND'} --help")
