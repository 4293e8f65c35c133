"""Classes, channels, input size and class names: from the file, the data or options, in that order; and what is said
when they disagree.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from compressor import steps
from compressor.data import Data, open_data, parse_preprocess
from compressor.errors import CompressorError, DataError, LoadError
from compressor.load import Checkpoint, build, load, save_slim
from compressor.load.plausible import take_class_names

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def plain(tmp_path: Path, resnet8: nn.Module) -> Path:
    """Return a state dict of `resnet8` in a file: five classes, one channel."""
    torch.save(resnet8.state_dict(), tmp_path / "plain.pt")
    return tmp_path / "plain.pt"


@pytest.fixture
def said(plain: Path) -> Checkpoint:
    """Return the same with everything said by options."""
    return load(plain, labels=NAMES, num_classes=5, input_size=(8, 10), preprocess=parse_preprocess("none"))


def data_of(folder: Path, names: tuple[str, ...], side: int = 8) -> Data:
    """Return an image folder with these classes, one grey image each."""
    for split in ("train", "test"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = np.full((side, side), 9 * number + len(name), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return open_data(str(folder), preprocess=parse_preprocess("none"), channels=1)


def test_options_fill_what_the_file_leaves_open(said: Checkpoint) -> None:
    """A state dict knows classes and channels, and neither names nor size."""
    assert (said.labels, said.input_shape, said.input_known) == (NAMES, (1, 8, 10), True)
    assert said.num_classes == 5


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_classes": 6}, r"does not fit cifar:resnet8: linear\.weight is \(5, 64\) in the file"),
        ({"labels": NAMES[:4]}, r"4 labels were given, but .* has 5 classes"),
        ({"input_size": (0, 8)}, "out of range"),
    ],
)
def test_options_that_contradict_the_weights_are_refused(plain: Path, option: dict, message: str) -> None:
    """What the weights say cannot be changed by saying otherwise."""
    with pytest.raises(LoadError, match=message):
        load(plain, **option)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"labels": ("a", "b", "X", "d", "e")}, r"calls class 2 'c', --labels calls it 'X'"),
        ({"num_classes": 6}, "has 5 classes, not 6"),
        ({"input_size": (8, 8)}, "was made for images of 8x10, not 8x8"),
    ],
)
def test_options_that_contradict_what_the_file_says_are_refused(
    tmp_path: Path, said: Checkpoint, option: dict, message: str
) -> None:
    """The file comes first; the same said again is no contradiction."""
    save_slim(said, tmp_path / "x.safetensors")
    with pytest.raises(LoadError, match=message) as caught:
        load(tmp_path / "x.safetensors", **option)
    assert "leave --" in caught.value.advice
    again = load(tmp_path / "x.safetensors", labels=NAMES, num_classes=5, input_size=(8, 10))
    assert (again.labels, again.input_shape) == (NAMES, (1, 8, 10))


def test_a_size_that_nobody_said_may_be_said_later(tmp_path: Path, plain: Path) -> None:
    """The default of the architecture is no statement of the file."""
    save_slim(load(plain), tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").input_shape == (1, 32, 32)
    assert load(tmp_path / "x.safetensors", input_size=(8, 8)).input_shape == (1, 8, 8)


def test_preprocessing_may_always_be_said(tmp_path: Path, said: Checkpoint) -> None:
    """It is an option of its own; what the file stores is only its default."""
    save_slim(said, tmp_path / "x.safetensors")
    assert load(tmp_path / "x.safetensors").preprocess == said.preprocess
    other = parse_preprocess("mean=0.5;std=0.5")
    assert load(tmp_path / "x.safetensors", preprocess=other).preprocess == other


@pytest.mark.parametrize(
    ("beside", "labels"),
    [
        ({"classes": list(NAMES)}, NAMES),
        ({"class_to_idx": {name: number for number, name in enumerate(NAMES[::-1])}}, NAMES[::-1]),
        ({"idx_to_class": dict(enumerate(NAMES))}, NAMES),
        ({"hyper_parameters": {"class_names": list(NAMES)}}, NAMES),
        ({"meta": {"CLASSES": NAMES}}, NAMES),
        ({"classes": ["a", "b"]}, None),
        ({"classes": [1, 2, 3, 4, 5]}, None),
        ({"class_to_idx": {"a": 0, "b": 5}}, None),
    ],
)
def test_names_beside_the_weights_count_when_they_fit(
    tmp_path: Path, resnet8: nn.Module, beside: dict, labels: tuple | None
) -> None:
    """As many as classes, or none; and the wrong number is said."""
    torch.save({"state_dict": resnet8.state_dict(), **beside}, tmp_path / "x.pt")
    found = load(tmp_path / "x.pt")
    assert found.labels == labels
    told = any("the names are not used" in note for note in found.notes)
    assert told == (beside == {"classes": ["a", "b"]})


def test_a_factory_gets_the_number_of_classes_from_the_file(tmp_path: Path, factories: Path) -> None:
    """Also one that cannot be called without it."""
    arch = f"{factories}:needs_classes"
    for classes in (3, 10, 11):
        torch.save(build(arch, num_classes=classes).state_dict(), tmp_path / "x.pt")
        found = load(tmp_path / "x.pt", arch=arch)
        assert (found.num_classes, found.arguments) == (classes, {"num_classes": classes})


def test_names_of_the_data_are_taken_where_nobody_said_any(tmp_path: Path, said: Checkpoint) -> None:
    """Numbers are no names, and an equal list is nothing to talk about."""
    images = data_of(tmp_path / "data", NAMES)
    for labels in (None, NAMES):
        assert take_class_names(replace(said, labels=labels), images) == (said, ())
    numbered = replace(images, class_names=("0", "1", "2", "3", "4"))
    assert take_class_names(said, numbered) == (said, ())
    assert take_class_names(replace(said, labels=None), numbered)[0].labels == numbered.class_names


def test_other_names_in_the_data_are_told(tmp_path: Path, said: Checkpoint) -> None:
    """The model's come first; fewer classes in the data are told too, because labels are then counted anew."""
    other = data_of(tmp_path / "data", ("p", "q", "r", "s", "t"))
    kept, (note,) = take_class_names(said, other)
    assert kept.labels == NAMES
    assert "class 0 is 'a' for the model and 'p' in" in note
    assert "the model's names are kept" in note
    kept, (note,) = take_class_names(said, replace(other, class_names=("p", "q")))
    assert kept.labels == NAMES
    assert "names 2 classes, the model knows 5" in note
    assert take_class_names(said, replace(other, class_names=("0", "1"))) == (said, ())


def test_the_same_names_in_another_order_are_refused(tmp_path: Path, said: Checkpoint) -> None:
    """Every label would be wrong, and no later number would show why."""
    images = data_of(tmp_path / "data", NAMES)
    with pytest.raises(DataError, match="another order: class 0 is 'e' for the model and 'a' in"):
        take_class_names(replace(said, labels=NAMES[::-1]), images)


def test_a_size_of_the_data_comes_before_the_default(tmp_path: Path, plain: Path) -> None:
    """Whoever says a size is heeded before a default; arrays of another size than the file's are bad input."""
    rng = np.random.default_rng(0)
    arrays = {"x_test": rng.integers(0, 255, (10, 8, 8, 1), dtype=np.uint8), "y_test": np.arange(10) % 5}
    np.savez(tmp_path / "x.npz", **arrays)
    slim = load(plain, preprocess=parse_preprocess("none")).followed_by(load(plain).model, "as if pruned here")
    fitted, _ = steps.fit(slim, str(tmp_path / "x.npz"))
    assert (fitted.input_shape, fitted.input_known) == ((1, 8, 8), True)
    save_slim(replace(slim, input_shape=(1, 10, 10), input_known=True), tmp_path / "x.safetensors")
    with pytest.raises(CompressorError, match="10x10"):
        steps.fit(load(tmp_path / "x.safetensors"), str(tmp_path / "x.npz"))


def test_channels_come_from_the_file(tmp_path: Path) -> None:
    """Grey and colour images are converted to what the first layer takes."""
    grey, colour = (build("cifar:resnet8", num_classes=5, in_channels=channels) for channels in (1, 3))
    images = data_of(tmp_path / "data", NAMES)
    assert images.test.shape == (1, 8, 8)
    for model, channels in ((grey, 1), (colour, 3)):
        torch.save(model.state_dict(), tmp_path / "x.pt")
        slim = load(tmp_path / "x.pt", preprocess=parse_preprocess("none")).followed_by(model.eval(), "as if pruned")
        fitted, data = steps.fit(slim, str(tmp_path / "data"))
        assert fitted.input_shape == data.test.shape == (channels, 8, 8)
