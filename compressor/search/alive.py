"""Is the process that took a candidate still there? A number alone does not tell: the system gives it out again.

In a container the next run often has the very number of the one that was killed.
"""

import os
import platform
from pathlib import Path


def sign_of(worker: str) -> str:
    """Return what this process signs with: who it is, and when it began."""
    return f"{worker}:{_beginning(os.getpid()) or ''}"


def is_here(sign: str) -> bool:
    """Say whether a signature is of this machine."""
    return sign.rsplit(":", 2)[0] == platform.node()


def is_alive(sign: str) -> bool:
    """Say whether the process of this machine that signed so is still there.

    Args:
        sign: of `sign_of`.
    """
    _, number, beginning = sign.rsplit(":", 2)
    if os.name != "posix":  # elsewhere the question itself would end the process
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    now = _beginning(int(number))
    return not beginning or now is None or beginning == now


def _beginning(number: int) -> str | None:
    """Return when a process began: the boot, and its clock ticks since then; None where the system does not say.

    One that has ended and that nobody has asked for its exit code, as happens to orphans in containers, never began.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, *rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return "ended" if state in "ZX" else f"{boot}.{rest[18]}"
    except (OSError, IndexError, ValueError):
        return None
