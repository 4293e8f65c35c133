"""Augmentation and batches, against an oracle that treats one image after the other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from finetune_digits import images_of

from compressor.finetune import pixels as pixels_module
from compressor.finetune.augmentation import Augmentation, shift_and_mirror
from compressor.finetune.pixels import Pixels
from compressor.finetune.randomness import draw_augmentation, generator, order, padding_of
from compressor.finetune.recipe import Recipe
from compressor.progress import SILENT

CPU = torch.device("cpu")


@pytest.mark.parametrize(("num", "channels", "height", "width"), [(1, 1, 8, 8), (3, 3, 5, 9), (8, 3, 32, 32)])
def test_one_gather_equals_cropping_image_by_image(num, channels, height, width):
    """Pad with black, cut out, mirror: the plain way gives the same pixels."""
    images = torch.randint(0, 256, (num, channels, height, width), dtype=torch.uint8)
    draws = draw_augmentation(num, padding=2, augment="crop-flip", seed=0, epoch=3)
    found = shift_and_mirror(images, down=draws.down, right=draws.right, mirrored=draws.mirrored, padding=2)
    for index in range(num):
        padded = np.pad(images[index].numpy(), ((0, 0), (2, 2), (2, 2)))
        top, left = int(draws.down[index]), int(draws.right[index])
        expected = padded[:, top : top + height, left : left + width]
        expected = expected[:, :, ::-1] if draws.mirrored[index] else expected
        assert np.array_equal(found[index].numpy(), expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(32, 32, 4), (8, 8, 1), (4, 4, 1), (224, 224, 28), (16, 64, 2)]
)
def test_padding_follows_the_side(height, width, expected):
    """The shift is an eighth of the shorter side, as four pixels are of CIFAR's 32."""
    assert padding_of(height, width) == expected


def test_random_numbers_depend_on_seed_and_epoch_alone():
    """Asked again they are the same; other parts give others."""
    assert torch.equal(order(50, seed=1, epoch=2), order(50, seed=1, epoch=2))
    assert sorted(order(50, seed=1, epoch=2).tolist()) == list(range(50))
    assert not torch.equal(order(50, seed=1, epoch=2), order(50, seed=1, epoch=3))
    assert not torch.equal(order(50, seed=1, epoch=2), order(50, seed=2, epoch=2))
    assert generator("a", 12, 3).initial_seed() != generator("a", 1, 23).initial_seed()
    one, other = (draw_augmentation(50, padding=1, augment="crop", seed=0, epoch=epoch) for epoch in (0, 1))
    assert not torch.equal(one.down, other.down)
    assert not one.mirrored.any()
    assert set(one.down.tolist()) == {0, 1, 2}
    assert draw_augmentation(50, padding=1, augment="none", seed=0, epoch=0) is None


def test_batches_are_the_same_from_memory_and_from_the_source(monkeypatch):
    """A set that does not fit is read batch by batch, to the same pixels."""
    stored = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8), dtype=np.uint8)
    images = images_of("train", stored, np.zeros(30))
    draws = Augmentation(Recipe(augment="crop"), num_images=30, shape=(1, 8, 8), epoch=0)
    some = torch.tensor([3, 29, 0])
    held = Pixels(images, device=CPU, progress=SILENT)
    monkeypatch.setattr(pixels_module, "MEMORY_LIMIT_BYTES", 100)
    streamed = Pixels(images, device=CPU, progress=SILENT)
    assert held.stored is not None
    assert streamed.stored is None
    assert torch.equal(held.batch(some, draws), streamed.batch(some, draws))
    plain = held.batch(some, None)
    assert torch.equal(plain, torch.from_numpy(stored[some.numpy()]).float() / 255)
    assert plain.dtype == torch.float32


def test_finer_sources_are_rounded_to_bytes():
    """Float images in [0, 1] are kept to the nearest of 256 levels."""
    exact = torch.rand(4, 1, 8, 8)
    images = images_of("train", np.zeros((4, 1, 8, 8), dtype=np.uint8), np.zeros(4))
    images = replace(images, reader=lambda wanted: exact[list(wanted)])
    found = Pixels(images, device=CPU, progress=SILENT).batch(torch.arange(4), None)
    assert (found - exact).abs().max() <= 0.5 / 255 + 1e-6
