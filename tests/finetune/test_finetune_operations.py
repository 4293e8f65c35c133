"""Operations on batches, each against torchvision's own on one image."""

import math

import pytest
import torch
from torchvision.transforms.v2 import AugMix, TrivialAugmentWide, functional

from compressor.finetune.operations import augmix, trivial_augment

THEIRS = {
    "identity": "Identity",
    "shear-x": "ShearX",
    "shear-y": "ShearY",
    "translate-x": "TranslateX",
    "translate-y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "colour": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "auto-contrast": "AutoContrast",
    "equalize": "Equalize",
}


def bent(image, **how):
    """Return an image moved by torchvision's affine map."""
    plain = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    return functional.affine(image, **{**plain, **how})


def degrees(magnitude):
    return math.degrees(math.atan(magnitude))


BY_TORCHVISION = {
    "identity": lambda image, _: image,
    "shear-x": lambda image, magnitude: bent(image, shear=[degrees(magnitude), 0.0], center=[0, 0]),
    "shear-y": lambda image, magnitude: bent(image, shear=[0.0, degrees(magnitude)], center=[0, 0]),
    "translate-x": lambda image, magnitude: bent(image, translate=[int(magnitude), 0]),
    "translate-y": lambda image, magnitude: bent(image, translate=[0, int(magnitude)]),
    "rotate": lambda image, magnitude: functional.rotate(image, angle=magnitude),
    "brightness": lambda image, magnitude: functional.adjust_brightness(image, 1 + magnitude),
    "colour": lambda image, magnitude: functional.adjust_saturation(image, 1 + magnitude),
    "contrast": lambda image, magnitude: functional.adjust_contrast(image, 1 + magnitude),
    "sharpness": lambda image, magnitude: functional.adjust_sharpness(image, 1 + magnitude),
    "posterize": lambda image, magnitude: functional.posterize(image, bits=int(magnitude)),
    "solarize": lambda image, magnitude: functional.solarize(image, threshold=255 * magnitude),
    "auto-contrast": lambda image, _: functional.autocontrast(image),
    "equalize": lambda image, _: functional.equalize(image),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 9, 13)])
def test_many_at_once_are_as_one_by_one(name, shape):
    """The same image up to a level of grey; where a pixel is moved, all but the few that lie on a border."""
    operation = trivial_augment()[name]
    magnitudes = torch.tensor(operation.magnitudes)[:: 1 if len(operation.magnitudes) == 1 else 5]
    magnitudes = torch.cat([magnitudes, -magnitudes]) if operation.signed else magnitudes
    smooth = torch.nn.functional.interpolate(torch.rand(len(magnitudes), shape[0], 5, 5), shape[1:], mode="bilinear")
    images = (smooth * 255).to(torch.uint8)
    found = operation.apply(images, magnitudes)
    assert found.dtype == torch.uint8
    for image, mine, magnitude in zip(images, found, magnitudes.tolist(), strict=True):
        expected = BY_TORCHVISION[name](image, magnitude)
        close = (mine.int() - expected.int()).abs() <= 1
        assert close.float().mean() > (0.97 if name in {"rotate", "shear-x", "shear-y"} else 0.9999), magnitude


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (trivial_augment(), TrivialAugmentWide()._AUGMENTATION_SPACE),
        (augmix(32, 48), AugMix(all_ops=False)._PARTIAL_AUGMENTATION_SPACE),
    ],
)
def test_the_spaces_are_torchvisions(ours, theirs):
    """The same operations, magnitudes and signs."""
    assert {THEIRS[name] for name in ours} == set(theirs)
    for name, operation in ours.items():
        magnitudes, signed = theirs[THEIRS[name]]
        found = magnitudes(31 if "identity" in ours else 10, 32, 48)
        assert operation.signed == signed
        if found is not None:
            expected = found.float() if "identity" in ours else found.float()[:3]
            assert torch.allclose(torch.tensor(operation.magnitudes), expected, atol=1e-5), name
