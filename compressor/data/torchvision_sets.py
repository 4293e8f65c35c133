"""`cifar10:DIR` and other data sets that torchvision reads. Nothing is ever downloaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compressor.data.arrays import ROLES, Labelled, splits_of_arrays
from compressor.data.files import images_of_files
from compressor.data.headers import Listed, choose_fit, resize_notes
from compressor.data.splits import Split, Splits, Wanted
from compressor.errors import DataError

Arguments = Mapping[str, object]

BY_FLAG: Mapping[Split, Arguments] = {"train": {"train": True}, "test": {"train": False}}
BY_NAME: Mapping[Split, Arguments] = {"train": {"split": "train"}, "test": {"split": "test"}}
WITH_VAL: Mapping[Split, Arguments] = {**BY_NAME, "val": {"split": "val"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A data set of torchvision."""

    class_name: str
    """Its class in torchvision.datasets."""

    splits: Mapping[Split, Arguments]
    """What tells the class which split to read."""

    expects: str
    """What must lie in the folder."""


KNOWN = {
    "cifar10": Known(class_name="CIFAR10", splits=BY_FLAG, expects="cifar-10-batches-py/data_batch_1"),
    "cifar100": Known(class_name="CIFAR100", splits=BY_FLAG, expects="cifar-100-python/train"),
    "dtd": Known(class_name="DTD", splits=WITH_VAL, expects="dtd/dtd/labels and dtd/dtd/images"),
    "fashionmnist": Known(
        class_name="FashionMNIST", splits=BY_FLAG, expects="FashionMNIST/raw/train-images-idx3-ubyte"
    ),
    "fgvcaircraft": Known(class_name="FGVCAircraft", splits=WITH_VAL, expects="fgvc-aircraft-2013b/data"),
    "flowers102": Known(class_name="Flowers102", splits=WITH_VAL, expects="flowers-102/jpg and setid.mat beside it"),
    "food101": Known(class_name="Food101", splits=BY_NAME, expects="food-101/meta and food-101/images"),
    "gtsrb": Known(
        class_name="GTSRB", splits=BY_NAME, expects="gtsrb/GTSRB/Training, GTSRB/Final_Test and GT-final_test.csv"
    ),
    "kmnist": Known(class_name="KMNIST", splits=BY_FLAG, expects="KMNIST/raw/train-images-idx3-ubyte"),
    "mnist": Known(class_name="MNIST", splits=BY_FLAG, expects="MNIST/raw/train-images-idx3-ubyte"),
    "oxfordiiitpet": Known(
        class_name="OxfordIIITPet",
        splits={"train": {"split": "trainval"}, "test": {"split": "test"}},
        expects="oxford-iiit-pet/images and oxford-iiit-pet/annotations",
    ),
    "stl10": Known(class_name="STL10", splits=BY_NAME, expects="stl10_binary/train_X.bin"),
    "svhn": Known(class_name="SVHN", splits=BY_NAME, expects="train_32x32.mat and test_32x32.mat"),
    "usps": Known(class_name="USPS", splits=BY_FLAG, expects="usps.bz2 and usps.t.bz2"),
}
"""By the name that stands in `--data NAME:DIR`. Sets that store a tree train/CLASS, val/CLASS need no name."""


def open_torchvision(name: str, folder: Path, wanted: Wanted) -> Splits:
    """Read every split of a data set that was downloaded before.

    Args:
        name: a key of `KNOWN`.
        folder: what torchvision calls the root.
        wanted: what the caller asked for.

    Raises:
        DataError: the files are not there, are damaged, or do not fit what is wanted.
    """
    from torchvision import datasets

    known = KNOWN[name]
    opened: dict[Split, Any] = {}
    for split, arguments in known.splits.items():
        try:
            opened[split] = getattr(datasets, known.class_name)(str(folder), **arguments)
        except (RuntimeError, OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{wanted.spec}: torchvision cannot read the {split} split of {known.class_name} in {folder}: "
                f"{str(error).removesuffix('. You can use download=True to download it')}",
                advice=f"put the whole set there, so that {folder} holds {known.expects}; nothing is downloaded",
            ) from error
    class_names = _class_names(opened)
    if all(hasattr(data, "data") for data in opened.values()):
        parts = [_arrays(split, data) for split, data in opened.items()]
        return splits_of_arrays(parts, class_names=class_names, wanted=wanted)
    listed = {split: _files(data, folder, may_skip=split == "train") for split, data in opened.items()}
    fit = choose_fit(list(listed.values()), wanted)
    names = class_names or tuple(str(label) for label in range(1 + max(max(each.labels) for each in listed.values())))
    sets = {
        split: images_of_files(each, role=ROLES[split], class_names=names, fit=fit, cache=wanted.cache)
        for split, each in listed.items()
    }
    return Splits(
        class_names=names,
        train=sets.get("train"),
        val=sets.get("val"),
        test=sets.get("test"),
        notes=resize_notes(listed["test"], fit),
    )


def _class_names(opened: Mapping[Split, Any]) -> tuple[str, ...] | None:
    names = getattr(next(iter(opened.values())), "classes", None)
    return tuple(name if isinstance(name, str) else name[0] for name in names) if names else None


def _arrays(split: Split, data: Any) -> Labelled:
    images = np.asarray(data.data)
    labels = data.targets if hasattr(data, "targets") else data.labels
    return Labelled(
        split=split,
        images=images[..., None] if images.ndim == 3 else images,
        labels=np.asarray(labels).astype(np.int64),
    )


def _files(data: Any, folder: Path, *, may_skip: bool) -> Listed:
    """Return the files of a set that keeps them in `_samples`, or in `_image_files` and `_labels`."""
    if hasattr(data, "_samples"):
        paths, labels = zip(*data._samples, strict=True)
    else:
        paths = data._images if hasattr(data, "_images") else data._image_files
        labels = data._labels
    return Listed(
        root=folder,
        names=tuple(Path(path).relative_to(folder).as_posix() for path in paths),
        labels=tuple(int(label) for label in labels),
        may_skip=may_skip,
    )
