"""Image sets: reading, taking, sampling, digests."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from compressor.data import ImageSet, digest_of_images, duplicates_with, open_data, stratified
from compressor.data.arrays import Labelled, splits_of_arrays
from compressor.data.splits import Wanted
from compressor.errors import DataError, OptionError


def image_set(labels: list[int], *, dtype: type = np.uint8) -> ImageSet:
    """Return random 4x5 images in three classes with these labels."""
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (len(labels), 4, 5, 3), dtype=np.uint8)
    images = whole if dtype == np.uint8 else (whole / 255).astype(dtype)
    part = Labelled(split="test", images=images, labels=np.array(labels))
    made = splits_of_arrays([part], class_names=("a", "b", "c"), wanted=Wanted(spec="here")).test
    assert made is not None
    return made


def test_float_and_uint8_readings_agree() -> None:
    """The float reading is the uint8 reading over 255, exactly, from either kind of source."""
    whole, real = image_set([0, 1, 2]), image_set([0, 1, 2], dtype=np.float32)
    assert whole.read([2, 0]).dtype == torch.float32
    assert torch.equal(whole.read([2, 0]), whole.read_uint8([2, 0]).float() / 255)
    assert torch.equal(real.read_uint8([0, 1, 2]), whole.read_uint8([0, 1, 2]))
    assert torch.equal(real.read([1]), whole.read([1]))
    assert whole.read([]).shape == (0, 3, 4, 5)


def test_reading_never_hands_out_the_stored_pixels() -> None:
    """Changing what was read does not change what is read next."""
    for images in (image_set([0, 1]), image_set([0, 1], dtype=np.float32), image_set([0]).in_memory()):
        before = images.read([0]).clone()
        images.read([0]).zero_()
        images.read_uint8([0]).zero_()
        assert torch.equal(images.read([0]), before)


def test_take_keeps_everything_together() -> None:
    """Taking twice gives the images, labels, names and digests of the right originals."""
    images = image_set([0, 1, 2, 0, 1])
    taken = images.take([4, 2, 0]).take([2, 0])
    assert taken.names == ("test/0", "test/4")
    assert taken.labels.tolist() == [0, 1]
    assert torch.equal(taken.read([1]), images.read([4]))
    assert taken.digest(1) == images.digest(4)
    assert len(taken) == 2


def test_in_memory_is_the_same_set(make_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Holding files in memory changes nothing but the speed; a set that does not fit stays where it is."""
    root = make_tree({"test": {"a": 3, "b": 2}})
    images = open_data(str(root), preprocess=None).need("test")
    held = images.in_memory()
    for path in root.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError):
        images.read([0])
    assert held.read_uint8([4, 1]).shape == (2, 3, 8, 8)
    assert held.in_memory() is held
    monkeypatch.setattr("compressor.data.images.MEMORY_LIMIT_BYTES", 5 * 4 * 5 * 3 - 1)
    few = image_set([0, 1, 2, 0, 1])
    object.__setattr__(few, "is_held", False)
    assert few.in_memory() is few


SHARES = [
    # (labels per class, number asked for, expected per class or None where the seed decides)
    ((10, 10, 10), 6, (2, 2, 2)),
    ((100, 50, 10), 16, (10, 5, 1)),
    ((3, 3, 3), 9, (3, 3, 3)),
    ((3, 3, 3), 100, (3, 3, 3)),
    ((5, 0, 5), 4, (2, 0, 2)),
    ((10, 10, 10), 4, None),
    ((10, 10, 10), 1, None),
]


@pytest.mark.parametrize(("counts", "num", "expected"), SHARES)
def test_stratified_shares(counts: tuple[int, int, int], num: int, expected: tuple[int, int, int] | None) -> None:
    """The classes keep their shares to within one image, exactly `num` are chosen, in the order of the set."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    np.random.default_rng(1).shuffle(labels)
    images = image_set(labels)
    chosen = stratified(images, num, seed=0)
    assert len(chosen) == min(num, len(images))
    found = np.bincount(chosen.labels, minlength=3)
    assert (np.abs(found - np.array(counts) * min(num, len(images)) / len(images)) < 1).all()
    assert expected is None or tuple(found) == expected
    places = [images.names.index(name) for name in chosen.names]
    assert places == sorted(set(places))


def test_stratified_depends_on_the_seed_alone() -> None:
    """Same seed, same images; another seed, others; a smaller sample lies within a larger one here."""
    images = image_set([0, 1, 2] * 40)
    assert stratified(images, 30, seed=0).names == stratified(images, 30, seed=0).names
    assert stratified(images, 30, seed=0).names != stratified(images, 30, seed=1).names
    assert set(stratified(images, 15, seed=0).names) < set(stratified(images, 30, seed=0).names)
    with pytest.raises(OptionError, match="at least 1"):
        stratified(images, 0, seed=0)


def test_digests_are_of_the_stored_bytes(make_tree: Callable[..., Path]) -> None:
    """A file's digest is that of its bytes, an array image's that of its part of the array."""
    root = make_tree({"test": {"a": 1, "b": 1}})
    images = open_data(str(root), preprocess=None).need("test")
    content = (root / "test/b/000.png").read_bytes()
    assert images.digest(1) == hashlib.sha256(content).hexdigest()
    held = image_set([0, 1])
    pixels = held.read_uint8([1])[0].permute(1, 2, 0).numpy().tobytes()
    assert held.digest(1) == hashlib.sha256(pixels).hexdigest()


def test_digest_of_images_notices_everything() -> None:
    """Order, labels, names and pixels each change the digest of the set."""
    images = image_set([0, 1, 2, 0])
    digests = {
        digest_of_images(each)
        for each in (images, images.take([1, 0, 2, 3]), images.take([0, 1, 2]), image_set([0, 1, 2, 1]))
    }
    assert len(digests) == 4
    assert digest_of_images(images) == digest_of_images(images.take(range(4)))


def test_duplicates_are_known_by_bytes() -> None:
    """Each test image that occurs in train is named once, however often it occurs there."""
    images = image_set([0, 1, 2, 0])
    assert duplicates_with(images, None) == frozenset()
    assert duplicates_with(images.take([0, 1]), images.take([2, 3])) == frozenset()
    expected = {images.digest(1), images.digest(2)}
    assert duplicates_with(images.take([0, 1, 2]), images.take([1, 1, 2, 3])) == expected
