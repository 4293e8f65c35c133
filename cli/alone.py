"""The same work is done by one run at a time: a second one in the same --work-dir hears who is at it."""

import os
from pathlib import Path

import typer

from compressor.files import sha256_of_bytes
from compressor.launch import num_processes
from compressor.lock import held

IN_PASSING = frozenset(
    {
        "trials",
        "budget",
        "workers",
        "output",
        "force",
        "json",
        "config",
        "time_limit",
        "dry_run",
        "resume",
        "work_dir",
        "cache_dir",
        "quiet",
        "debug",
    }
)
"""What two runs may be told differently and still do the same work."""


def alone(context: typer.Context, folder: Path | None = None) -> None:
    """Be the only run of this work from here to the end of the command.

    Other work in the same --work-dir goes on beside it: its state has other names. Where no state is kept there is
    nothing to share. Of the processes that torchrun started, the first stands for all.

    Args:
        context: of the command.
        folder: where the whole folder is one run's, whatever was asked for; by default --work-dir, by what is asked.

    Raises:
        OutputError: another run does this work now, or the place cannot be written.
    """
    params = context.params
    if params.get("dry_run") or not params.get("resume", True) or not is_first():
        return
    name = str(context.info_name)
    if folder is None:
        digest = sha256_of_bytes(repr(sorted(_work(context).items())).encode())
        path = params["work_dir"] / f"{name}-{digest[:16]}.lock"
    else:
        path = folder / f"{name}.lock"
    context.with_resource(held(path, what=f"this compress {name}", option="--work-dir"))


def is_first() -> bool:
    """Whether this process is alone, or the first of its like."""
    return num_processes() == 1 or os.environ.get("RANK", "0") == "0"


def _work(context: typer.Context) -> dict[str, object]:
    """Return what decides about the work; a file is the same from whichever folder it is named."""
    told = {name: value for name, value in context.params.items() if name not in IN_PASSING}
    return {name: value.resolve() if isinstance(value, Path) else value for name, value in told.items()}
