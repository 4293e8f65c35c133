"""The images that all parts share: a small training set and one to choose by as folders, and some test images."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import torch

from compressor.data import ImageSet, open_data, parse_preprocess
from compressor.data.images import stratified

PREPROCESS = parse_preprocess("imagenet")
NUM_SELECT = 2000
"""To choose by: the role `select`."""
SEED = 0


def cifar_folder(shared: Path, given: Path) -> Path:
    """Return the folder with CIFAR-10's train/ and test/, unpacking the archive where nobody has."""
    if not given.is_dir():
        with tarfile.open(shared / "cifar10-jpeg.tar.xz") as archive:
            archive.extractall(given, filter="data")
    return next(path.parent for path in [given / "train", *given.glob("*/train")] if path.is_dir())


def small_tree(cifar: Path, folder: Path, *, num_train: int, num_select: int = NUM_SELECT) -> Path:
    """Copy `num_train` training images, `num_select` others to choose by, and all test images; return the folder.

    The folder is train/CLASS/, val/CLASS/, test/CLASS/, which torchvision reads as well as we do.
    """
    if folder.is_dir():
        return folder
    making = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    rng = np.random.default_rng(SEED)
    classes = sorted(path.name for path in (cifar / "train").iterdir())
    for name in classes:
        files = sorted((cifar / "train" / name).iterdir())
        order = rng.permutation(len(files))
        first, last = num_train // len(classes), (num_train + num_select) // len(classes)
        for split, places in (("train", order[:first]), ("val", order[first:last])):
            (making / split / name).mkdir(parents=True)
            for place in places:
                shutil.copyfile(files[place], making / split / name / files[place].name)
    shutil.copytree(cifar / "test", making / "test")
    making.rename(folder)
    return folder


def test_images(folder: Path) -> ImageSet:
    """Return all test images, in a fixed order."""
    return open_data(str(folder), preprocess=PREPROCESS, input_size=(32, 32), seed=SEED).need("test")


def attacked_images(folder: Path, path: Path, *, num_images: int) -> Path:
    """Write some test images as `x_test` (N, H, W, C) uint8 and `y_test` for every battery; return the file."""
    some = stratified(test_images(folder), num_images, seed=SEED)
    pixels = (some.read(range(len(some))) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    np.savez(path, x_test=pixels, y_test=some.labels)
    return path
