"""More processes on this machine, each examining candidates of the same study. Only their parent releases."""

import multiprocessing
import os
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import torch
from torch import nn

from compressor.errors import CompressorError, OptionError
from compressor.progress import SILENT, Progress, Step
from compressor.search.site import explore, open_site
from compressor.search.wanted import Wanted
from compressor.task import Task

LOOK_SECONDS = 1.0
"""How often the parent looks whether they are done."""

FAILED = 1


class Workers:
    """Processes that live as long as the context."""

    def __init__(self, source: Path | nn.Module, task: Task, wanted: Wanted, *, begun: float) -> None:
        """Prepare.

        Args:
            source: a checkpoint file.
            task: of the search.
            wanted: of the search; one process less than it says is started.
            begun: when the search began, in seconds since the epoch.

        Raises:
            OptionError: a module in memory, which no other process has.
        """
        num = wanted.workers - 1
        if num and not isinstance(source, Path):
            raise OptionError("other processes cannot see a module in memory", advice="give a checkpoint file")
        self._threads = torch.get_num_threads()
        self._share = max(1, self._threads // wanted.workers)
        context = multiprocessing.get_context("spawn")
        self._processes = [
            context.Process(
                target=work,
                args=(source, task, wanted),
                kwargs={"begun": begun, "index": index, "parent": os.getpid(), "threads": self._share},
                daemon=True,
            )
            for index in range(1, num + 1)
        ]

    def __enter__(self) -> "Workers":
        if self._processes:
            torch.set_num_threads(self._share)
        for process in self._processes:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.join()
        torch.set_num_threads(self._threads)

    def wait(self, progress: Progress) -> None:
        """Wait until all are done, and say if some were not."""
        if not self._processes:
            return
        with progress.stage("wait for the other processes", total=len(self._processes), unit="process") as step:
            for process in self._processes:
                while process.is_alive():
                    process.join(LOOK_SECONDS)
                    step.advance(0)
                step.advance(1)
        num = sum(process.exitcode != 0 for process in self._processes)
        if num:
            progress.say(f"{num} of {len(self._processes)} other processes ended with an error; the search went on")


def work(
    source: Path, task: Task, wanted: Wanted, *, begun: float, index: int, parent: int, threads: int
) -> None:  # pragma: no cover - runs in another process
    """Examine candidates until there are enough, or the parent has gone.

    Args:
        source: a checkpoint file.
        task: of the search.
        wanted: of the search.
        begun: when it began, in seconds since the epoch.
        index: of this process, from 1.
        parent: process id of who started it.
        threads: of torch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others
    torch.set_num_threads(threads)
    leash = Leash(parent)
    try:
        site = open_site(source, task, wanted, begun=begun, index=index, progress=leash)
        try:
            explore(site, progress=leash)
        finally:
            site.study.close()
    except CompressorError as error:
        raise SystemExit(FAILED) from error


class Leash:
    """Silent, and ends its process when the parent has gone."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> AbstractContextManager[Step]:
        """Show nothing."""
        return _LeashStage(self, SILENT.stage(name, total=total, unit=unit))

    def say(self, message: str) -> None:
        """Say nothing."""

    def check(self) -> None:
        """End where nobody waits any more."""
        if os.getppid() != self._parent:
            raise SystemExit(FAILED)


class _LeashStage(AbstractContextManager[Step]):
    def __init__(self, leash: Leash, inner: AbstractContextManager[Step]) -> None:
        self._leash, self._inner = leash, inner

    def __enter__(self) -> Step:
        self._inner.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._inner.__exit__(None, None, None)

    def advance(self, amount: int = 1, note: str = "") -> None:  # noqa: ARG002
        """Look at the leash."""
        self._leash.check()
