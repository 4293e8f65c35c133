"""What augmentations do to an image, and that its company plays no part."""

from dataclasses import replace

import pytest
import torch

from compressor.finetune.augmentation import Augmentation, transformed
from compressor.finetune.mixing import mixed
from compressor.finetune.operations import trivial_augment
from compressor.finetune.recipe import Recipe, resolve

KINDS = ["none", "crop", "crop-flip", "resized-crop", "trivial-augment", "augmix", "noise"]


def augmentation(kind, epoch=0, shape=(3, 16, 16), **values):
    recipe = resolve(Recipe(augment=kind, **values), channels=shape[0], class_names=("cat", "dog"), teacher=False)
    return Augmentation(recipe, num_images=40, shape=shape, epoch=epoch)


def pictures(num=40, channels=3, side=16):
    """Return smooth images, so that moving and enlarging them leaves something to see."""
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(num, channels, 4, 4, generator=generator)
    return (torch.nn.functional.interpolate(small, (side, side), mode="bilinear") * 255).to(torch.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_becomes_the_same_in_any_company(kind, channels):
    """Alone, among a few and among all; in [0, 1]; another in the next epoch."""
    raw = pictures(channels=channels)
    augment = augmentation(kind, shape=(channels, 16, 16))
    every = augment(raw, torch.arange(40))
    assert every.shape == raw.shape
    assert every.dtype == torch.float32
    assert every.min() >= 0
    assert every.max() <= 1
    some = torch.tensor([7, 39, 0])
    assert torch.allclose(augment(raw[some], some), every[some], atol=1e-6)
    assert torch.allclose(augment(raw[7:8], some[:1]), every[7:8], atol=1e-6)
    again = augmentation(kind, epoch=1, shape=(channels, 16, 16))(raw, torch.arange(40))
    assert torch.equal(every, raw.float() / 255) == (kind == "none")
    assert torch.equal(again, every) == (kind == "none")


def test_noise_has_the_strength_that_is_said():
    """On grey images the standard deviation is uniform up to the largest one."""
    grey = torch.full((400, 3, 16, 16), 128, dtype=torch.uint8)
    recipe = Recipe(augment="noise", noise_sigma=0.05, mirror=False)
    found = Augmentation(recipe, num_images=400, shape=(3, 16, 16), epoch=0)(grey, torch.arange(400)) - 128 / 255
    # The shift brings in a border of black, which says nothing about the noise of grey.
    deviations = found[:, :, 2:-2, 2:-2].flatten(1).std(dim=1)
    assert deviations.max() < 0.055
    assert abs(deviations.mean() - 0.025) < 0.003
    assert (deviations < 0.0125).float().mean() == pytest.approx(0.25, abs=0.07)


def test_a_random_part_is_enlarged():
    """A ramp stays a ramp: its slope is the width of the part, and every part lies inside."""
    ramp = torch.arange(64).repeat(64, 1).mul(4).to(torch.uint8).expand(40, 1, 64, 64)
    recipe = Recipe(augment="resized-crop", smallest_crop=0.25, mirror=False)
    found = Augmentation(recipe, num_images=40, shape=(1, 64, 64), epoch=0)(ramp, torch.arange(40))
    slopes = (found[:, 0, 32, 40] - found[:, 0, 32, 24]) * 255 / 64
    assert (slopes > 0.43 - 0.02).all()
    assert (slopes <= 1.02).all()
    assert slopes.std() > 0.05
    mirrored = Augmentation(replace(recipe, mirror=True), num_images=40, shape=(1, 64, 64), epoch=0)
    falling = mirrored(ramp, torch.arange(40))[:, 0, 32, 40] < mirrored(ramp, torch.arange(40))[:, 0, 32, 24]
    assert 8 < falling.sum() < 32


def test_every_operation_is_taken_about_equally_often():
    """The choice of each image is the first of its numbers; the other two say how strong and which way."""
    space = trivial_augment()
    drawn = torch.rand(40, 3, dtype=torch.float32)
    drawn[:, 0] = (torch.arange(40) % len(space) + 0.5) / len(space)
    raw = pictures()
    found = transformed(raw, space, drawn)
    names = list(space)
    identity = [index for index in range(40) if names[index % len(space)] == "identity"]
    assert torch.equal(found[identity], raw[identity])
    level = int(drawn[1, 1] * 31)
    sign = -1 if drawn[1, 2] < 0.5 else 1
    alone = space["shear-x"].apply(raw[1:2], torch.tensor([sign * space["shear-x"].magnitudes[level]]))
    assert torch.equal(found[1:2], alone)


def test_augmix_stays_between_the_image_and_its_chains():
    """A white image can only be inverted or lose its border; half of the images keep more than half of themselves."""
    raw = pictures()
    plain = augmentation("crop-flip")(raw, torch.arange(40))
    shifted = Augmentation(Recipe(augment="augmix", mirror=True), num_images=40, shape=(3, 16, 16), epoch=0)(
        raw, torch.arange(40)
    )
    distance = (shifted - plain).abs().mean(dim=(1, 2, 3))
    assert (distance > 0).float().mean() > 0.9
    assert distance.max() < 0.5


@pytest.mark.parametrize("values", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_images_and_targets_are_mixed_alike(values):
    """Images whose pixels all say their class: what is seen is what is asked for, and the own class is the largest."""
    labels = torch.arange(30) % 10
    images = (labels / 10).float()[:, None, None, None].expand(30, 3, 16, 16)
    found, targets = mixed(images, labels, indices=torch.arange(30), recipe=Recipe(**values), epoch=0, num_classes=10)
    assert torch.allclose(targets.sum(dim=1), torch.ones(30))
    assert torch.equal(targets.argmax(dim=1), labels)
    assert targets.max(dim=1).values.min() >= 0.5
    assert torch.allclose(found.mean(dim=(1, 2, 3)), (targets * torch.arange(10) / 10).sum(dim=1), atol=1e-5)
    assert (targets.max(dim=1).values < 0.99).float().mean() > 0.3
    blended = found.std(dim=(1, 2, 3)) < 1e-6
    assert blended.all() == ("cutmix" not in values)
    assert mixed(images, labels, indices=labels, recipe=Recipe(), epoch=0, num_classes=0)[1] is labels


def test_shares_belong_to_the_image():
    """The own share of an image is the same beside another neighbour."""
    images, labels = torch.rand(8, 1, 8, 8), torch.arange(8)
    recipe, order = Recipe(mixup=0.5), torch.randperm(8)
    _, targets = mixed(images, labels, indices=labels, recipe=recipe, epoch=2, num_classes=8)
    _, others = mixed(images[order], labels[order], indices=order, recipe=recipe, epoch=2, num_classes=8)
    assert not torch.equal(labels[order].roll(1), labels.roll(1)[order])
    assert torch.allclose(others[labels, labels[order]], targets[order, labels[order]])


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_becomes_the_same_on_a_gpu(kind):
    """All choices are made of whole numbers; what is computed differs by rounding, and at borders by a pixel."""
    raw, every = pictures(), torch.arange(40)
    here = augmentation(kind)(raw, every)
    there = augmentation(kind)(raw.cuda(), every).cpu()
    assert ((there - here).abs() < 2 / 255).float().mean() > 0.99
