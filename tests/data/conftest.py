"""Small image trees and npz files, made anew for each test."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Tree = Callable[..., Path]


def picture(seed: int, size: tuple[int, int] = (8, 8), channels: int = 3) -> np.ndarray:
    """Return random pixels (H, W, C) or (H, W) uint8."""
    shape = (*size, channels) if channels > 1 else size
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def make_tree(tmp_path: Path) -> Tree:
    """Return a maker of folders: split -> class -> number of images, all different unless their seed is the same."""

    def make(
        splits: Mapping[str, Mapping[str, int]],
        *,
        size: tuple[int, int] = (8, 8),
        channels: int = 3,
        name: str = "tree",
    ) -> Path:
        root = tmp_path / name
        seed = 0
        for split, classes in splits.items():
            for class_name, num in classes.items():
                folder = root / split / class_name
                folder.mkdir(parents=True)
                for index in range(num):
                    Image.fromarray(picture(seed, size, channels)).save(folder / f"{index:03}.png")
                    seed += 1
        return root

    return make


@pytest.fixture
def make_npz(tmp_path: Path) -> Callable[..., str]:
    """Return a writer of npz files; with no other word a valid one of six 8x8 test images in three classes."""

    def make(**arrays: object) -> str:
        valid = {"x_test": np.zeros((6, 8, 8, 3), dtype=np.uint8), "y_test": np.array([0, 1, 2, 0, 1, 2])}
        path = tmp_path / "set.npz"
        np.savez(path, **{key: value for key, value in {**valid, **arrays}.items() if value is not None})
        return str(path)

    return make
