"""A tree of image files: train/, val/ and test/, in each of them one folder per class."""

from dataclasses import dataclass
from pathlib import Path

from compressor.data.files import images_of_files
from compressor.data.headers import Listed, choose_fit, resize_notes
from compressor.data.images import ImageSet
from compressor.data.listing import Index, walk
from compressor.data.splits import Split, Splits, Wanted
from compressor.errors import DataError
from compressor.types import Role

SPLITS: tuple[tuple[Split, Role], ...] = (("train", "train"), ("val", "select"), ("test", "test"))
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
ADVICE = "arrange the files as train/CLASS/FILE and test/CLASS/FILE (val/CLASS/FILE is optional)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files of one split."""

    listed: Listed
    """Images, by class and then by path."""

    others: tuple[str, ...]
    """Files that do not end like an image."""


def is_image_folder(root: Path) -> bool:
    """Return whether the folder has at least one of train/, val/, test/."""
    return any((root / split).is_dir() for split, _ in SPLITS)


def open_folder(root: Path, wanted: Wanted) -> Splits:
    """List the files of a tree; they are decoded when asked for.

    Classes are the folder names in sorted order; every split must have the same ones.

    Raises:
        DataError: no such splits, no or different classes, an empty class, an unreadable or oddly sized image.
    """
    if not is_image_folder(root):
        held = sorted(entry.name for entry in root.iterdir())
        what = f"holds {', '.join(held[:3])}{', ...' if len(held) > 3 else ''}" if held else "is empty"
        raise DataError(f"the folder {root} has no train/, val/ or test/ in it; it {what}", advice=ADVICE)
    present = [(split, role) for split, role in SPLITS if (root / split).is_dir()]
    class_names = _classes(root / present[0][0])
    for split, _ in present[1:]:
        _check_same(class_names, _classes(root / split), root / present[0][0], root / split)
    index = None if wanted.cache is None else Index(wanted.cache, root / "train")
    found = {split: _list_files(root, split, class_names, index if split == "train" else None) for split, _ in present}
    if index is not None:
        index.save()
    fit = choose_fit([each.listed for each in found.values()], wanted)
    sets: dict[Split, ImageSet] = {
        split: images_of_files(found[split].listed, role=role, class_names=class_names, fit=fit, cache=wanted.cache)
        for split, role in present
    }
    notes = [
        f"left out of {split}: {len(each.others)} files that do not end like an image, first {each.others[0]}"
        for split, each in found.items()
        if each.others
    ]
    notes += resize_notes(next(iter(found.values())).listed, fit)
    return Splits(
        class_names=class_names, train=sets.get("train"), val=sets.get("val"), test=sets.get("test"), notes=tuple(notes)
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{folder} has no class folders in it", advice=ADVICE)
    return tuple(names)


def _check_same(expected: tuple[str, ...], found: tuple[str, ...], first: Path, second: Path) -> None:
    differing = sorted(set(expected) ^ set(found))
    if differing:
        has, lacks = (first, second) if differing[0] in expected else (second, first)
        raise DataError(
            f"{has} has the class {differing[0]!r}, {lacks} does not",
            advice="give every split the same class folders: a class is known by its place in their sorted order",
        )


def _list_files(root: Path, split: str, class_names: tuple[str, ...], index: Index | None) -> Found:
    names: list[str] = []
    labels: list[int] = []
    others: list[str] = []
    for label, class_name in enumerate(class_names):
        files = walk(f"{split}/{class_name}", root, index)
        images = [name for name in files if name.lower().endswith(ENDINGS)]
        others += [name for name in files if not name.lower().endswith(ENDINGS)]
        if not images:
            raise DataError(
                f"the class folder {root / split / class_name} has no images in it",
                advice=f"image files end in {', '.join(ENDINGS)}; remove the class from every split if it has none",
            )
        names += images
        labels += [label] * len(images)
    listed = Listed(root=root, names=tuple(names), labels=tuple(labels), may_skip=split == "train")
    return Found(listed=listed, others=tuple(others))
