"""Wrong set-ups are noticed before any work, with what each alternative would score."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from compressor.data import Data, ImageSet, parse_preprocess
from compressor.errors import DataError
from compressor.load import Checkpoint
from compressor.load.plausible import check_labels, check_plausible


class _Brightest(nn.Module):
    """Answers which of ten columns is brightest, after a fixed normalisation was undone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, 0].sum(dim=1) * 10


def _images(order: np.ndarray) -> ImageSet:
    """Return 200 images (3, 10, 10) with one bright column in the red channel, labelled by `order`."""
    columns = np.arange(200) % 10
    pixels = np.zeros((200, 3, 10, 10), dtype=np.float32)
    pixels[np.arange(200), 0, :, columns] = 1.0
    pixels[np.arange(200), 2, :, (columns * 7 + 3) % 10] = 1.0
    return ImageSet(
        role="select",
        labels=order[columns].astype(np.int64),
        names=tuple(f"select/{index}" for index in range(200)),
        class_names=tuple("abcdefghij"),
        shape=(3, 10, 10),
        reader=lambda wanted: torch.from_numpy(pixels[list(wanted)]),
        hasher=lambda index: f"{index:064x}",
    )


def _checkpoint(preprocess: str = "none") -> Checkpoint:
    return Checkpoint(
        model=_Brightest(),
        architecture="memory:_Brightest",
        input_shape=(3, 10, 10),
        num_classes=10,
        preprocess=parse_preprocess(preprocess),
        sha256="0" * 64,
    )


RIGHT = np.arange(10)


def test_a_right_set_up_passes() -> None:
    """The accuracy on the sample comes back."""
    assert check_plausible(_checkpoint(), _images(RIGHT)) == 1.0


def test_shuffled_classes_are_named() -> None:
    """Every answer is wrong, and renaming the classes would make every answer right."""
    with pytest.raises(DataError, match="near chance") as caught:
        check_plausible(_checkpoint(), _images(np.roll(RIGHT, 1)))
    assert "class order (best order 100.0%)" in caught.value.advice


class _AsImagenet(nn.Module):
    """Answers which column is as bright as 1.0 becomes under the ImageNet normalisation."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -(images[:, 0].mean(dim=1) - (1 - 0.485) / 0.229).abs()


def test_a_wrong_mean_is_named() -> None:
    """Far too bright; the preset that would be right is named with its score, before any other cause."""
    checkpoint = replace(_checkpoint("mean=0,0,0;std=0.1,0.1,0.1"), model=_AsImagenet())
    with pytest.raises(DataError) as caught:
        check_plausible(checkpoint, _images(RIGHT))
    assert "--preprocess 'imagenet' 100.0%" in caught.value.advice
    assert caught.value.advice.index("mean/std") < caught.value.advice.index("class order")


def test_swapped_channels_are_named() -> None:
    """BGR images for an RGB model."""
    swapped = _images(RIGHT)
    reader = swapped.reader
    with pytest.raises(DataError) as caught:
        check_plausible(_checkpoint(), replace(swapped, reader=lambda wanted: reader(wanted).flip(1)))
    assert "RGB/BGR (swapped 100.0%)" in caught.value.advice


def test_expect_accuracy_makes_it_strict() -> None:
    """Nine of ten right is no chance, but not what was expected."""
    order = RIGHT.copy()
    order[9] = 0
    assert check_plausible(_checkpoint(), _images(order)) == pytest.approx(0.9)
    with pytest.raises(DataError, match="--expect-accuracy demands"):
        check_plausible(_checkpoint(), _images(order), expect_accuracy=0.95)


def test_labels_beyond_the_model_are_refused() -> None:
    """A label that the model cannot give, in any role."""
    images = _images(RIGHT + 1)
    data = Data(spec="made up", class_names=images.class_names, train=None, select=images, test=None, notes=())
    with pytest.raises(DataError, match="label 10, but the model knows 10 classes"):
        check_labels(_checkpoint(), data)
