"""Each criterion against scores worked out by hand."""

import numpy as np
import prune_nets as nets
import pytest
import torch
import torch.nn.functional as F
from criteria_nets import Linear, score, score_on
from torch import Tensor, nn

from compressor.prune.criteria import CRITERIA
from compressor.types import Skipped


class Two(nn.Module):
    """Two filters of two weights, a scale each, and two answers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.linear = nn.Linear(3, 2)
        self.conv.weight.data = torch.tensor([[3.0, -4.0], [0.0, 1.0], [6.0, 0.0]]).reshape(3, 2, 1, 1)
        self.norm.weight.data = torch.tensor([-0.5, 2.0, 1.0])

    def forward(self, images: Tensor) -> Tensor:
        """Answer logits."""
        return self.linear(F.relu(self.norm(self.conv(images))).mean((2, 3)))


BY_HAND = {
    "l1": np.array([7.0, 1.0, 6.0]) / (14 / 3),
    "l2": np.array([5.0, 1.0, 6.0]) / 4,
    "fpgm": np.array([34**0.5 + 5.0, 34**0.5 + 37**0.5, 5.0 + 37**0.5]) / ((2 * (34**0.5 + 37**0.5 + 5.0)) / 3),
    # Squared norms 25, 1, 36; not smaller are 25 + 36, all, 36.
    "lamp": np.array([25 / 61, 1 / 62, 1.0]),
    "bn-scale": np.array([0.5, 2.0, 1.0]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_by_hand(name):
    """Three filters: (3, -4), (0, 1), (6, 0), with scales -0.5, 2, 1."""
    (found,) = score(name, Two(), (2, 4, 4))
    assert found == pytest.approx(BY_HAND[name], rel=1e-12)


def test_a_unit_of_several_layers_is_scored_over_all_of_them():
    """Each layer counts alike, however large its weights are."""
    model = nets.Residual()
    for layer, factor in ((model.stem, 1.0), (model.back, 1000.0)):
        layer.weight.data.fill_(factor)
    model.stem.weight.data[0] = 0
    model.back.weight.data[1] = 0
    stream, _ = score("l1", model, (3, 8, 8))
    one = 8 / 7
    assert stream == pytest.approx(np.array([one / 2, one / 2, *[one] * 6]))


def test_random_depends_on_the_seed_and_the_group_only():
    """The same seed gives the same scores, another seed others, and groups differ."""
    first, second = score("random", nets.Concat(), (3, 8, 8), seed=3)
    again, _ = score("random", nets.Concat(), (3, 8, 8), seed=3)
    other, _ = score("random", nets.Concat(), (3, 8, 8), seed=4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, second[:4])


def test_groups_without_batch_normalisation_are_skipped_by_bn_scale():
    """Could not look is a value with a reason."""
    found = score("bn-scale", nets.Chain(), (3, 8, 8))
    assert isinstance(found[0], np.ndarray)
    assert isinstance(found[1], Skipped)


def test_taylor_in_closed_form():
    """For a linear network and one image, a unit's change is (softmax - onehot) V[:, u] (W x)[u]."""
    model = Linear()
    image = torch.rand(1, 1, 2, 2)
    (found,) = score_on("taylor", model, image, [1])
    hidden = model.hidden(image.flatten(1))
    error = model.linear(hidden).softmax(dim=1) - torch.tensor([[0.0, 1.0]])
    expected = ((error @ model.linear.weight) * hidden).square()[0]
    assert found == pytest.approx(expected.detach().double().numpy(), rel=1e-4)


def test_far_filters_of_a_wide_layer_are_found_in_blocks():
    """Distances of more filters than are computed at once are those that are computed directly."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1100), nn.Linear(1100, 2))
    (found,) = score("fpgm", model, (3, 2, 2))
    weights = model[1].weight.detach().double()
    sums = torch.stack([(weights - one).square().sum(dim=1).sqrt().sum() for one in weights])
    assert found == pytest.approx((sums / sums.mean()).numpy(), rel=1e-9)


def test_equal_filters_share_their_lamp_score():
    """Eight equal filters each have an eighth of what is not smaller."""
    model = nets.Chain()
    model.conv1.weight.data.fill_(1.0)
    first, _ = score("lamp", model, (3, 8, 8))
    assert first == pytest.approx(np.full(8, 1 / 8))


def test_every_criterion_names_its_paper():
    """The table is the one list of criteria, and each has its source."""
    assert {name for name in CRITERIA if not CRITERIA[name].source.startswith("arXiv ")} == set()
    with_images = {"expected-abs", "hrank", "kl", "pls", "taylor", "hessian", "robust"}
    assert {name for name in CRITERIA if CRITERIA[name].needs_images} == with_images
