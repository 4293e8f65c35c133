"""How much memory something takes, seen from outside: this process's resident memory, or the GPU's."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from compressor.runtime.gpu import used_memory_bytes

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass(slots=True, kw_only=True)
class Growth:
    """How much more memory there was at most than at the beginning."""

    of: str
    """`host` or `gpu`."""
    peak_bytes: int | None = None
    """None until the block has ended, and where it cannot be read."""


@contextmanager
def peak_growth(of: str) -> Iterator[Growth]:
    """Watch the memory that a block takes.

    On the host, memory that was freed before is given back to the system first, so that it counts when it is taken
    again, and the kernel's own high-water mark is read (Linux; elsewhere nothing is known). On a GPU it is what the
    driver calls used at the end, because runtimes keep what they took; other programs on that GPU count too.

    Args:
        of: `host` or `gpu`.

    Yields:
        The growth, complete once the block has ended.
    """
    growth = Growth(of=of)
    before = used_memory_bytes() if of == "gpu" else _resident_from_now()
    try:
        yield growth
    finally:
        after = used_memory_bytes() if of == "gpu" else _status_bytes("VmHWM")
        if before is not None and after is not None:
            growth.peak_bytes = max(0, after - before)


def _resident_from_now() -> int | None:
    """Give freed memory back, set the high-water mark to what is left, and return it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return None
    return _status_bytes("VmRSS")


def _status_bytes(key: str) -> int | None:
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None
