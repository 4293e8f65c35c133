"""`package.module:factory` and `path/to/file.py:factory`: the user's own function returns the images."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from compressor.data.arrays import ROLES, Labelled, splits_of_arrays
from compressor.data.images import Data
from compressor.data.roles import assign_roles
from compressor.data.splits import Split, Wanted
from compressor.errors import CompressorError, DataError
from compressor.usercode import import_file, import_module

ADVICE = (
    "let it take no arguments and return Data, or a dict such as {'train': (images, labels), 'test': (images, labels)}"
)


def open_factory(place: str, name: str, wanted: Wanted, *, seed: int) -> Data:
    """Import the user's code, call the function without arguments, and check what it returns.

    Args:
        place: `package.module` (found on the import path or in the current folder), or a path that ends in `.py`.
        name: of the function.
        wanted: what the caller asked for.
        seed: for images that are set aside for selection.

    Raises:
        DataError: there is no such function, it fails, or what it returns cannot be used.
    """
    factory = _find(place, name, wanted.spec)
    try:
        given = factory()
    except CompressorError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(
            f"--data {wanted.spec} failed: {type(error).__name__}: {error}",
            advice="run the function on its own and mend it",
        ) from error
    if isinstance(given, Data):
        return _checked(given, wanted)
    if not isinstance(given, Mapping):
        raise DataError(f"--data {wanted.spec} returned a {type(given).__name__}", advice=ADVICE)
    splits = splits_of_arrays(_parts(given, wanted.spec), class_names=None, wanted=wanted)
    return assign_roles(splits, spec=wanted.spec, seed=seed)


def _parts(given: Mapping[Any, Any], spec: str) -> list[Labelled]:
    unknown = [key for key in given if key not in ROLES]
    if unknown or not given:
        what = f"the unknown role {unknown[0]!r}" if unknown else "no roles"
        raise DataError(f"--data {spec} returned {what}", advice=f"known: {', '.join(ROLES)}")
    parts = []
    for key, pair in given.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(f"--data {spec} returned no pair (images, labels) for {key!r}", advice=ADVICE)
        images, labels = (value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value) for value in pair)
        split: Split = key
        parts.append(Labelled(split=split, images=images, labels=labels))
    return parts


def _checked(data: Data, wanted: Wanted) -> Data:
    present = [images for images in (data.train, data.select, data.test) if images is not None]
    if not present or any(len(images) == 0 for images in present):
        raise DataError(f"--data {wanted.spec} returned an empty set", advice="leave a role without images at None")
    for images in present:
        size, channels = images.shape[1:], images.shape[0]
        if (wanted.size or size) != size or (wanted.channels or channels) != channels:
            expected = (wanted.channels or channels, *(wanted.size or size))
            raise DataError(
                f"--data {wanted.spec} returned {images.role} images of {images.shape}, but the model takes {expected}",
                advice="return them in the shape that the model takes, or say --input-size",
            )
        if int(images.labels.min()) < 0 or int(images.labels.max()) >= len(data.class_names):
            raise DataError(
                f"--data {wanted.spec} returned {images.role} labels outside 0 to {len(data.class_names) - 1}",
                advice="class numbers begin at 0; check class_names",
            )
    return replace(data, spec=wanted.spec)


def _find(place: str, name: str, spec: str) -> Callable[[], object]:
    try:
        if place.endswith(".py") and not Path(place).is_file():
            raise DataError(f"--data {spec}: there is no file {place}", advice="check the path before the colon")
        module = import_file(Path(place)) if place.endswith(".py") else import_module(place)
    except CompressorError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(
            f"--data {spec}: importing {place} failed: {type(error).__name__}: {error}",
            advice="check the name before the colon, and that the module imports on its own",
        ) from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise DataError(f"--data {spec}: {place} has no function {name!r}", advice=ADVICE)
    found: Callable[[], object] = factory
    return found
