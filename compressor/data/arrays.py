"""Images that lie in arrays: checked once, then read without copying more than is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compressor.data.images import ImageSet
from compressor.data.splits import Split, Splits, Wanted
from compressor.errors import DataError
from compressor.files import sha256_of_bytes
from compressor.types import Role

ROLES: dict[Split, Role] = {"train": "train", "val": "select", "select": "select", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Images and labels as somebody stored them, unchecked."""

    split: Split
    """What the set is called."""

    images: NDArray[Any]
    """Should be (N, H, W, C) or (N, C, H, W), uint8, or float32 in [0, 1]."""

    labels: NDArray[Any]
    """Should be (N,) integers in [0, K)."""


def splits_of_arrays(
    parts: Sequence[Labelled], *, class_names: Sequence[str] | None, wanted: Wanted, notes: tuple[str, ...] = ()
) -> Splits:
    """Check arrays and make image sets of them.

    Args:
        parts: at least one.
        class_names: K names; None: "0" to the largest label that occurs.
        wanted: what the caller asked for.
        notes: handed on.

    Raises:
        DataError: images or labels that cannot be used; says which and why.
    """
    for part in parts:
        _check_images(part, wanted.spec)
        _check_labels(part, class_names, wanted.spec)
    num_classes = 1 + max(int(part.labels.max()) for part in parts)
    names = tuple(class_names) if class_names is not None else tuple(str(label) for label in range(num_classes))
    sets = {part.split: _image_set(part, names, wanted) for part in parts}
    shapes = {images.shape: split for split, images in sets.items()}
    if len(shapes) > 1:
        told = " and ".join(f"{_sized(shape)} in {split}" for shape, split in shapes.items())
        raise DataError(
            f"--data {wanted.spec} holds images of different shapes: {told}", advice="store all in one shape"
        )
    return Splits(
        class_names=names,
        train=sets.get("train"),
        val=sets.get("val"),
        select=sets.get("select"),
        test=sets.get("test"),
        notes=notes,
    )


def _check_labels(part: Labelled, class_names: Sequence[str] | None, spec: str) -> None:
    labels, where = part.labels, f"the {part.split} labels of {spec}"
    if labels.ndim != 1:
        raise DataError(
            f"{where} have shape {labels.shape}, not (N,)",
            advice="store one class number per image: y.argmax(axis=1) for one-hot rows, y[:, 0] for a column",
        )
    if labels.dtype.kind not in "iu":
        raise DataError(
            f"{where} are {labels.dtype}, not integers", advice="store class numbers from 0: y.astype(numpy.int64)"
        )
    if len(labels) != len(part.images):
        raise DataError(
            f"{spec} has {len(part.images)} {part.split} images but {len(labels)} labels",
            advice="store one label per image, in the same order",
        )
    if len(labels) == 0:
        raise DataError(f"{spec} has no {part.split} images", advice="leave an empty set out altogether")
    least, largest = int(labels.min()), int(labels.max())
    if least < 0:
        raise DataError(f"{where} contain {least}", advice="class numbers begin at 0; leave unlabelled images out")
    if class_names is not None and largest >= len(class_names):
        raise DataError(
            f"{where} contain {largest}, but there are {len(class_names)} classes (0 to {len(class_names) - 1})",
            advice="class numbers begin at 0; check class_names",
        )


def _check_images(part: Labelled, spec: str) -> None:
    images, where = part.images, f"the {part.split} images of {spec}"
    if images.ndim != 4:
        raise DataError(
            f"{where} have shape {images.shape}, not (N, H, W, C) or (N, C, H, W)",
            advice="add the channel axis of grey images with x[..., None]",
        )
    if 0 in images.shape:
        raise DataError(f"{where} have shape {images.shape}: nothing is in them", advice="store images with pixels")
    if images.dtype == np.uint8:
        return
    if images.dtype != np.float32:
        raise DataError(
            f"{where} are {images.dtype}, not uint8 or float32",
            advice="store x.astype(numpy.uint8) for values from 0 to 255, x.astype(numpy.float32) for values in [0, 1]",
        )
    least, largest = float(images.min()), float(images.max())
    if not np.isfinite((least, largest)).all():
        raise DataError(f"{where} contain NaN or infinity", advice="store finite values in [0, 1]")
    if least < 0 or largest > 1:
        raise DataError(
            f"{where} are float32 from {least:g} to {largest:g}, not in [0, 1]",
            advice="they look normalised: store them before normalisation and say --preprocess mean=...;std=..."
            if least < 0
            else "store uint8 for values from 0 to 255, or divide them by 255",
        )


def _image_set(part: Labelled, class_names: tuple[str, ...], wanted: Wanted) -> ImageSet:
    stored = part.images
    last = _is_channels_last(part, wanted)
    channels, height, width = np.moveaxis(stored, -1, 1).shape[1:] if last else stored.shape[1:]
    if wanted.size is not None and (height, width) != wanted.size:
        raise DataError(
            f"the {part.split} images of {wanted.spec} are {height}x{width}, but the model takes "
            f"{wanted.size[0]}x{wanted.size[1]}",
            advice="store them in that size, give them as a folder of files (those are resized), or say --input-size",
        )
    return ImageSet(
        role=ROLES[part.split],
        labels=part.labels.astype(np.int64),
        names=tuple(f"{part.split}/{index}" for index in range(len(stored))),
        class_names=class_names,
        shape=(int(channels), int(height), int(width)),
        reader=_reader(stored, last=last),
        hasher=lambda index: sha256_of_bytes(stored[index].tobytes()),
        is_held=True,
    )


def _reader(stored: NDArray[Any], *, last: bool) -> Callable[[Sequence[int]], Tensor]:
    def read(indices: Sequence[int]) -> Tensor:
        picked = stored[np.asarray(indices, dtype=np.int64)]
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(picked, -1, 1) if last else picked))

    return read


def _is_channels_last(part: Labelled, wanted: Wanted) -> bool:
    shape = part.images.shape
    accepted = (1, 3) if wanted.channels is None else (wanted.channels,)
    first, last = shape[1] in accepted, shape[3] in accepted
    if first and last and wanted.size is not None:
        first, last = shape[2:] == wanted.size, shape[1:3] == wanted.size
    if first != last:
        return last
    if first:
        raise DataError(
            f"the {part.split} images of {wanted.spec} have shape {shape}, which may be (N, H, W, C) or (N, C, H, W)",
            advice="say --input-size",
        )
    has = shape[3] if shape[3] in (1, 3) else shape[1] if shape[1] in (1, 3) else None
    if has is not None and wanted.channels is not None:
        raise DataError(
            f"the {part.split} images of {wanted.spec} have {has} channel{'s' if has > 1 else ''}, but the model takes "
            f"{wanted.channels}",
            advice="store them with the channels that the model takes, or use another model",
        )
    raise DataError(
        f"the {part.split} images of {wanted.spec} have shape {shape}: no axis of it is the channels",
        advice="store (N, H, W, C) or (N, C, H, W) with 1 or 3 channels",
    )


def _sized(shape: tuple[int, int, int]) -> str:
    return "x".join(str(extent) for extent in shape)
