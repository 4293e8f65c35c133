"""npz files: both layouts, both types, the real oracle files, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from compressor.data import open_data, parse_preprocess
from compressor.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("first", [False, True], ids=["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_both_layouts_and_types_read_alike(make_npz: Callable[..., str], *, first: bool, dtype: type) -> None:
    """However the same images are stored, they are read as the same tensor."""
    stored = IMAGES if dtype == np.uint8 else (IMAGES / 255).astype(np.float32)
    stored = stored.transpose(0, 3, 1, 2) if first else stored
    images = open_data(make_npz(x_test=stored), preprocess=None).need("test")
    assert images.shape == (3, 8, 9)
    assert images.names[:2] == ("test/0", "test/1")
    expected = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).astype(np.float32)) / 255
    assert torch.equal(images.read([5, 0]), expected[[5, 0]])
    assert torch.equal(images.read_uint8(range(6)).float() / 255, expected)


def test_all_sets_and_names(make_npz: Callable[..., str]) -> None:
    """Train, val and test become train, select and test; names are taken; other arrays are left out and told."""
    more = {f"{axis}_{split}": value for split in ("train", "val") for axis, value in (("x", IMAGES), ("y", LABELS))}
    spec = make_npz(x_test=IMAGES, class_names=np.array(["cat", "dog", "eel", "fox"]), radius=np.zeros(3), **more)
    data = open_data(spec, preprocess=None)
    assert data.class_names == ("cat", "dog", "eel", "fox")
    assert [images.role for images in (data.need("train"), data.need("select"), data.need("test"))] == [
        "train",
        "select",
        "test",
    ]
    assert data.need("select").names[0] == "val/0"
    assert f"left out of {spec}: radius" in data.notes


def test_names_default_to_numbers(make_npz: Callable[..., str]) -> None:
    """Without class names the classes are counted from the labels."""
    assert open_data(make_npz(y_test=np.array([0, 0, 0, 0, 0, 4], dtype=np.uint8)), preprocess=None).class_names == (
        "0",
        "1",
        "2",
        "3",
        "4",
    )


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "shape"), [("cifar10", (3, 32, 32)), ("mnist", (1, 28, 28))])
def test_opens_the_oracle_files(shared_data: Path, name: str, shape: tuple[int, int, int]) -> None:
    """The 200 images that verification papers use are read whole, in ten classes."""
    size = (shape[1], shape[2])
    data = open_data(str(shared_data / f"sdp-{name}-200.npz"), preprocess=None, input_size=size, channels=shape[0])
    images = data.need("test")
    assert (len(images), images.shape, len(data.class_names)) == (200, shape, 10)
    assert data.train is None
    assert data.select is None
    assert images.read(range(200)).max() == 1


REAL = np.full((6, 8, 8, 3), 0.5, dtype=np.float32)
BAD = {
    "missing labels": ({"y_test": None}, "has x_test but no y_test"),
    "missing images": ({"x_train": np.zeros((1, 8, 8, 3), np.uint8)}, "has x_train but no y_train"),
    "nothing known": ({"x_test": None, "y_test": None, "images": np.zeros(3)}, "no x_test and y_test; it holds images"),
    "nothing": ({"x_test": None, "y_test": None}, "it holds nothing"),
    "lengths": ({"y_test": LABELS[:5]}, "6 test images but 5 labels"),
    "no images": ({"x_test": np.zeros((0, 8, 8, 3), np.uint8), "y_test": LABELS[:0]}, "nothing is in them"),
    "no pixels": ({"x_test": np.zeros((6, 0, 8, 3), np.uint8)}, "nothing is in them"),
    "a single number": ({"x_test": np.array(3)}, "have shape ()"),
    "no channel axis": ({"x_test": np.zeros((6, 8, 8), np.uint8)}, "not (N, H, W, C) or (N, C, H, W)"),
    "five channels": ({"x_test": np.zeros((6, 8, 8, 5), np.uint8)}, "no axis of it is the channels"),
    "either layout": ({"x_test": np.zeros((6, 3, 8, 3), np.uint8)}, "may be (N, H, W, C) or (N, C, H, W)"),
    "normalised": ({"x_test": REAL - 1}, "float32 from -0.5 to -0.5, not in [0, 1]"),
    "0 to 255 as floats": ({"x_test": REAL * 510}, "float32 from 255 to 255, not in [0, 1]"),
    "NaN": ({"x_test": REAL * np.float32("nan")}, "NaN or infinity"),
    "infinity": ({"x_test": REAL * np.float32("inf")}, "NaN or infinity"),
    "float64": ({"x_test": REAL.astype(np.float64)}, "float64, not uint8 or float32"),
    "int64": ({"x_test": REAL.astype(np.int64)}, "int64, not uint8 or float32"),
    "objects": ({"x_test": np.array([None] * 6, dtype=object)}, "x_test of"),
    "object labels": ({"y_test": np.array([0, 1, 2, 0, 1, None], dtype=object)}, "y_test of"),
    "one-hot labels": ({"y_test": np.eye(6, dtype=np.int64)}, "labels of"),
    "float labels": ({"y_test": LABELS.astype(np.float32)}, "are float32, not integers"),
    "negative label": ({"y_test": LABELS - 1}, "contain -1"),
    "label without a name": ({"class_names": np.array(["a", "b"])}, "contain 2, but there are 2 classes (0 to 1)"),
    "names that are none": ({"class_names": np.zeros(3)}, "class_names"),
    "two shapes": (
        {"x_train": np.zeros((1, 9, 9, 3), np.uint8), "y_train": LABELS[:1]},
        "3x9x9 in train and 3x8x8 in test",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), BAD.values(), ids=BAD)
def test_refuses(make_npz: Callable[..., str], arrays: dict[str, object], message: str) -> None:
    """Arrays that cannot be used are refused with one sentence and an advice."""
    with pytest.raises(DataError) as refused:
        open_data(make_npz(**arrays), preprocess=None)
    assert message in refused.value.message
    assert refused.value.advice


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"input_size": (8, 9)}, "are 8x8, but the model takes 8x9"),
        ({"channels": 1}, "have 3 channels, but the model takes 1"),
        ({"preprocess": parse_preprocess("none;crop=7")}, "are 8x8, but the model takes 7x7"),
    ],
)
def test_refuses_what_the_model_does_not_take(make_npz: Callable[..., str], wanted: dict, message: str) -> None:
    """Arrays are never resized or converted."""
    with pytest.raises(DataError) as refused:
        open_data(make_npz(), **{"preprocess": None, **wanted})
    assert message in refused.value.message


def test_the_size_settles_the_layout(make_npz: Callable[..., str]) -> None:
    """Where either axis could be the channels, the input size says which."""
    images = np.zeros((6, 3, 8, 3), np.uint8)
    for size, shape in (((8, 3), (3, 8, 3)), ((3, 8), (3, 3, 8))):
        assert open_data(make_npz(x_test=images), preprocess=None, input_size=size).need("test").shape == shape


@pytest.mark.parametrize("damage", ["empty", "random", "truncated", "npy", "member"])
def test_refuses_damaged_files(make_npz: Callable[..., str], damage: str) -> None:
    """A file that is no npz, or a damaged one, is refused; nothing in it is unpickled."""
    path = Path(make_npz(x_test=IMAGES))
    content = bytearray(path.read_bytes())
    if damage == "npy":
        with path.open("wb") as file:
            np.save(file, IMAGES)
    elif damage == "member":
        content[400:420] = bytes(20)
        path.write_bytes(content)
    else:
        path.write_bytes({"empty": b"", "random": bytes(range(256)), "truncated": content[: len(content) // 2]}[damage])
    with pytest.raises(DataError, match="cannot be read as an npz file"):
        open_data(str(path), preprocess=None)
