"""One run at a time where two would do the same work: a file that a process holds locked while it works.

The lock is the operating system's (`flock`): it ends with the process that holds it, however that ends, so a file that
a dead run left behind blocks nobody. The file is removed by whoever leaves in order. Where the system has no such lock
(Windows, some network drives) runs are not told apart.
"""

import contextlib
import errno
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from compressor.errors import OutputError
from compressor.files import UNFINISHED
from compressor.records import now

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a drive without locks answers."""

HELD: set[int] = set()
"""Open lock files of this process."""


@contextlib.contextmanager
def held(path: Path, *, what: str, option: str) -> Iterator[None]:
    """Hold the lock file `path` for as long as the context lasts.

    Args:
        path: the file; its folder is made when absent, and then removed again when nothing else came into it.
        what: is done under it, for the message of the run that comes second: "this compress prune".
        option: that chooses another place.

    Raises:
        OutputError: another process holds it, or the place cannot be written.
    """
    if fcntl is None:
        yield
        return
    is_new = not path.parent.exists()
    try:
        handle = _opened(path)
    except BlockingIOError:
        raise OutputError(
            f"{what} is at work in {path.parent} already: {_holder(path)}",
            advice=f"wait until it is done, or give this one another {option}",
        ) from None
    except OSError as error:
        raise OutputError(
            f"cannot write in {path.parent}: {error.strerror or error}", advice=f"choose another place with {option}"
        ) from error
    HELD.add(handle)
    UNFINISHED.add(path)
    try:
        yield
    finally:
        _leave(path, handle, is_new=is_new)


def _opened(path: Path) -> int:
    """Return the open, locked file that stands at `path`.

    Raises:
        BlockingIOError: another process holds it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # another run has just left, and took the folder along
            continue
        try:
            with _where_locks_are():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands(path, handle):
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {platform.node()}, since {now()}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the run before removed it between our two steps


@contextlib.contextmanager
def _where_locks_are() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _stands(path: Path, handle: int) -> bool:
    """Say whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _leave(path: Path, handle: int, *, is_new: bool) -> None:
    """Remove the file while it is still locked, so that nobody locks one that is about to go."""
    with contextlib.suppress(OSError):
        path.unlink()
        if is_new:
            path.parent.rmdir()
    UNFINISHED.discard(path)
    HELD.discard(handle)
    os.close(handle)


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "it has just begun"
    except (OSError, UnicodeDecodeError):
        return "it has just begun"


def _let_go() -> None:
    """A forked child holds nothing: else a lock would outlive its process."""
    while HELD:
        os.close(HELD.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
