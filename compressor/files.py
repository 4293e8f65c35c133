"""Files appear whole or not at all, and have one digest and one canonical form."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compressor.errors import OutputError

SIGNATURE_ENDINGS = (".sig", ".sigstore.json")
"""Files that may stand beside those of a bundle. Nothing binds them, so nothing but a signature is read from them."""

UNFINISHED: set[Path] = set()
"""What is being written aside right now: files, and folders of bundles."""


def discard_unfinished() -> None:
    """Remove what was being written aside, for a program that ends in the middle of it."""
    for path in list(UNFINISHED):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def is_signature(name: str) -> bool:
    """Say whether a file stands beside the list of digests instead of in it."""
    return name.endswith(SIGNATURE_ENDINGS)


def sha256_of_bytes(content: bytes) -> str:
    """Return the sha256 of `content` as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the sha256 of the file as 64 lower-case hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return `value` as JSON with sorted keys, no spaces, no NaN: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write aside, then rename: a reader sees the old file or the new one, never half of one.

    Raises:
        OutputError: the place cannot be written.
    """
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write several files aside and rename them only when all are written: all of them appear, or none.

    Raises:
        OutputError: one of the places cannot be written.
    """
    asides: dict[Path, Path] = {}
    place = None
    try:
        for place, content in contents.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
            asides[place] = Path(aside)
            UNFINISHED.add(asides[place])
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            asides[place].chmod(0o644)
        for place, whole in asides.items():
            whole.replace(place)
    except OSError as error:
        raise OutputError(
            f"cannot write {place}: {error.strerror or error}",
            advice="free the disk, or choose another place with --output, or --work-dir for what lets a run go on",
        ) from error
    finally:
        for left in asides.values():
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
            UNFINISHED.discard(left)
