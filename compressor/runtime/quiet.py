"""Hold back what libraries say on their own: their chatter, and their reasons."""

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import BinaryIO

_ONE_AT_A_TIME = threading.RLock()


@dataclass(slots=True)
class Overheard:
    """What was said meanwhile. Filled when the block ends."""

    text: str = ""
    """What Python printed, then what reached the process's standard error otherwise."""


@contextmanager
def quiet() -> Iterator[Overheard]:
    """Hold back prints, log lines, warnings and whatever C++ writes to standard error.

    onnxruntime says why a provider did not load only in its C++ log, which Python's `sys.stderr` never sees:
    hence the file descriptor itself is turned away. One thread at a time; blocks may be nested.

    Yields:
        What was overheard, complete once the block has ended.
    """
    heard, printed = Overheard(), StringIO()
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as aside:
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            with (
                _standard_error_into(aside),
                redirect_stdout(printed),
                redirect_stderr(printed),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield heard
        finally:
            logging.disable(level)
            aside.seek(0)
            heard.text = printed.getvalue() + aside.read().decode(errors="replace")


@contextmanager
def _standard_error_into(file: BinaryIO) -> Iterator[None]:
    """Turn file descriptor 2 to `file`; do nothing where the process has none."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        _flush()
        os.dup2(file.fileno(), 2)
        yield
    finally:
        _flush()
        os.dup2(kept, 2)
        os.close(kept)


def _flush() -> None:
    """Bring out what Python still holds, so that it lands on the right side."""
    if sys.stderr is not None and not sys.stderr.closed:
        sys.stderr.flush()
