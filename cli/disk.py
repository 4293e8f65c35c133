"""Files that cannot be read or written any more while a command runs: the machine's doing, not a fault of ours."""

import errno
from pathlib import Path

FULL = "free the disk, or choose another place with --output and --work-dir; then run the same command again"
ADVICE = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: "check who may read and write there, or choose another place",
    errno.EPERM: "check who may read and write there, or choose another place",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "check the path: a part of it is a file, and not a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EROFS: "choose another place with --output and --work-dir",
    errno.EIO: "check the drive and the cable or network behind it, then run the same command again",
    errno.ESTALE: "mount the network drive anew, then run the same command again",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
}
"""What to do about errors that no code of ours brings about."""

OURS = Path(__file__).resolve().parents[1]


def of_the_machine(error: OSError) -> tuple[str, str] | None:
    """Return one sentence and an advice; None where the error may be a fault of ours."""
    name = error.filename if isinstance(error.filename, str) else ""
    if error.errno in ADVICE:
        return f"{error.strerror}{f': {name}' if name else ''}", ADVICE[error.errno]
    path = Path(name)
    is_ours = any((OURS / room) in path.absolute().parents for room in ("cli", "compressor"))
    if isinstance(error, FileNotFoundError) and name and not is_ours:
        return f"{name} has gone while it was in use", "put it back, then run the same command again"
    return None
