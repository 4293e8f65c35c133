"""The published arrays: found, checked, sampled by class, and read picture by picture."""

import os
from pathlib import Path

import numpy as np
import pytest

from compressor.corruptions.published import open_published
from compressor.corruptions.table import PUBLISHED, Planned
from compressor.errors import DataError

ROWS = 50_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return arrays of the published sizes: black, but that fog shows severity and number in its first pixel."""
    labels = np.tile(np.arange(10_000) % 10, 5).astype(np.uint8)
    np.save(tmp_path / "labels.npy", labels)
    black = np.lib.format.open_memmap(
        tmp_path / "gaussian_noise.npy", mode="w+", dtype=np.uint8, shape=(ROWS, 32, 32, 3)
    )
    black.flush()
    for name in PUBLISHED[1:]:
        os.link(tmp_path / "gaussian_noise.npy", tmp_path / f"{name}.npy")
    (tmp_path / "fog.npy").unlink()
    fog = np.lib.format.open_memmap(tmp_path / "fog.npy", mode="w+", dtype=np.uint8, shape=(ROWS, 32, 32, 3))
    numbers = np.arange(ROWS)
    fog[:, 0, 0, 0], fog[:, 0, 1, 1] = numbers // 10_000, numbers % 10_000 % 251
    fog.flush()
    return tmp_path


def test_pictures_are_the_same_under_every_severity(folder: Path) -> None:
    """A sample has as many of each class; each picture is read at its severity, channels first."""
    found = open_published(folder, num_images=50, seed=3)
    assert np.bincount(found.labels).tolist() == [5] * 10
    assert (found.numbers % 10 == found.labels).all()
    assert len(found.plan.each) == 75
    assert found.plan.skipped == ()
    rows = np.array([0, 7, 49])
    for severity in (1, 5):
        pixels = found.read(Planned(name="fog", severity=severity, settings={}), rows) * 255
        assert pixels[:, 0, 0, 0].round().tolist() == [severity - 1] * 3
        assert pixels[:, 1, 0, 1].round().tolist() == (found.numbers[rows] % 251).tolist()
    again, other = open_published(folder, num_images=50, seed=3), open_published(folder, num_images=50, seed=4)
    assert again.sha256 == found.sha256 != other.sha256
    assert set(open_published(folder, num_images=20, seed=3).numbers) <= set(found.numbers)


def test_missing_files_are_named(folder: Path) -> None:
    """All of them at once."""
    (folder / "frost.npy").unlink()
    (folder / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"lacks labels\.npy, frost\.npy"):
        open_published(folder, num_images=5, seed=0)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("snow", np.zeros((10, 32, 32, 3), np.uint8), "10x32x32x3 uint8"),
        ("snow", np.zeros((1, 1), np.float32), "1x1 float32"),
        ("labels", np.zeros(ROWS, np.int64), "int64"),
        ("labels", np.full(ROWS, 11, np.uint8), "labels 0 to 9"),
        ("labels", (np.arange(ROWS) // 9_000).astype(np.uint8), "labels 0 to 9"),
        ("snow", b"not an array", "not an array"),
        ("snow", np.array([{}], dtype=object), "not an array"),
    ],
)
def test_other_arrays_are_refused(folder: Path, name: str, array: object, words: str) -> None:
    """Another shape, another type, labels that do not repeat, something else altogether: named, with what was meant."""
    path = folder / f"{name}.npy"
    path.unlink()
    if isinstance(array, bytes):
        path.write_bytes(array)
    else:
        np.save(path, array)
    with pytest.raises(DataError, match=words) as caught:
        open_published(folder, num_images=5, seed=0)
    assert str(path) in caught.value.message
    assert "CIFAR-10-C" in caught.value.advice
