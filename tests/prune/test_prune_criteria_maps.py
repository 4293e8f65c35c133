"""Criteria that look at feature maps, against scores worked out by hand."""

import numpy as np
import prune_nets as nets
import pytest
import torch
from criteria_nets import Block, Linear, Maps, Product, Stream, score_on
from sklearn.cross_decomposition import PLSRegression
from torch import nn

from compressor.errors import PruneError
from compressor.prune.criteria import kl, maps
from compressor.prune.criteria.kl import divergence
from compressor.prune.criteria.pls import vip
from compressor.types import Skipped

ONE = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.0], [0.0, 0.0]]])
"""An image of two channels: rank 2 with mean 1/2, rank 1 with mean 1/8."""

FILTERS = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
"""Three filters: the first channel, the second, and the first turned round."""

BY_HAND = {
    # Means 1/2, 1/8, and 0 behind a ReLU or 1/2 without: divided by the mean of the three.
    ("expected-abs", nn.ReLU): [12 / 5, 3 / 5, 0.0],
    ("expected-abs", nn.Identity): [4 / 3, 1 / 3, 4 / 3],
    # Ranks 2, 1, and 0 behind a ReLU or 2 without.
    ("hrank", nn.ReLU): [2.0, 1.0, 0.0],
    ("hrank", nn.Identity): [6 / 5, 3 / 5, 6 / 5],
}


@pytest.mark.parametrize(("name", "activation"), BY_HAND)
def test_scores_by_hand(name, activation):
    """The mean and the rank of maps, behind an activation where there is one; two equal images change nothing."""
    model = Maps(FILTERS, activation=activation())
    (found,) = score_on(name, model, torch.stack([ONE, ONE]), [0, 1])
    assert found == pytest.approx(BY_HAND[name, activation])


def test_maps_of_a_stream_are_those_behind_the_addition():
    """Both layers that make the stream count alike: the first behind its ReLU, the second behind sum and ReLU."""
    model = Block(in_place=False).eval()
    images = torch.rand(5, 3, 8, 8)
    (found,) = score_on("expected-abs", model, images, [0, 1, 2, 0, 1])
    with torch.no_grad():
        first = model.norm(model.stem(images)).relu()
        second = (model.back(first) + first).relu()
    expected = [layer.mean((0, 2, 3)).double().numpy() for layer in (first, second)]
    assert found == pytest.approx(sum(means / means.mean() for means in expected) / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["expected-abs", "hrank", "pls", "kl"])
def test_operations_in_place_change_no_score(name):
    """Maps are kept as they were when they were made, whatever the model writes over them."""
    plain, in_place = Block(in_place=False), Block(in_place=True)
    in_place.load_state_dict(plain.state_dict())
    images, labels = torch.rand(6, 3, 8, 8), [0, 1, 2, 0, 1, 2]
    (first,), (second,) = (score_on(name, model, images, labels) for model in (plain, in_place))
    assert first == pytest.approx(second, rel=1e-5)


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("name", ["expected-abs", "hrank", "pls", "kl"])
def test_the_size_of_a_chunk_changes_no_score(name, size, monkeypatch):
    """Seven images at once, one at a time, or in threes: the same but for rounding."""
    model, images, labels = nets.Chain(), torch.rand(7, 3, 8, 8), [0, 1, 2, 0, 1, 2, 0]
    whole = score_on(name, model, images, labels)
    for room in (maps, kl):
        monkeypatch.setattr(room, "chunk_size", lambda shape: size)
    for one, other in zip(whole, score_on(name, model, images, labels), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_single_numbers_and_rows_of_tokens_have_no_rank():
    """Hrank skips linear layers with a reason, and scores the layers beside them."""
    images = torch.rand(4, 3, 8, 8)
    (flat,) = score_on("hrank", Linear(), torch.rand(4, 1, 2, 2), [0, 1, 0, 1])
    assert isinstance(flat, Skipped)
    assert "height and width" in flat.reason
    stream, inner = score_on("hrank", nets.Tokens(), images, [0, 1, 0, 1])[:2]
    assert isinstance(stream, np.ndarray)
    assert isinstance(inner, Skipped)


@pytest.mark.parametrize("name", ["expected-abs", "hrank", "pls", "kl"])
def test_layers_whose_maps_cannot_be_seen_are_skipped(name):
    """Could not look is a value with a reason, not a score of zero."""
    (found,) = score_on(name, Product(), torch.rand(4, 3, 4, 4), [0, 1, 2, 0])
    assert isinstance(found, Skipped)
    assert name in found.reason


def masked_divergence(model, images, mask, num_units):
    """Return the mean of sum q log(q / p) when one unit after the other is masked."""
    found = []
    with torch.no_grad():
        before = model(images).double().log_softmax(dim=1)
        for unit in range(num_units):
            saved = {name: value.clone() for name, value in model.state_dict().items()}
            mask(model, unit)
            after = model(images).double().log_softmax(dim=1)
            model.load_state_dict(saved)
            found.append(float((after.exp() * (after - before)).sum(dim=1).mean()))
    return found


def mask_filter(model, unit):
    """Zero a filter of the hidden layer."""
    model.hidden.weight[unit] = 0


def mask_stream(model, unit):
    """Zero a channel of the stream wherever normalised maps are added to it."""
    for norm in (model.stem_norm, model.back_norm):
        norm.weight[unit] = 0
        norm.bias[unit] = 0


def test_kl_is_that_of_the_masked_network():
    """Where everything behind a unit is linear, the score is the divergence that masking it really causes."""
    model, images = Linear(num_classes=3).eval(), torch.rand(9, 1, 2, 2)
    (found,) = score_on("kl", model, images, [0, 1, 2] * 3)
    assert found == pytest.approx(masked_divergence(model, images, mask_filter, 3), rel=1e-4, abs=1e-9)


def test_kl_masks_a_stream_wherever_it_is_made():
    """A unit that two layers make is masked behind the normalisation of both; it does not read itself here."""
    model = Stream().eval()
    nets.shake_norms(model)
    model.back.weight.data.copy_(torch.eye(4).roll(1, dims=0)[:, :, None, None])
    images = torch.rand(6, 3, 8, 8)
    (found,) = score_on("kl", model, images, [0, 1, 2, 0, 1, 2])
    assert found == pytest.approx(masked_divergence(model, images, mask_stream, 4), rel=1e-3, abs=1e-9)


def test_divergence_of_some_classes_leaves_the_others_where_they_are():
    """Two of four logits move: by hand over all four, and by the formula over two and the rest."""
    logits, moves = np.array([2.0, 1.0, 0.5, -1.0]), np.array([-1.5, 0.25, 0.0, 0.0])
    before, after = (np.exp(values) / np.exp(values).sum() for values in (logits, logits + moves))
    (found,) = divergence(before[None, :2], moves[None, :2, None])
    assert found == pytest.approx([(after * np.log(after / before)).sum()])
    assert divergence(before[None, :2], np.array([[[900.0], [-900.0]]])) == pytest.approx(-np.log(before[0]))


def test_vip_by_hand():
    """The answer, noise at right angles, and the answer turned round: one direction, half of it each."""
    answer = np.array([1.0, 1.0, -1.0, -1.0])
    noise = np.array([1.0, -1.0, 1.0, -1.0])
    found = vip(np.stack([answer, noise, -3 * answer], axis=1), answer[:, None], num_components=2)
    assert found == pytest.approx(np.sqrt([1.5, 0, 1.5]))


def test_vip_of_scikit_learn():
    """The formula on scikit-learn's own components gives the same, for several classes and a constant variable."""
    random = np.random.default_rng(0)
    answers = np.eye(3)[random.integers(3, size=40)]
    variables = random.normal(size=(40, 7)) + answers @ random.normal(size=(3, 7))
    variables[:, 4] = 0.1
    fitted = PLSRegression(n_components=2, tol=1e-14, max_iter=100_000).fit(variables, answers)
    shares = (fitted.x_scores_**2).sum(axis=0) * (fitted.y_loadings_**2).sum(axis=0)
    expected = np.sqrt(7 * (fitted.x_weights_**2 @ shares) / shares.sum())
    assert vip(variables, answers, num_components=2) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_pls_keeps_the_filter_that_tells_the_classes():
    """The filter on the channel that holds the label scores above the one on noise; one that never fires scores 0."""
    random = np.random.default_rng(0)
    labels = [0, 1] * 20
    pixels = torch.from_numpy(random.random((40, 2, 4, 4), dtype=np.float32))
    pixels[:, 0] *= 0.1 + 0.9 * torch.tensor(labels)[:, None, None]
    told, noise, never = score_on("pls", Maps(FILTERS, activation=nn.ReLU()), pixels, labels)[0]
    assert told > 1 > noise > never == 0


def test_pls_needs_two_classes():
    """With images of one class nothing can be told apart."""
    with pytest.raises(PruneError, match="at least two classes"):
        score_on("pls", nets.Chain(), torch.rand(3, 3, 8, 8), [1, 1, 1])
