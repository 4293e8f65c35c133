"""Arrays in a file: equal arrays give equal bytes, and reading runs no code."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return an npz archive whose bytes depend on the arrays alone (`numpy.savez` writes the time of day)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the default differs between systems
            archive.writestr(entry, content.getvalue())
    return target.getvalue()


def read_npz(content: bytes) -> Arrays:
    """Return the arrays of an npz archive.

    Raises:
        ValueError: not such an archive, or one that would need to run code.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"not an npz archive: {error}") from error
