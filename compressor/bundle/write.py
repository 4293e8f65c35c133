"""Write a bundle: the whole folder appears at once, or not at all.

Every run writes into a folder of its own beside the place, then renames it. Renaming onto a folder that holds
something fails and changes nothing, so of any number of runs at the same time one wins, the others see a finished
bundle, and no lock can be left behind by a run that was killed.
"""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from compressor.bundle.names import (
    MODEL,
    SAME_EACH_RUN,
    SUMS,
    VERDICT,
    check_names,
    folder_name,
    format_sums,
)
from compressor.bundle.read import check_sums, open_bundle
from compressor.errors import BundleError, OutputError
from compressor.files import UNFINISHED, sha256_of_bytes

MAX_TURNS = 20
"""How often another run may come in between before we give up."""

TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""What renaming a folder fails with where something stands already."""


def write_bundle(exports: Path, name: str, files: Mapping[str, bytes], *, rejected: bool, force: bool) -> Path:
    """Write `files` and their list as `exports/NAME-DIGEST8`, or below `exports/rejected`.

    An existing bundle with the same list, whose files are as listed, is left as it is, with its signatures. One that
    an identical run wrote is replaced: it differs only in when it was made and how long that took.

    Args:
        exports: the folder that holds bundles; made when absent.
        name: what the model is called; DIGEST8 is added.
        files: content of every file but `SHA256SUMS`, by name.
        rejected: the gate did not let it pass.
        force: replace a different bundle of the same name.

    Returns:
        The folder of the bundle.

    Raises:
        OutputError: a file is missing or badly named, the place cannot be written, or another bundle is there.
    """
    check_names(set(files))
    place = (exports / "rejected" if rejected else exports) / folder_name(name, files[MODEL])
    sums = format_sums({file: sha256_of_bytes(content) for file, content in files.items()})
    if _holds(place, sums):
        return place

    def may_replace() -> bool:
        return force or _is_of_the_same_run(place, files)

    if place.exists() and not may_replace():
        raise _exists_already(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part"))
        UNFINISHED.add(aside)
        try:
            for file, content in {**files, SUMS: sums}.items():
                _write_through(aside / file, content)
            aside.chmod(0o755)
            _sync_folder(aside)
            _move_into_place(aside, place, sums, may_replace=may_replace)
            _sync_folder(place.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            UNFINISHED.discard(aside)
    except OSError as error:
        raise OutputError(
            f"cannot write the bundle {place}: {error.strerror or error}",
            advice="free the disk or choose another place with --output",
        ) from error
    return place


def _move_into_place(aside: Path, place: Path, sums: bytes, *, may_replace: Callable[[], bool]) -> None:
    """Rename `aside` to `place`; what stood there is moved out of the way first, if that is allowed."""
    old = aside.with_suffix(".old")
    try:
        for _ in range(MAX_TURNS):
            try:
                aside.rename(place)
            except OSError as error:
                if not os.path.lexists(place):
                    if error.errno not in TAKEN:
                        raise
                    continue  # it stood there, and another run has moved it away since
            else:
                return
            if _holds(place, sums):
                return
            if not may_replace():
                raise _exists_already(place)
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):  # another run was quicker
                place.rename(old)
    finally:
        shutil.rmtree(old, ignore_errors=True)
    raise OutputError(f"other runs keep writing {place}", advice="wait until they are done, then try again")


def _holds(place: Path, sums: bytes) -> bool:
    """Say whether the very same bundle stands there, undamaged."""
    try:
        return (place / SUMS).read_bytes() == sums and not check_sums(place)
    except (OSError, BundleError):
        return False


def _is_of_the_same_run(place: Path, files: Mapping[str, bytes]) -> bool:
    """Say whether an undamaged, unsigned bundle stands there that the same command wrote."""
    try:
        bundle = open_bundle(place)
        there = {name: bundle.path(name).read_bytes() for name in bundle.names if name != SUMS}
        return (
            there.keys() == files.keys()
            and all(there[name] == files[name] for name in SAME_EACH_RUN if name in files)
            and _accepted(there) == _accepted(files)
            and not check_sums(place)
        )
    except (OSError, ValueError, LookupError, TypeError, BundleError):
        return False


def _accepted(files: Mapping[str, bytes]) -> object:
    """Return what somebody took upon themselves when they judged; None without a verdict."""
    return json.loads(files[VERDICT])["accepted"] if VERDICT in files else None


def _exists_already(place: Path) -> OutputError:
    return OutputError(
        f"{place} exists already and differs", advice="choose another --output, or add --force to replace it"
    )


def _write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries; Windows has no such call."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
