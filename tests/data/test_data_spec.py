"""Spec strings: factories, torchvision sets, and texts that are no spec."""

import inspect
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from compressor.data import open_data, parse_preprocess
from compressor.data.torchvision_sets import KNOWN
from compressor.errors import DataError, OptionError

FACTORIES = """
import numpy, torch
from compressor.data import open_data
images, labels = numpy.zeros((12, 8, 8, 1), numpy.uint8), numpy.arange(12) % 3
def roles(): return {"train": (images, labels), "select": (images, labels), "test": (images, labels)}
def tensors(): return {"test": [torch.zeros(12, 1, 8, 8), torch.arange(12) % 3]}
def ready(): return open_data("digits", preprocess=None)
def wrong_role(): return {"training": (images, labels)}
def no_pair(): return {"test": images}
def no_mapping(): return images
def nothing(): return {}
def mistaken(): return 1 / 0
def negative(): return {"test": (images, labels - 1)}
number = 3
"""


@pytest.fixture
def factories(tmp_path: Path) -> Path:
    """Return a Python file with factories, good and bad."""
    path = tmp_path / "made.py"
    path.write_text(FACTORIES)
    return path


@pytest.mark.parametrize(
    ("name", "counts"), [("roles", (12, 12, 12)), ("tensors", (None, None, 12)), ("ready", (1078, 270, 449))]
)
def test_a_factory_in_a_file(factories: Path, name: str, counts: tuple[int | None, ...]) -> None:
    """A function returns arrays or tensors by role, or Data; the spec is kept as given."""
    data = open_data(f"{factories}:{name}", preprocess=None, input_size=(8, 8), channels=1)
    assert tuple(images and len(images) for images in (data.train, data.select, data.test)) == counts
    assert data.spec == f"{factories}:{name}"


def test_a_factory_in_a_module(factories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the current folder is found too, and the import path is left as it was."""
    import sys

    monkeypatch.chdir(factories.parent)
    before = list(sys.path)
    assert len(open_data("made:tensors", preprocess=None).need("test")) == 12
    assert sys.path == before
    monkeypatch.delitem(sys.modules, "made")


BAD_FACTORIES = [
    ("{}:wrong_role", "the unknown role 'training'"),
    ("{}:no_pair", "no pair (images, labels) for 'test'"),
    ("{}:no_mapping", "returned a ndarray"),
    ("{}:nothing", "returned no roles"),
    ("{}:mistaken", "failed: ZeroDivisionError: division by zero"),
    ("{}:negative", "contain -1"),
    ("{}:number", "has no function 'number'"),
    ("{}:other", "has no function 'other'"),
    ("/nowhere/made.py:roles", "there is no file /nowhere/made.py"),
    ("no.such.module:roles", "importing no.such.module failed: ModuleNotFoundError"),
    ("json:nothing", "json has no function 'nothing'"),
]


@pytest.mark.parametrize(("spec", "message"), BAD_FACTORIES)
def test_refuses_factories(factories: Path, spec: str, message: str) -> None:
    """A factory that is not there, fails or returns something else is refused."""
    with pytest.raises(DataError) as refused:
        open_data(spec.format(factories), preprocess=None)
    assert message in refused.value.message
    assert refused.value.advice


def test_refuses_data_of_another_shape(factories: Path) -> None:
    """Ready-made Data must have the shape that the model takes."""
    with pytest.raises(DataError, match=r"images of \(1, 8, 8\), but the model takes \(3, 8, 8\)"):
        open_data(f"{factories}:ready", preprocess=None, channels=3)


BAD = [
    ("", "is empty"),
    ("/no/such/folder", "there is no such file or folder"),
    ("nowhere.npz", "there is no such file or folder"),
    ("cifar10", "says no folder"),
    ("cifar10:/no/such", "there is no folder /no/such"),
    ("cifr10:data", "neither a path nor a known name"),
    ("cifr10:/tmp", "neither a path nor a known name"),
    ("digit", "neither a path nor a known name"),
    ("jpegs:a-b", "names no known data set"),
    ("x" * 5000, "there is no such file or folder"),
]


@pytest.mark.parametrize(("spec", "message"), BAD)
def test_refuses_specs(spec: str, message: str) -> None:
    """A text that is no spec is refused; a misspelt name gets the nearest one."""
    with pytest.raises(DataError) as refused:
        open_data(spec, preprocess=None)
    assert message in refused.value.message
    if spec.startswith("cifr10"):
        assert refused.value.advice == "did you mean cifar10:DIR?"
    if spec == "digit":
        assert refused.value.advice == "did you mean digits?"


def test_refuses_other_files(factories: Path, tmp_path: Path) -> None:
    """A file of another kind says what to do; for Python files, to name the function."""
    with pytest.raises(DataError) as refused:
        open_data(str(factories), preprocess=None)
    assert refused.value.advice == f"say which function in it: {factories}:FUNCTION"
    (tmp_path / "images.zip").touch()
    with pytest.raises(DataError, match=r"not an \.npz file"):
        open_data(str(tmp_path / "images.zip"), preprocess=None)


def test_normalisation_must_have_the_channels_of_the_images() -> None:
    """Three means with grey images are noticed when the data is opened."""
    with pytest.raises(OptionError, match="3 values of mean"):
        open_data("digits", preprocess=parse_preprocess("imagenet"))


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write the file format of MNIST."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


def test_mnist_by_name(tmp_path: Path) -> None:
    """A set whose arrays torchvision reads: grey images, its class names, roles."""
    random = np.random.default_rng(0)
    stored = {
        split: random.integers(0, 256, (num, 28, 28), dtype=np.uint8) for split, num in (("train", 20), ("t10k", 5))
    }
    for split, images in stored.items():
        write_idx(tmp_path / f"MNIST/raw/{split}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"MNIST/raw/{split}-labels-idx1-ubyte", (np.arange(len(images)) % 10).astype(np.uint8))
    data = open_data(f"MNIST:{tmp_path}", preprocess=None, input_size=(28, 28), channels=1)
    assert [len(data.need("train")), len(data.need("select")), len(data.need("test"))] == [18, 2, 5]
    assert data.class_names[0] == "0 - zero"
    assert np.array_equal(data.need("test").read_uint8([2])[0, 0].numpy(), stored["t10k"][2])


def test_gtsrb_by_name(tmp_path: Path) -> None:
    """A set whose files torchvision lists: decoded here, named below the folder."""
    for label in range(3):
        folder = tmp_path / f"gtsrb/GTSRB/Training/{label:05}"
        folder.mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (10 + label, 9), (label, index, 0)).save(folder / f"{index:05}.ppm")
    tests = tmp_path / "gtsrb/GTSRB/Final_Test/Images"
    tests.mkdir(parents=True)
    Image.new("RGB", (12, 12), (7, 8, 9)).save(tests / "00000.ppm")
    (tmp_path / "gtsrb/GT-final_test.csv").write_text("Filename;ClassId\n00000.ppm;2\n")
    data = open_data(f"gtsrb:{tmp_path}", preprocess=None, input_size=(8, 8))
    images = data.need("test")
    assert images.names == ("gtsrb/GTSRB/Final_Test/Images/00000.ppm",)
    assert (images.labels.tolist(), data.class_names) == ([2], ("0", "1", "2"))
    assert torch.equal(images.read_uint8([0])[0, :, 4, 4], torch.tensor([7, 8, 9], dtype=torch.uint8))
    assert len(data.need("train")) == 11


@pytest.mark.parametrize("name", KNOWN)
def test_missing_files_say_what_is_expected(tmp_path: Path, name: str) -> None:
    """Every known set takes our arguments, downloads nothing, and says what it misses."""
    parameters = inspect.signature(getattr(datasets, KNOWN[name].class_name)).parameters
    assert all(key in parameters for arguments in KNOWN[name].splits.values() for key in arguments)
    with pytest.raises(DataError) as refused:
        open_data(f"{name}:{tmp_path}", preprocess=None)
    assert "cannot read the train split" in refused.value.message
    assert "download=True" not in refused.value.message
    assert f"holds {KNOWN[name].expects}" in refused.value.advice
    assert not list(tmp_path.iterdir())


def test_a_name_before_an_image_tree(make_tree: Callable[..., Path]) -> None:
    """cifar10:DIR takes a tree of files too."""
    data = open_data(f"cifar10:{make_tree({'train': {'a': 5, 'b': 5}, 'test': {'a': 1, 'b': 1}})}", preprocess=None)
    assert data.class_names == ("a", "b")
