"""Asked to end: SIGTERM and Ctrl-C are heeded also where other people's code swallows them.

Python raises such a wish as an exception wherever the main thread happens to be. Inside imports and tracers some code
catches everything: the wish is lost, or comes out much later as another error. So it is noted as well. Each step of
progress looks at the note, the funnel in `app` looks at it before any other error, and a thread that only waits for
signals ends the program when the rest did not do so within `GRACE_SECONDS`, also while native code computes. Whatever
was to be kept is on disk by then: state is saved flight by flight, and files appear whole or not at all.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from compressor.files import discard_unfinished

GRACE_SECONDS = 4.0
"""For the exception to do its work: well below the ten seconds after which most supervisors kill."""

AGAIN = "run the same command again: it goes on where it stopped"
ENDINGS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "terminated")}
"""Exit code and word of each signal."""

SHOW_CURSOR = b"\x1b[?25h"


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing of ours on the way swallows it."""


class Stopping:
    """Whether this program was asked to end. The first signal counts; more of them change nothing."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        """The signal that asked; None while nobody did."""
        self._raises = False

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Heed both signals for a while; afterwards they do what they did before. In the main thread only."""
        self.asked, self._raises = None, True
        terminal = _own_stderr()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        watcher = threading.Thread(target=self._watch, args=(reader, terminal), daemon=True)
        watcher.start()
        before = {each: signal.signal(each, self._arrived) for each in ENDINGS}
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        told, sys.unraisablehook = sys.unraisablehook, _without_wishes(sys.unraisablehook)
        try:
            yield
        finally:
            self._raises = False
            sys.unraisablehook = told
            signal.set_wakeup_fd(wakeup)
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(writer)
            watcher.join()
            os.close(reader)
            with contextlib.suppress(OSError):
                os.close(terminal)

    def check(self) -> None:
        """Raise again what was swallowed.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            Terminated: SIGTERM.
        """
        if self.asked is not None:
            raise self.wish()

    def wish(self) -> BaseException:
        """Return the exception of the signal that asked."""
        return KeyboardInterrupt() if self.asked == signal.SIGINT else Terminated()

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        """Note a signal, and raise if it is the first. The watcher may have noted it already."""
        self.asked = self.asked or signal.Signals(number)
        if self._raises:
            self._raises = False
            raise self.wish()

    def _watch(self, reader: int, terminal: int) -> None:
        """Wait for a signal, then for the end; when that takes too long, bring it about."""
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([reader], [], [], left)[0]:
                self._end(terminal)
            arrived = os.read(reader, 1)
            if not arrived:
                return
            if deadline is None and arrived[0] in ENDINGS:
                self.asked = self.asked or signal.Signals(arrived[0])
                deadline = time.monotonic() + GRACE_SECONDS

    def _end(self, terminal: int) -> NoReturn:
        """End the program here and now."""
        assert self.asked is not None
        code, word = ENDINGS[self.asked]
        discard_unfinished()
        with contextlib.suppress(OSError):
            os.write(terminal, (SHOW_CURSOR if _is_drawn_on(terminal) else b"") + f"error: {word}\n".encode())
            os.write(terminal, f"  try: {AGAIN}\n".encode())
        os._exit(code)


def _without_wishes(hook: Callable[["sys.UnraisableHookArgs"], object]) -> Callable[["sys.UnraisableHookArgs"], None]:
    """Return a hook that does not tell of a wish that came in a destructor, which swallows it: it is noted anyway."""

    def told(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt | Terminated):
            hook(unraisable)

    return told


def _is_drawn_on(terminal: int) -> bool:
    """Whether this is a terminal whose cursor a progress bar may have hidden."""
    return os.isatty(terminal) and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _own_stderr() -> int:
    """Return a copy of standard error: stages that silence chatty libraries take the other away for a while."""
    try:
        return os.dup(2)
    except OSError:  # this process has none
        return -1


STOPPING = Stopping()
"""Of this program."""


def _forget_watcher() -> None:
    """A forked child has no watcher, and its signals are none of its parent's."""
    with contextlib.suppress(ValueError):  # not its main thread
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_watcher)
