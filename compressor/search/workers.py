"""More processes on this machine, each examining candidates of the same study. Only their parent releases.

They end with their parent, however that ends: a thread of each waits for the end of a pipe that only the parent holds.
They are no daemons in Python's sense, because those may not have processes of their own, which read images ahead.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import torch
from torch import nn

from compressor.errors import CompressorError, OptionError
from compressor.files import discard_unfinished
from compressor.progress import SILENT, Progress
from compressor.search.exploring import explore
from compressor.search.site import open_site
from compressor.search.wanted import Wanted
from compressor.task import Task

LOOK_SECONDS = 1.0
"""How often the parent looks whether they are done."""

GRACE_SECONDS = 2.0
"""For them to end when they are told to; then they are killed."""

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
        pipes = [context.Pipe(duplex=False) for _ in range(num)]
        self._leashes = [mine for _, mine in pipes]
        self._processes = [
            context.Process(
                target=work,
                args=(source, task, wanted),
                kwargs={"begun": begun, "index": index, "threads": self._share, "leash": theirs},
            )
            for index, (theirs, _) in enumerate(pipes, start=1)
        ]

    def __enter__(self) -> "Workers":
        if self._processes:
            torch.set_num_threads(self._share)
        try:
            with _ctrl_c_waits():
                for process in self._processes:
                    process.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """End those that are still there, at once and all of them."""
        for leash in self._leashes:
            leash.close()
        started = [process for process in self._processes if process.pid is not None]
        for process in started:
            process.join(GRACE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        torch.set_num_threads(self._threads)

    def wait(self, progress: Progress) -> int:
        """Wait until all are done; return how many ended with an error, and say so."""
        if not self._processes:
            return 0
        with progress.stage("wait for the other processes", total=len(self._processes), unit="process") as step:
            for process in self._processes:
                while process.is_alive():
                    process.join(LOOK_SECONDS)
                    step.advance(0)
                step.advance(1)
        num = sum(process.exitcode != 0 for process in self._processes)
        if num:
            progress.say(f"{num} of {len(self._processes)} other processes ended with an error; the search goes on")
        return num


@contextlib.contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Hold Ctrl-C back while processes are started: they inherit that, and it is their parent that ends them.

    A process that is still importing would end with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its own start would let the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work(
    source: Path, task: Task, wanted: Wanted, *, begun: float, index: int, threads: int, leash: Connection
) -> None:  # pragma: no cover - runs in another process
    """Examine candidates until there are enough, or the parent has gone.

    Args:
        source: a checkpoint file.
        task: of the search.
        wanted: of the search.
        begun: when it began, in seconds since the epoch.
        index: of this process, from 1.
        threads: of torch.
        leash: ends when the parent lets go, or is no more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others
    threading.Thread(target=_end_with, args=(leash,), daemon=True).start()
    torch.set_num_threads(threads)
    try:
        site = open_site(source, task, wanted, begun=begun, index=index, progress=SILENT)
        try:
            explore(site, progress=SILENT)
        finally:
            site.study.close()
    except CompressorError as error:
        sys.stderr.write(f"one of the other processes ended: {error.message}\n")
        raise SystemExit(FAILED) from error


def _end_with(leash: Connection) -> None:  # pragma: no cover - runs in another process
    """End this process as soon as nobody waits for it any more, also in the middle of something."""
    with contextlib.suppress(EOFError, OSError):
        leash.recv()
    discard_unfinished()
    os.kill(os.getpid(), signal.SIGTERM)  # which nothing here heeds: it ends at once, whatever it computes
