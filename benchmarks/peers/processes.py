"""Run what a user would type, and take its time."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that ended."""

    is_done: bool
    """It ended with 0."""
    seconds: float
    """Of processor time, its own processes included."""
    wall_seconds: float
    """By the clock."""
    last_words: str
    """The last line that it wrote; empty where there is none."""


def finished(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Finished:
    """Run a command on one thread until it ends; what it writes goes to `folder/log.txt`.

    Args:
        command: program and arguments.
        folder: where it runs.
        environment: variables besides those of this process.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    begin = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **threads, **environment}, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line.strip() for line in (folder / "log.txt").read_text().splitlines() if line.strip()]
    return Finished(
        is_done=process.returncode == 0,
        seconds=round(used.ru_utime + used.ru_stime, 2),
        wall_seconds=round(time.perf_counter() - begin, 2),
        last_words=lines[-1] if lines else "",
    )
