"""What all corruptions have in common: names, strengths, sizes, seeds, and more damage at higher severities."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compressor.corruptions.kinds import CORRUPTIONS
from compressor.corruptions.pixels import stored
from compressor.corruptions.table import PUBLISHED, Planned, corrupt, plan_for, settings_of

SHAPES = [(3, 32, 32), (1, 28, 28), (3, 17, 23), (1, 8, 8), (3, 70, 66)]


def batch(shape: tuple[int, int, int], num: int = 3) -> torch.Tensor:
    """Return images with structure: smooth shapes and some texture, in 8 bits."""
    generator = torch.Generator().manual_seed(5)
    rough = torch.rand((num, shape[0], 5, 5), generator=generator)
    smooth = torch.nn.functional.interpolate(rough, size=shape[1:], mode="bilinear")
    return stored(0.8 * smooth + 0.2 * torch.rand((num, *shape), generator=generator))


def test_the_names_and_order_are_the_published_ones():
    """Fifteen, and all but frost are computed here."""
    assert len(PUBLISHED) == 15
    assert PUBLISHED[7:10] == ("snow", "frost", "fog")
    plan = plan_for((3, 32, 32))
    assert len(plan.each) == 70
    assert [(name, "photographs" in skipped.reason) for name, skipped in plan.skipped] == [("frost", True)]
    assert [each.severity for each in plan.each[:5]] == [1, 2, 3, 4, 5]


def test_strengths_are_published_and_lengths_scale_with_the_image():
    """At 32 and 224 pixels the constants are those of the scripts; in between and below, lengths follow the side."""
    assert settings_of("motion_blur", 5, 32) == {"radius": 9, "sigma": 2.5}
    assert settings_of("motion_blur", 5, 16) == {"radius": 4.5, "sigma": 1.25}
    assert settings_of("motion_blur", 5, 224) == {"radius": 20, "sigma": 15}
    assert settings_of("motion_blur", 5, 112) == {"radius": 10, "sigma": 7.5}
    assert settings_of("gaussian_noise", 1, 16) == settings_of("gaussian_noise", 1, 32) == {"sigma": 0.04}
    assert settings_of("gaussian_noise", 1, 64) == {"sigma": 0.08}
    assert settings_of("glass_blur", 5, 112) == {"sigma": 0.75, "reach": 2, "num_rounds": 2}
    assert settings_of("defocus_blur", 5, 16) == {"radius": 1.0, "edge": 0.1}
    assert settings_of("snow", 4, 8) == settings_of("snow", 4, 32) | {"flake": 1.0, "radius": 3.0, "sigma": 1.5}
    for kind in CORRUPTIONS.values():
        assert {len(values) for values in (*kind.cifar, *kind.imagenet)} == {len(kind.keys)}
        assert len(kind.cifar) == len(kind.imagenet) == 5
        assert kind.lengths | kind.whole <= set(kind.keys)


@pytest.mark.parametrize(
    ("shape", "skipped", "words"),
    [
        ((4, 32, 32), {"snow", "brightness", "jpeg_compression"}, "4 channels"),
        ((3, 32, 7), set(PUBLISHED) - {"gaussian_noise", "shot_noise", "impulse_noise", "brightness", "contrast"}, "7"),
    ],
)
def test_what_is_undefined_is_skipped_with_its_reason(shape, skipped, words):
    """Unknown colours and tiny images leave out what needs to know colours or neighbours."""
    plan = plan_for(shape)
    reasons = {name: each.reason for name, each in plan.skipped}
    assert set(reasons) == skipped | {"frost"}
    assert all(words in reason for name, reason in reasons.items() if name != "frost")
    assert {each.name for each in plan.each} == set(PUBLISHED) - set(reasons)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_corruption_keeps_to_the_box_and_to_the_seed(shape):
    """Any size, grey or coloured: 8 bits in [0, 1], the same for the same seed, whatever the company."""
    images, plan = batch(shape), plan_for(shape)
    for planned in plan.each:
        found = corrupt(planned, images, [11, 12, 13])
        assert found.shape == images.shape
        assert found.dtype == torch.float32
        assert torch.equal(found, stored(found.double())), planned
        assert torch.equal(corrupt(planned, images[1:2], [12])[0], found[1]), planned
        assert not torch.equal(found, images), planned
    assert {name for name, _ in plan.skipped} == ({"frost", "zoom_blur"} if shape[1] < 16 else {"frost"})


def test_another_seed_is_another_draw():
    """What is random differs with the seed and the severity's own draw; what is not, does not."""
    images, fixed = batch((3, 32, 32), 1), {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate"}
    for planned in plan_for((3, 32, 32)).each:
        if planned.severity == 5:
            is_same = torch.equal(corrupt(planned, images, [1]), corrupt(planned, images, [2]))
            assert is_same == (planned.name in fixed | {"jpeg_compression"}), planned


def test_severities_do_not_share_their_noise():
    """The published sets draw anew for each severity."""
    images = torch.full((1, 3, 32, 32), 0.5)
    mild, severe = (
        corrupt(Planned(name="gaussian_noise", severity=severity, settings={"sigma": 0.1}), images, [4])
        for severity in (1, 2)
    )
    correlation = np.corrcoef((mild - 0.5).flatten().numpy(), (severe - 0.5).flatten().numpy())[0, 1]
    assert abs(correlation) < 0.1


@pytest.mark.slow
@pytest.mark.shared_data
def test_severities_damage_real_images_more_and_more(shared_data: Path):
    """On photographs the distance from the clean image grows with every severity, but where the constants turn back.

    Glass blur smooths less at severity 4 than at 3, motion blur has one fading at 3 and 4, and stretching is another
    mixture at each severity.
    """
    with np.load(shared_data / "sdp-cifar10-200.npz") as held:
        images = torch.from_numpy(held["x_test"][:48]).permute(0, 3, 1, 2).float().div(255)
    damage = {
        name: [
            float((corrupt(planned, images, list(range(len(images)))) - images).square().mean())
            for planned in plan_for((3, 32, 32)).each
            if planned.name == name
        ]
        for name in CORRUPTIONS
    }
    turning = {"glass_blur", "motion_blur", "elastic_transform"}
    assert {name for name, found in damage.items() if found != sorted(found)} <= turning
    assert all(damage[name][-1] > damage[name][0] for name in set(damage) - {"elastic_transform"})
