"""From a `--data` spec to images in roles: which form is it, and who opens it."""

import difflib
import importlib.util
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from compressor.data.factory import open_factory
from compressor.data.folder import is_image_folder, open_folder
from compressor.data.images import Data
from compressor.data.npz import open_npz
from compressor.data.preprocess import Preprocess
from compressor.data.roles import assign_roles
from compressor.data.splits import Splits, Wanted
from compressor.data.torchvision_sets import KNOWN, open_torchvision
from compressor.errors import DataError
from compressor.progress import SILENT, Progress

FORMS = (
    "digits, NAME:DIR (such as cifar10:DIR), a folder with train/ and test/, FILE.npz, package.module:factory "
    "or path/to/file.py:factory"
)


def open_data(
    spec: str | Path,
    *,
    preprocess: Preprocess | None,
    input_size: tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> Data:
    """Open images with labels, in roles.

    Args:
        spec: `digits`, `cifar10:DIR` and other torchvision sets, a folder with `train/`, `val/`, `test/`, `FILE.npz`,
            `package.module:factory` or `path/to/file.py:factory`.
        preprocess: of the model; files of another size are brought to the input size by it. None: not known.
        input_size: (H, W) that the model takes; None: the crop of `preprocess`, or the one size of all images.
        channels: that the model takes, to which files are converted; None: what the first image has.
        seed: of the images that are taken out of train for selection where the source has none for it.
        cache: folder for resized training images and the index of their files; None: nothing is kept.
        progress: told while headers are read.

    Returns:
        At least one role has images; `notes` says where select came from.

    Raises:
        DataError: no such data, or images or labels that cannot be used.
        OptionError: preprocess and input size contradict each other, or mean and std have another number of channels.
    """
    spec = str(spec).strip()
    wanted = Wanted(
        spec=spec, preprocess=preprocess, input_size=input_size, channels=channels, cache=cache, progress=progress
    )
    data = _remembering(_open(wanted, seed=seed))
    present = data.test or data.train or data.select
    if preprocess is not None and present is not None:
        preprocess.check_channels(present.shape[0])
    return data


def _remembering(data: Data) -> Data:
    """Return the data with the digest of each image computed once: for files, that reads all of it."""
    roles = {role: getattr(data, role) for role in ("train", "select", "test")}
    return replace(
        data,
        **{role: replace(images, hasher=cache(images.hasher)) for role, images in roles.items() if images is not None},
    )


def _open(wanted: Wanted, *, seed: int) -> Data:
    spec = wanted.spec
    name, colon, place = spec.partition(":")
    if spec.lower() == "digits":
        # Imported here because scikit-learn takes a second to load and no other form needs it.
        from compressor.data.digits import open_digits

        splits = open_digits(wanted)
    elif os.path.exists(spec):  # noqa: PTH110 - Path.exists raises for a text that is too long for a path
        splits = _open_path(Path(spec), wanted)
    elif name.lower() in KNOWN:
        splits = _open_known(name.lower(), place, wanted)
    else:
        before, colon, after = spec.rpartition(":")
        if not colon or not after.isidentifier() or not _is_place(before):
            raise _unknown(spec)
        return open_factory(before, after, wanted, seed=seed)
    return assign_roles(splits, spec=spec, seed=seed)


def _open_path(path: Path, wanted: Wanted) -> Splits:
    if path.is_dir():
        return _open_folder(path, wanted)
    if path.suffix.lower() == ".npz":
        return open_npz(path, wanted)
    factory = f"say which function in it: {path}:FUNCTION" if path.suffix == ".py" else f"give {FORMS}"
    raise DataError(f"--data {path} is a file, but not an .npz file", advice=factory)


def _open_folder(folder: Path, wanted: Wanted) -> Splits:
    try:
        return open_folder(folder, wanted)
    except OSError as error:
        raise DataError(
            f"--data {wanted.spec}: {error.filename or folder} cannot be read: {error.strerror or error}",
            advice="make the folder and everything in it readable for you",
        ) from error


def _open_known(name: str, place: str, wanted: Wanted) -> Splits:
    if not place:
        raise DataError(f"--data {wanted.spec} says no folder", advice=f"write {name}:DIR")
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"--data {wanted.spec}: there is no folder {folder}",
            advice=f"give the folder that holds {KNOWN[name].expects}; nothing is downloaded",
        )
    return _open_folder(folder, wanted) if is_image_folder(folder) else open_torchvision(name, folder, wanted)


def _is_place(text: str) -> bool:
    """Return whether a text may be a module or a Python file, and not rather a data set's name, misspelt."""
    if text.endswith(".py"):
        return True
    if not all(part.isidentifier() for part in text.split(".")):
        return False
    return "." in text or not _close(text) or importlib.util.find_spec(text) is not None


def _close(name: str) -> list[str]:
    return difflib.get_close_matches(name.lower(), ["digits", *KNOWN], n=1)


def _unknown(spec: str) -> DataError:
    name = spec.partition(":")[0]
    close = _close(name)
    if close:
        form = close[0] if close == ["digits"] else f"{close[0]}:DIR"
        return DataError(f"--data {spec!r} is neither a path nor a known name", advice=f"did you mean {form}?")
    if not spec:
        return DataError("--data is empty", advice=f"give {FORMS}")
    if ":" in spec and "/" not in name:
        return DataError(f"--data {spec!r} names no known data set", advice=f"known: digits, {', '.join(KNOWN)}")
    return DataError(f"--data {spec}: there is no such file or folder", advice=f"check the path, or give {FORMS}")
