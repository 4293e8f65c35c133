"""The root: which commands there are, and the one place where errors become exit codes.

0 done, and passed where something was judged. 1 a fault of ours. 2 usage, configuration, bad input, or this
machine cannot do it. 3 rejected. 4 undecided. 130 interrupted, 143 terminated.
"""

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from cli import typed
from cli.commands import (
    bench,
    certify,
    config,
    demo,
    doctor,
    export,
    finetune,
    gate,
    inspect,
    prune,
    release,
    report,
    search,
    verify,
)
from cli.completion import glue_colons
from cli.disk import of_the_machine
from cli.options import option_name, option_names
from cli.screen import complain, results_apart
from cli.settings import settings_for
from cli.stopping import AGAIN, ENDINGS, STOPPING, Terminated
from compressor.errors import CompressorError, OptionError, Rejected, Undecided
from compressor.launch import num_processes

FAULT, USAGE, REJECTED, UNDECIDED = 1, 2, 3, 4
ISSUES = "please report it with the command and the traceback that --debug shows"
WHOLE = "install compress with all its dependencies: pip install . in a checkout; only gate and report do without"

SHAREABLE = frozenset({"certify", "finetune"})
"""Commands that several processes may share."""

COMMANDS: dict[str, Callable[..., int | None]] = {
    "inspect": inspect.run,
    "prune": prune.run,
    "finetune": finetune.run,
    "export": export.run,
    "certify": certify.run,
    "bench": bench.run,
    "gate": gate.run,
    "release": release.run,
    "search": search.run,
    "verify": verify.run,
    "report": report.run,
    "config": config.run,
    "doctor": doctor.run,
    "demo": demo.run,
}


class ConfiguredCommand(TyperCommand):
    """A command whose defaults come from compress.toml and its like."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill the defaults from files before the flags are read.

        Raises:
            OptionError: torchrun started several processes of a command that does not share its work.
        """
        if num_processes() > 1 and self.name not in SHAREABLE:
            raise OptionError(
                f"torchrun started {num_processes()} processes of compress {self.name}, which runs in one",
                advice=f"run it without torchrun; under it run: {', '.join(sorted(SHAREABLE))}",
            )
        chosen = next((args[i + 1] for i, arg in enumerate(args[:-1]) if arg == "--config"), None)
        chosen = next((arg.removeprefix("--config=") for arg in args if arg.startswith("--config=")), chosen)
        settings = settings_for(str(self.name), option_names(COMMANDS), Path(chosen) if chosen else None)
        parameters = {option_name(parameter.name or ""): parameter.name for parameter in self.params}
        ctx.default_map = {parameters[name]: setting.value for name, setting in settings.items()}
        typed.keep(ctx, args, settings)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; whatever the user's own code prints is words, and goes where words go.

        Raises:
            OptionError: that code ended Python, which is no verdict, whatever number it gave.
        """
        try:
            with results_apart():
                return super().invoke(ctx)
        except SystemExit as error:
            raise OptionError(
                f"code that this command ran called sys.exit({error.code!r}), so it did not come to its end",
                advice="guard the script behind --arch or --data: if __name__ == '__main__'",
            ) from error


app = typer.Typer(
    name="compress",
    help="Prune a trained image classifier, certify its robustness, ship one slim ONNX bundle.",
    epilog="Start with: compress demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name, cls=ConfiguredCommand, epilog=sys.modules[_command.__module__].EXAMPLE)(_command)


@app.callback(invoke_without_command=True)
def root(
    *,
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),  # noqa: FBT003
) -> None:
    """Prune a trained image classifier, certify its robustness, ship one slim ONNX bundle."""
    if version:
        from compressor.records import tool_version

        sys.stdout.write(f"compress {tool_version()}\n")
        raise typer.Exit(0)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    with STOPPING.heeded():
        try:
            code = int(app(list(arguments), prog_name="compress", standalone_mode=False) or 0)
            STOPPING.check()
        except (Exception, KeyboardInterrupt, SystemExit, Terminated) as error:
            if "--debug" in arguments:
                traceback.print_exc()
            if STOPPING.asked is None and isinstance(error, SystemExit):
                raise
            code, message, advice = _explained(error if STOPPING.asked is None else STOPPING.wish())
            complain(message, advice)
        return code


def main() -> NoReturn:
    """Entry point of the `compress` program."""
    glue_colons(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal has no letters for is no fault
    code = run(sys.argv[1:])
    if STOPPING.asked is not None:  # nothing is left to do, and what libraries do when Python ends may take its time
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _explained(error: BaseException) -> tuple[int, str, str]:
    """Return the exit code, one sentence about what happened, and what to do."""
    match error:
        case CompressorError():
            code = REJECTED if isinstance(error, Rejected) else UNDECIDED if isinstance(error, Undecided) else USAGE
            return code, error.message, error.advice
        case typer.TyperException():
            # pydantic, which typer asks, puts the class of the error before what it says.
            words = error.format_message().replace(": Value error, ", ": ")
            return USAGE, words, "see compress --help, or the command's own --help"
        case KeyboardInterrupt() | typer.Abort() | Terminated():
            return *ENDINGS[signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT], AGAIN
        case OSError() if (said := of_the_machine(error)) is not None:
            return USAGE, *said
        case ModuleNotFoundError() if str(error.name).split(".")[0] not in {"compressor", "cli"}:
            return USAGE, f"this machine lacks the package {error.name!r}, which this command needs", WHOLE
        case _:
            return FAULT, f"a fault of ours: {type(error).__name__}: {error}", ISSUES
