"""Which files lie below a folder, and an index of that for trees of millions.

The index knows a folder by its time of change, which every file that comes, goes or is renamed moves; so what is looked
at again is each folder, not each file. It is used for training images only.
"""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from compressor.errors import OutputError
from compressor.files import canonical_json, sha256_of_bytes, write_whole

SETTLED_NS = 2_000_000_000
"""A folder that changed so shortly before it was listed may have changed again in the same tick of the clock."""


class Index:
    """What was listed below a root, in one file that is whole or not there."""

    def __init__(self, folder: Path, root: Path) -> None:
        """Read what is known; an index that cannot be read is an empty one.

        Args:
            folder: where indices lie.
            root: what is listed.
        """
        digest = sha256_of_bytes(str(root.absolute()).encode())
        self._path = folder / "index" / f"{digest[:16]}.json"
        self._known: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._path.read_bytes())
            self._known = found if isinstance(found, dict) else {}
        self._used: dict[str, Any] = {}

    def entries(self, place: str) -> tuple[list[str], list[str]]:
        """Return the names of folders and of files in one folder.

        Raises:
            OSError: it cannot be read.
        """
        changed = os.stat(place).st_mtime_ns  # noqa: PTH116 - Path is slow a million times
        known = self._known.get(place)
        if isinstance(known, list) and len(known) == 3 and known[0] == changed:
            self._used[place] = known
        else:
            began = time.time_ns()
            folders, files = scan(place)
            self._used[place] = [changed if began - changed > SETTLED_NS else -1, folders, files]
        _, folders, files = self._used[place]
        return folders, files

    def save(self) -> None:
        """Keep what was used; where that is not possible it is listed anew next time."""
        if self._used != self._known:
            with contextlib.suppress(OutputError):
                write_whole(self._path, canonical_json(self._used))


def scan(place: str) -> tuple[list[str], list[str]]:
    """Return the names of folders and of files in one folder, links followed, hidden ones left out, unsorted.

    Raises:
        OSError: it cannot be read.
    """
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if entry.is_dir() else files).append(entry.name)
    return folders, files


def walk(folder: str, root: Path, index: Index | None = None) -> list[str]:
    """Return the files below a folder, sorted, as paths below `root` with forward slashes; hidden ones left out.

    Raises:
        OSError: a folder cannot be read; its images would be left out silently.
    """
    found: list[str] = []
    waiting = [folder]
    while waiting:
        below = waiting.pop()
        place = os.path.join(root, *below.split("/"))  # noqa: PTH118 - Path is slow a million times
        folders, files = scan(place) if index is None else index.entries(place)
        found += [f"{below}/{name}" for name in files]
        waiting += [f"{below}/{name}" for name in folders]
    return sorted(found)
