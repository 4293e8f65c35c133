"""A training image that cannot be read does not keep a folder from being opened; any other does."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from compressor.data import open_data
from compressor.errors import DataError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for split in ("train", "val", "test"):
        for number in range(4):
            place = tmp_path / split / f"class{number % 2}" / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 9, 3), number, dtype=np.uint8)).save(place)
    return tmp_path


@pytest.mark.parametrize("input_size", [None, (8, 9), (6, 6)])
@pytest.mark.parametrize("number", [0, 3])
def test_training_images_may_be_damaged(input_size: tuple[int, int] | None, number: int, tree: Path) -> None:
    """The size comes from the first that can be read; the damaged one is an error where it is read."""
    (tree / "train" / f"class{number % 2}" / f"{number}.png").write_bytes(b"")
    data = open_data(str(tree), preprocess=None, input_size=input_size)
    assert data.train is not None
    assert data.train.shape == (3, *(input_size or (8, 9)))
    damaged = data.train.names.index(f"train/class{number % 2}/{number}.png")
    assert len(data.train.read([index for index in range(4) if index != damaged])) == 3
    with pytest.raises(DataError, match=rf"{number}\.png cannot be read"):
        data.train.read([damaged])


@pytest.mark.parametrize("split", ["val", "test"])
def test_images_that_judge_may_not(split: str, tree: Path) -> None:
    """Where every header is read, opening stops at once."""
    (tree / split / "class0" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png cannot be read"):
        open_data(str(tree), preprocess=None)


def test_a_set_without_any_readable_training_image_is_an_error(tree: Path) -> None:
    """The first one is named."""
    for path in (tree / "train").rglob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"train/class0/0\.png cannot be read"):
        open_data(str(tree), preprocess=None, input_size=(8, 9))
