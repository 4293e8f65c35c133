"""The only file that knows a terminal: words and progress go to stderr, results to stdout."""

import contextlib
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli.columns import WIDTH
from cli.stopping import STOPPING
from compressor.errors import OptionError, OutputError, Undecided

HEARTBEAT_SECONDS = 10.0
RESULTS: list[TextIO] = []
"""Where results go while a command runs; empty outside of one: stdout."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str, option: str = "--time-limit") -> float:
    """Return the seconds of `90s`, `25m`, `2h` or `1d`.

    Args:
        text: as given.
        option: its name, for errors.

    Raises:
        OptionError: not a number with one of these units.
    """
    try:
        seconds = float(text[:-1]) * UNITS[text[-1:]]
    except (ValueError, KeyError):
        raise OptionError(f"{option} {text!r} is not a duration", advice="write 90s, 25m or 2h") from None
    if not 0 < seconds < float("inf"):
        raise OptionError(f"{option} {text!r} must be above zero", advice="write 90s, 25m or 2h")
    return seconds


class Screen:
    """Listens to the library's progress, and stops it when the time limit is reached, or when somebody asked it to end.

    On a terminal: a bar per stage with rate and time left. Elsewhere (CI logs, TERM=dumb): a line when a stage
    begins and ends, and one every ten seconds in between. NO_COLOR takes the colours away.
    """

    def __init__(self, *, quiet: bool = False, time_limit: str | None = None) -> None:
        # Its own copy of the terminal: stages that silence chatty libraries do so by taking stderr away for a while.
        terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w") if sys.stderr.isatty() else None
        self._console = Console(file=terminal, stderr=terminal is None, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._deadline = time.monotonic() + parse_duration(time_limit) if time_limit else None

    def say(self, message: str) -> None:
        """Tell one sentence on stderr."""
        if not self._quiet:
            self._console.print(message, markup=False)

    @contextmanager
    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> Iterator["_Step"]:
        """Show one stage while it runs."""
        STOPPING.check()
        if self._quiet:
            yield _Step(self)
        elif self._console.is_terminal and not self._console.is_dumb_terminal:
            columns = (
                TextColumn("{task.description:<28}"),
                BarColumn(bar_width=16),
                TextColumn("{task.completed:>6}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(*columns, console=self._console) as bars:
                task = bars.add_task(name, total=total, note="")
                yield _BarStep(self, bars, task)
        else:
            step = _LineStep(self, name, total, unit)
            yield step
            step.finish()

    def check_time(self) -> None:
        """Raise when the time limit has passed; callers have saved their state.

        Raises:
            Undecided: the time limit was reached.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise Undecided(
                "the time limit was reached before the work was done",
                advice="run the same command again: it goes on from the state in --work-dir",
            )


class _Step:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.show(amount, note)
        STOPPING.check()
        self._screen.check_time()

    def show(self, amount: int, note: str) -> None:
        """Draw nothing."""


class _BarStep(_Step):
    def __init__(self, screen: Screen, bars: Progress, task: TaskID) -> None:
        super().__init__(screen)
        self._bars, self._task = bars, task

    def show(self, amount: int, note: str) -> None:
        self._bars.update(self._task, advance=amount, note=note)


class _LineStep(_Step):
    def __init__(self, screen: Screen, name: str, total: int | None, unit: str) -> None:
        super().__init__(screen)
        self._name, self._total, self._unit = name, total, unit
        self._done, self._note = 0, ""
        self._begin = self._last = time.monotonic()
        screen.say(f"{name} ...")

    def show(self, amount: int, note: str) -> None:
        self._done, self._note = self._done + amount, note or self._note
        now = time.monotonic()
        if now - self._last >= HEARTBEAT_SECONDS:
            self._last = now
            self._screen.say(f"  {self._name}: {self._where()}{self._left(now)}")

    def finish(self) -> None:
        self._screen.say(f"{self._name}: {self._where()}, {time.monotonic() - self._begin:.1f} s")

    def _where(self) -> str:
        count = f"{self._done}/{self._total}" if self._total else f"{self._done}"
        return f"{count} {self._unit}".strip() + (f", {self._note}" if self._note else "")

    def _left(self, now: float) -> str:
        if not self._total or not self._done:
            return ""
        left = (now - self._begin) / self._done * (self._total - self._done)
        return f", about {left:.0f} s left"


@contextmanager
def results_apart() -> Iterator[None]:
    """Keep stdout for results: what anybody else prints meanwhile goes to stderr, so that a record can be read."""
    RESULTS.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        RESULTS.pop()


def show(text: str) -> None:
    """Write a result to stdout. A reader that has had enough (`| head`) changes nothing about what was found.

    Raises:
        OutputError: what stdout leads to cannot be written.
    """
    out = RESULTS[-1] if RESULTS else sys.stdout
    try:
        out.write(text if text.endswith("\n") else text + "\n")
        out.flush()
    except OSError as error:
        # Else Python tries the same once more when it ends, and then says so with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError(
                f"cannot write the result to stdout: {error.strerror}", advice="free the disk that stdout leads to"
            ) from error


def complain(message: str, advice: str) -> None:
    """Tell on stderr what is wrong, and what to do instead: one line each, which scripts may look for.

    On a terminal a line that is too long goes on below its first word, so that no word is broken.
    """
    lines = [("error: ", message), *([("  try: ", advice)] if advice else [])]
    width = _terminal_width()
    for head, text in lines:
        told = [head + text]
        if width is not None:
            room, below = max(width - 1, 2 * len(head)), " " * len(head)
            told = textwrap.wrap(told[0], room, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)
        sys.stderr.write("\n".join(told) + "\n")


def _terminal_width() -> int | None:
    """Return the columns of the terminal that stderr leads to; None where it leads elsewhere."""
    if not sys.stderr.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        return WIDTH
