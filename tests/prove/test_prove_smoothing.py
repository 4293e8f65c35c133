"""Randomized smoothing, where the smoothed classifier is known."""

import pytest
import torch
from scipy.special import ndtr, ndtri
from torch import nn

from compressor.attacks.model import AttackedModel
from compressor.prove.smoothing import (
    ALPHA,
    NUM_DRAWS,
    Radius,
    Smoothed,
    lower_share,
    smoothed_radius,
    verdict_on,
)

SHAPE = (1, 4, 4)


def halves() -> nn.Module:
    """Return two classes, parted by a plane through the grey image."""
    layer = nn.Linear(16, 2)
    layer.weight.data = torch.stack([torch.full((16,), 0.25), torch.zeros(16)])
    layer.bias.data = torch.tensor([-2.0, 0.0])
    return nn.Sequential(nn.Flatten(), layer)


def radius_at(distance: float, *, sigma: float = 0.5, seed: int = 3) -> Radius:
    """Return what is found at a distance from the plane."""
    with AttackedModel(halves(), shape=SHAPE) as model:
        return smoothed_radius(model, torch.full(SHAPE, 0.5 + distance / 4), sigma=sigma, seed=seed)


@pytest.mark.parametrize("distance", [-0.5, 0.25, 0.7])
def test_a_plane_is_found_from_below(distance):
    """The true radius of the smoothed classifier is the distance; the bound is below it and near it."""
    found = radius_at(distance)
    assert found.label == int(distance < 0)
    likely = 0.5 * float(ndtri(lower_share(round(NUM_DRAWS * float(ndtr(abs(distance) / 0.5))), NUM_DRAWS, ALPHA)))
    assert found.radius < abs(distance)
    assert found.radius == pytest.approx(likely, abs=0.06)


def test_no_class_is_named_where_the_coin_is_fair():
    """On the plane it abstains."""
    found = radius_at(0.0)
    assert found.radius == 0.0
    assert verdict_on(found, 0, 0.5) is Smoothed.ABSTAINED


def test_noise_belongs_to_the_image():
    """The same seed gives the same answer, another one another count."""
    assert radius_at(0.4) == radius_at(0.4)
    assert radius_at(0.4) != radius_at(0.4, seed=4)


def test_a_radius_counts_when_it_is_right_and_far_enough():
    """Certified only if both hold."""
    assert verdict_on(Radius(label=1, radius=0.6), 1, 0.5) is Smoothed.CERTIFIED
    assert verdict_on(Radius(label=1, radius=0.6), 0, 0.5) is Smoothed.SHORT
    assert verdict_on(Radius(label=1, radius=0.4), 1, 0.5) is Smoothed.SHORT


def test_the_lower_share_is_clopper_pearsons():
    """All of n right gives alpha ** (1 / n); the paper's bound for 990 of 1,000 by binomial tails."""
    from scipy.stats import binom

    assert lower_share(1000, 1000, 0.001) == pytest.approx(0.001 ** (1 / 1000))
    assert lower_share(0, 1000, 0.001) == 0.0
    assert binom.sf(989, 1000, lower_share(990, 1000, 0.001)) == pytest.approx(0.001)
