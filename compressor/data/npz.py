"""`FILE.npz`: x_test and y_test, optionally x_train, y_train, x_val, y_val and class_names."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.data.arrays import Labelled, splits_of_arrays
from compressor.data.splits import Split, Splits, Wanted
from compressor.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "val", "test")
KEYS = ("class_names", *(f"{axis}_{split}" for split in SPLITS for axis in "xy"))
ADVICE = (
    "write it with numpy.savez(FILE, x_test=..., y_test=...), and x_train, y_train, x_val, y_val where you have them"
)


def open_npz(path: Path, wanted: Wanted) -> Splits:
    """Read the arrays of a file; pickled objects in it are never loaded.

    Raises:
        DataError: the file or an array in it cannot be used.
    """
    arrays, others = _load(path, wanted.spec)
    parts = []
    for split in SPLITS:
        images, labels = arrays.get(f"x_{split}"), arrays.get(f"y_{split}")
        if (images is None) != (labels is None):
            there, missing = ("xy", "yx")[images is None]
            raise DataError(f"{wanted.spec} has {there}_{split} but no {missing}_{split}", advice=ADVICE)
        if images is not None and labels is not None:
            parts.append(Labelled(split=split, images=images, labels=labels))
    if not parts:
        held = ", ".join((*arrays, *others)) or "nothing"
        raise DataError(f"{wanted.spec} has no x_test and y_test; it holds {held}", advice=ADVICE)
    notes = (f"left out of {wanted.spec}: {', '.join(others)}",) if others else ()
    return splits_of_arrays(parts, class_names=_class_names(arrays, wanted.spec), wanted=wanted, notes=notes)


def _load(path: Path, spec: str) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the arrays we know by name, and the names of the others."""
    key = ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            arrays = {}
            for key in KEYS:
                if key in held:
                    arrays[key] = held[key]
            return arrays, [name for name in held if name not in KEYS]
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        if key and "Object arrays" in str(error):
            raise DataError(
                f"{key} of {spec} is an array of objects, which would have to be unpickled",
                advice="store plain uint8 or float32 images of one shape, and integer labels",
            ) from error
        raise DataError(f"{spec} cannot be read as an npz file: {error}", advice=ADVICE) from error


def _class_names(arrays: dict[str, NDArray[Any]], spec: str) -> tuple[str, ...] | None:
    names = arrays.get("class_names")
    if names is None:
        return None
    if names.ndim != 1 or names.dtype.kind != "U" or len(names) == 0:
        raise DataError(f"class_names of {spec} is not a list of texts", advice="store numpy.array(['cat', 'dog'])")
    return tuple(str(name) for name in names)
