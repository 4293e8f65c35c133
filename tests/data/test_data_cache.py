"""Decoded training images are kept, and never in the place of an image that changed."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from compressor.data import cache, files, open_data, parse_preprocess
from compressor.data.cache import ImageCache, cache_for
from compressor.data.listing import Index, walk

HOW = "mean=0.5,0.5,0.5;std=1,1,1;resize=80;crop=72"


def write(path: Path, seed: int, size: tuple[int, int] = (90, 100)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for split in ("train", "val", "test"):
        for number in range(4):
            write(tmp_path / "tree" / split / f"class{number % 2}" / f"{number}.png", hash(split) % 999 + number)
    return tmp_path / "tree"


def opened(tree: Path, folder: Path | None):
    return open_data(str(tree), preprocess=parse_preprocess(HOW), cache=folder)


def test_what_is_kept_is_what_was_decoded(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time no training image is decoded, and every pixel is the same; other roles leave no entries."""
    plain = opened(tree, None)
    first = opened(tree, tmp_path / "cache")
    for role in ("train", "select", "test"):
        before, now = getattr(plain, role), getattr(first, role)
        assert torch.equal(before.read(range(4)), now.read(range(4)))
    assert len([path for path in (tmp_path / "cache" / "images").rglob("*") if path.is_file()]) == 4
    second = opened(tree, tmp_path / "cache")
    assert all(second.train.knower(index) for index in range(4))
    assert second.test.knower is None
    kept = plain.train.read(range(4))
    monkeypatch.setattr(files, "decode", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(second.train.read(range(4)), kept)
    assert second.train.take([2, 1]).knower(0)


@pytest.mark.parametrize("change", ["content", "resize", "cut", "flipped"])
def test_an_entry_serves_only_the_image_it_was_made_from(change: str, tree: Path, tmp_path: Path) -> None:
    """Another file, another preprocessing, or an entry cut short or damaged: decoded anew."""
    folder, path = tmp_path / "cache", tree / "train" / "class0" / "0.png"
    opened(tree, folder).train.read(range(4))
    how = HOW
    if change == "content":
        write(path, 77)
    elif change == "resize":
        how = HOW.replace("resize=80", "resize=75")
    else:
        for entry in [place for place in (folder / "images").rglob("*") if place.is_file()]:
            content = entry.read_bytes()
            entry.write_bytes(content[:-1] if change == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    expected = open_data(str(tree), preprocess=parse_preprocess(how))
    found = open_data(str(tree), preprocess=parse_preprocess(how), cache=folder)
    assert torch.equal(found.train.read(range(4)), expected.train.read(range(4)))


def test_small_images_and_small_disks_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of 64 x 64 would not pay; half of what is free is never exceeded."""
    wanted = {"num_images": 10, "shape": (3, 72, 72), "how": ""}
    assert cache_for(tmp_path / "new" / "folder", **wanted) is not None
    assert cache_for(None, **wanted) is None
    assert cache_for(tmp_path, **{**wanted, "shape": (3, 64, 64)}) is None
    free = cache.shutil.disk_usage(tmp_path)._replace(free=2 * 10 * (3 * 72 * 72 + 4) - 1)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: free)
    assert cache_for(tmp_path, **wanted) is None


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    """A file stands where the folder should be: images are read all the same."""
    (tmp_path / "cache").write_text("in the way")
    write(tmp_path / "a.png", 1)
    held = ImageCache(folder=tmp_path / "cache", shape=(3, 90, 100), how="")
    held.write(str(tmp_path / "a.png"), np.zeros((3, 90, 100), np.uint8))
    assert held.read(str(tmp_path / "a.png")) is None
    assert not held.has(str(tmp_path / "gone.png"))


def test_the_index_lists_only_folders_that_changed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files as without it; a file that comes, goes or hides in a new folder is seen."""
    root = tree / "train" / "class0"
    for place in (root, tree / "train" / "class1"):
        os.utime(place, ns=(0, 10**18))
    first = Index(tmp_path, tree)
    assert (
        walk("train/class0", tree, first) == walk("train/class0", tree) == ["train/class0/0.png", "train/class0/2.png"]
    )
    first.save()
    second = Index(tmp_path, tree)
    with monkeypatch.context() as patch:
        patch.setattr("compressor.data.listing.scan", lambda _: pytest.fail("listed again"))
        assert len(walk("train/class0", tree, second)) == 2
    write(root / "deep" / "new.png", 5)
    (root / ".hidden").write_text("")
    assert walk("train/class0", tree, Index(tmp_path, tree)) == walk("train/class0", tree)
    assert "train/class0/deep/new.png" in walk("train/class0", tree)


def test_a_folder_that_changed_just_now_is_not_trusted(tree: Path, tmp_path: Path) -> None:
    """Within one tick of the clock a second change would not show; such a folder is listed anew."""
    first = Index(tmp_path, tree)
    walk("train/class0", tree, first)
    first.save()
    changed = (tree / "train" / "class0").stat().st_mtime_ns
    write(tree / "train" / "class0" / "9.png", 9)
    os.utime(tree / "train" / "class0", ns=(changed, changed))
    assert "train/class0/9.png" in walk("train/class0", tree, Index(tmp_path, tree))


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b'{"a": 1}'])
def test_a_damaged_index_is_an_empty_one(content: bytes, tree: Path, tmp_path: Path) -> None:
    """Everything is listed anew."""
    Index(tmp_path, tree).save()
    index = Index(tmp_path, tree)
    index._path.parent.mkdir(exist_ok=True)
    index._path.write_bytes(content)
    assert walk("train/class1", tree, Index(tmp_path, tree)) == walk("train/class1", tree)
