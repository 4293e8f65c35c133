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
    """What Python printed, then what reached the process's standard output and error otherwise."""


@contextmanager
def quiet() -> Iterator[Overheard]:
    """Hold back prints, log lines, warnings and whatever C++ writes.

    onnxruntime says why a provider did not load only in its C++ log, which Python's `sys.stderr` never sees, and
    torch's older exporter prints whole graphs on standard output: hence the file descriptors themselves are turned
    away. One thread at a time; blocks may be nested.

    Yields:
        What was overheard, complete once the block has ended.
    """
    heard, printed = Overheard(), StringIO()
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as aside:
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            with (
                _descriptor_into(1, aside),
                _descriptor_into(2, aside),
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
def _descriptor_into(number: int, file: BinaryIO) -> Iterator[None]:
    """Turn standard output (1) or error (2) to `file`; do nothing where the process has none."""
    try:
        kept = os.dup(number)
    except OSError:
        yield
        return
    try:
        _flush()
        os.dup2(file.fileno(), number)
        yield
    finally:
        _flush()
        os.dup2(kept, number)
        os.close(kept)


def _flush() -> None:
    """Bring out what Python still holds, so that it lands on the right side."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
