"""Trees of image files: order, sizes, channels, and what is refused."""

import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode, functional

from compressor.data import open_data, parse_preprocess
from compressor.errors import DataError, OptionError

Tree = Callable[..., Path]


def test_classes_and_files_are_sorted(make_tree: Tree) -> None:
    """Labels follow the sorted class names, images the sorted paths; pixels are those of the files."""
    root = make_tree({"test": {"zebra": 2, "Ape": 1, "mole": 1}})
    (root / "test/mole/deeper").mkdir()
    (root / "test/mole/000.png").rename(root / "test/mole/deeper/x.PNG")
    data = open_data(str(root), preprocess=None)
    images = data.need("test")
    assert data.class_names == ("Ape", "mole", "zebra")
    assert images.names == ("test/Ape/000.png", "test/mole/deeper/x.PNG", "test/zebra/000.png", "test/zebra/001.png")
    assert images.labels.tolist() == [0, 1, 2, 2]
    stored = np.asarray(Image.open(root / "test/zebra/001.png"))
    assert np.array_equal(images.read_uint8([3])[0].permute(1, 2, 0).numpy(), stored)


def test_many_are_read_in_order(make_tree: Tree) -> None:
    """Reading in several threads gives the same as reading one by one."""
    images = open_data(str(make_tree({"test": {"a": 40, "b": 30}})), preprocess=None).need("test")
    order = np.random.default_rng(0).permutation(70).tolist()
    assert torch.equal(images.read_uint8(order), torch.cat([images.read_uint8([index]) for index in order]))


def test_other_files_are_told(make_tree: Tree) -> None:
    """Hidden files do not count; files that do not end like an image are left out, and a note says so."""
    root = make_tree({"test": {"a": 1}})
    (root / "test/a/.DS_Store").touch()
    (root / "test/a/Thumbs.db").touch()
    (root / "test/.cache").mkdir()
    data = open_data(str(root), preprocess=None)
    assert len(data.need("test")) == 1
    assert data.notes[0] == "left out of test: 1 files that do not end like an image, first test/a/Thumbs.db"


CHANNELS = [
    # (mode of the file, channels asked for, channels that come)
    ("RGB", None, 3),
    ("L", None, 1),
    ("1", None, 1),
    ("LA", None, 1),
    ("P", None, 3),
    ("RGBA", None, 3),
    ("CMYK", None, 3),
    ("RGB", 1, 1),
    ("L", 3, 3),
    ("RGBA", 1, 1),
    ("P", 1, 1),
]


@pytest.mark.parametrize(("mode", "asked", "come"), CHANNELS)
def test_channels(tmp_path: Path, mode: str, asked: int | None, come: int) -> None:
    """Files are converted to the channels the model takes, otherwise to those of the first image."""
    folder = tmp_path / "test" / "a"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(folder / ("x.tif" if mode == "CMYK" else "x.png"))
    images = open_data(str(tmp_path), preprocess=None, channels=asked).need("test")
    assert images.shape == (come, 8, 8)
    expected = np.asarray(image.convert("RGB" if come == 3 else "L")).reshape(8, 8, come).transpose(2, 0, 1)
    assert np.array_equal(images.read_uint8([0])[0].numpy(), expected)


SIZES = [
    # (height and width of the file, input size, preprocess, what the short side is resized to)
    ((20, 30), (8, 8), "none", 8),
    ((30, 20), (8, 8), "none;interp=bicubic", 8),
    ((31, 47), (16, 16), "none;resize=20;crop=16", 20),
    ((31, 47), None, "none;resize=20;crop=16", 20),
    ((31, 47), None, "none;resize=20;interp=lanczos", 20),
    ((5, 7), (8, 8), "none", 8),
    ((16, 16), (16, 16), "none;resize=20;crop=16", None),
]


@pytest.mark.parametrize(("stored", "wanted", "text", "short"), SIZES)
def test_sizes(
    tmp_path: Path, stored: tuple[int, int], wanted: tuple[int, int] | None, text: str, short: int | None
) -> None:
    """Other sizes are resized and cropped as torchvision does it; the right size is left alone."""
    folder = tmp_path / "test" / "a"
    folder.mkdir(parents=True)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*stored, 3), dtype=np.uint8))
    image.save(folder / "x.png")
    preprocess = parse_preprocess(text)
    images = open_data(str(tmp_path), preprocess=preprocess, input_size=wanted).need("test")
    expected = image
    if short is not None:
        expected = functional.resize(image, [short], interpolation=InterpolationMode(preprocess.interp), antialias=True)
        expected = functional.center_crop(expected, list(images.shape[1:]))
    assert np.array_equal(images.read_uint8([0])[0].permute(1, 2, 0).numpy(), np.asarray(expected))


@pytest.mark.parametrize(("stored", "wanted"), [((20, 30), (8, 16)), ((30, 20), (16, 8)), ((9, 40), (8, 8))])
def test_an_oblong_input_is_covered_without_distortion(
    tmp_path: Path, stored: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """A constant image stays constant: nothing outside the image gets into the crop."""
    folder = tmp_path / "test" / "a"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((*stored, 3), 77, dtype=np.uint8)).save(folder / "x.png")
    data = open_data(str(tmp_path), preprocess=None, input_size=wanted)
    assert (data.need("test").read_uint8([0]) == 77).all()
    assert any("resized" in note for note in data.notes)


def test_mixed_sizes_need_an_input_size(make_tree: Tree) -> None:
    """Mixed sizes are refused with both files named, unless a size is said."""
    root = make_tree({"test": {"a": 2, "b": 1}})
    Image.new("RGB", (9, 8)).save(root / "test/b/001.png")
    with pytest.raises(DataError, match=r"mixed sizes: .*000\.png is 8x8, .*b/001\.png is 8x9") as refused:
        open_data(str(root), preprocess=None)
    assert "--input-size" in refused.value.advice
    assert open_data(str(root), preprocess=None, input_size=(8, 8)).need("test").read(range(4)).shape == (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("size", "text", "message"),
    [((8, 8), "none;crop=7", "crops to 7x7"), ((8, 8), "none;resize=7", "short side to 7")],
)
def test_contradicting_sizes(make_tree: Tree, size: tuple[int, int], text: str, message: str) -> None:
    """A crop or resize that cannot give the input size is an error of the options."""
    with pytest.raises(OptionError, match=message):
        open_data(str(make_tree({"test": {"a": 1}})), preprocess=parse_preprocess(text), input_size=size)


def _spoil(root: Path, how: str) -> None:
    path = root / "test/b/000.png"
    content = path.read_bytes()
    if how == "deep":
        Image.fromarray(np.zeros((8, 8), np.uint16)).save(path)
    elif how == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "text": b"no image", "cut": content[: len(content) // 2]}[how])


@pytest.mark.parametrize("how", ["empty", "text", "cut", "deep", "gone"])
def test_an_unreadable_image_is_named(make_tree: Tree, how: str) -> None:
    """A file that cannot be decoded stops everything, by name: it is never skipped."""
    root = make_tree({"test": {"a": 30, "b": 30}})
    images = open_data(str(root), preprocess=None, input_size=(8, 8)).need("test")
    _spoil(root, how)
    with pytest.raises(DataError, match=r"b/000\.png") as refused:
        images.read(range(60))
    assert refused.value.advice
    if how == "gone":
        with pytest.raises(DataError, match=r"b/000\.png"):
            images.digest(30)
    elif how != "cut":
        with pytest.raises(DataError, match=r"b/000\.png"):
            open_data(str(root), preprocess=None)


def test_a_folder_that_cannot_be_listed_stops_everything(make_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images in an unreadable folder are not left out silently."""
    root = make_tree({"test": {"a": 1, "b": 1}})
    listing = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr("os.scandir", refusing)
    with pytest.raises(DataError, match="test/b cannot be read: Permission denied"):
        open_data(str(root), preprocess=None)


BAD = {
    "empty": ({}, "has no train/, val/ or test/ in it; it is empty"),
    "no splits": ({"a": {"b": 1}, "c": {"d": 1}}, "it holds a, c"),
    "no classes": ({"test": {".": 1}}, "has no class folders"),
    "an empty class": ({"test": {"a": 1, "b": 0}}, "has no images in it"),
    "a class too few": ({"train": {"a": 2, "b": 1}, "test": {"a": 1}}, "has the class 'b'"),
    "a class too many": ({"train": {"a": 2}, "test": {"a": 1, "c": 1, "b": 1}}, "has the class 'b'"),
    "one training image": ({"train": {"a": 1}, "test": {"a": 1}}, "a single training image"),
}


@pytest.mark.parametrize(("splits", "message"), BAD.values(), ids=BAD)
def test_refuses(make_tree: Tree, tmp_path: Path, splits: dict[str, dict[str, int]], message: str) -> None:
    """Trees that are none are refused with one sentence and an advice."""
    (tmp_path / "tree").mkdir()
    with pytest.raises(DataError) as refused:
        open_data(str(make_tree(splits)), preprocess=None)
    assert message in refused.value.message
    assert refused.value.advice


def test_two_channels_cannot_come_from_files(make_tree: Tree) -> None:
    """A model of other than 1 or 3 channels needs arrays."""
    with pytest.raises(DataError, match="takes images of 4 channels"):
        open_data(str(make_tree({"test": {"a": 1}})), preprocess=None, channels=4)


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_real_cifar10_tree(shared_data: Path, tmp_path: Path) -> None:
    """60,000 real JPEGs open, get their roles, and are read fast enough to train on."""
    root = Path("/tmp/cifar10-jpeg")
    if not (root / "test").is_dir():
        root = tmp_path
        with tarfile.open(shared_data / "cifar10-jpeg.tar.xz") as archive:
            archive.extractall(root, filter="data")
    begin = time.perf_counter()
    data = open_data(f"cifar10:{root}", preprocess=parse_preprocess("imagenet"), input_size=(32, 32), channels=3)
    images = data.need("test").in_memory()
    assert time.perf_counter() - begin < 60
    assert [len(data.need("train")), len(data.need("select")), len(images)] == [45_000, 5_000, 10_000]
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert set(np.bincount(data.need("select").labels)) == {500}
    assert images.read([0, 9_999]).shape == (2, 3, 32, 32)
