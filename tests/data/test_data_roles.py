"""Roles: what becomes select and test, and that test is never used for anything else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compressor.data import Data, open_data
from compressor.errors import DataError

Tree = Callable[..., Path]

ROLES = [
    # (splits there, images of train, select, test; a word that the notes must hold)
    (("train", "val", "test"), (20, 20, 20), "select is val"),
    (("train", "val"), (18, 2, 20), "val is used as test"),
    (("train", "test"), (18, 2, 20), "taken out of train"),
    (("train",), (18, 2, None), "taken out of train"),
    (("val", "test"), (None, 20, 20), "no training images"),
    (("val",), (None, None, 20), "no training images"),
    (("test",), (None, None, 20), "no training images"),
]


def counts(data: Data) -> tuple[int | None, ...]:
    """Return the number of images of each role, None where there are none."""
    return tuple(None if images is None else len(images) for images in (data.train, data.select, data.test))


@pytest.mark.parametrize(("splits", "expected", "note"), ROLES)
def test_roles(make_tree: Tree, splits: tuple[str, ...], expected: tuple[int | None, ...], note: str) -> None:
    """Each combination of folders gives the roles of the contract, disjoint, and a note says how."""
    data = open_data(str(make_tree({split: {"a": 10, "b": 10} for split in splits})), preprocess=None)
    assert counts(data) == expected
    assert any(note in sentence for sentence in data.notes)
    present = {role: getattr(data, role) for role in ("train", "select", "test") if getattr(data, role) is not None}
    assert all(images.role == role for role, images in present.items())
    digests = [images.digest(index) for images in present.values() for index in range(len(images))]
    assert len(digests) == len(set(digests))


def test_select_is_seeded_and_stratified(make_npz: Callable[..., str]) -> None:
    """The share of train is the same for the same seed, another for another, and keeps the class shares."""
    labels = np.repeat(np.arange(5), 40)
    spec = make_npz(x_train=np.zeros((200, 8, 8, 3), np.uint8), y_train=labels)
    chosen = [open_data(spec, preprocess=None, seed=seed).need("select") for seed in (0, 0, 1)]
    assert chosen[0].names == chosen[1].names != chosen[2].names
    assert np.bincount(chosen[0].labels).tolist() == [4] * 5


def test_select_is_limited(make_npz: Callable[..., str]) -> None:
    """Never more than 5,000 images are taken out of train."""
    spec = make_npz(
        x_train=np.zeros((60_000, 2, 2, 3), np.uint8), y_train=np.zeros(60_000, np.int64), x_test=None, y_test=None
    )
    assert counts(open_data(spec, preprocess=None)) == (55_000, 5_000, None)


def test_a_missing_role_is_refused(make_tree: Tree) -> None:
    """Asking for images that are not there is an error that says what to add; test never stands in for train."""
    data = open_data(str(make_tree({"test": {"a": 2}})), preprocess=None)
    assert data.need("test") is data.test
    with pytest.raises(DataError, match="no training images") as refused:
        data.need("train")
    assert "never used in their place" in refused.value.advice
    with pytest.raises(DataError, match="no select images"):
        data.need("select")


def test_digits_are_a_fixed_split() -> None:
    """The embedded digits are split 60/15/25, stratified, the same for every seed, with exact pixels."""
    data, again = (open_data("digits", preprocess=None, seed=seed) for seed in (0, 1))
    assert counts(data) == (1078, 270, 449)
    assert data.class_names == tuple("0123456789")
    names = [{*getattr(data, role).names} for role in ("train", "select", "test")]
    assert len(set.union(*names)) == 1797
    assert again.need("test").names == data.need("test").names
    assert again.need("train").names == data.need("train").names
    pixels = data.need("test").read(range(449))
    assert pixels.shape == (449, 1, 8, 8)
    assert (pixels * 16 == (pixels * 16).round()).all()
    assert pixels.max() == 1
    assert np.bincount(data.need("test").labels).min() >= 43
