"""What a long run has found so far, on disk, a small file per flight of images: a kill loses at most one flight.

The folder of a piece of work is named by the digest of everything it depends on, so a run never meets the state of
another model, data set, threat, battery, seed, library version or processor: it just begins anew beside it.
"""

import platform
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.archive import Arrays, npz_bytes, read_npz
from compressor.files import canonical_json, sha256_of_bytes, write_whole
from compressor.records import tool_version
from compressor.runtime.machine import processor_name, versions

LAYOUT = 1
"""Raised whenever the content of the files changes its meaning."""

LIBRARIES = ("numpy", "onnxruntime", "onnxruntime-gpu", "torch", "torchattacks", "torchvision")
"""Distributions whose version can change an answer."""


class Store:
    """The flights of one piece of work. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, work: Mapping[str, Any]) -> None:
        """Find the place of a piece of work.

        Args:
            folder: of all certification state, or None.
            work: everything that the answers depend on, ready for JSON.
        """
        whole = {"layout": LAYOUT, "tool": tool_version(), "computed_by": computed_by(), **work}
        self.folder = folder / sha256_of_bytes(canonical_json(whole))[:32] if folder else None

    def flights(self) -> Iterator[Arrays]:
        """Yield what was saved, in the order of the names. A damaged file counts as not there."""
        for path in sorted(self.folder.glob("*.npz")) if self.folder and self.folder.is_dir() else ():
            try:
                yield read_npz(path.read_bytes())
            except (OSError, ValueError):
                continue

    def save(self, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Save one flight under a name that sorts in the order of the work.

        Raises:
            OutputError: the place cannot be written.
        """
        if self.folder is not None:
            write_whole(self.folder / f"{name}.npz", npz_bytes(arrays))


@cache
def computed_by() -> dict[str, str]:
    """Return the processor and the libraries that give an answer its bytes."""
    libraries = {name: version for name, version in versions().items() if name in LIBRARIES}
    return {"machine": platform.machine(), "cpu": processor_name(), **libraries}
