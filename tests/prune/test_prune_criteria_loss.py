"""Criteria that take gradients of the loss, against closed forms; and what all criteria with images promise."""

from dataclasses import replace

import numpy as np
import prune_nets as nets
import pytest
import torch
import torch.nn.functional as F
from criteria_nets import Linear, images_of, score, score_on
from torch import nn

from compressor.data.images import ImageSet
from compressor.data.preprocess import Normalised, parse_preprocess
from compressor.errors import DataError, PruneError
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import plan
from compressor.prune.coupling import trace_coupling
from compressor.prune.criteria import CRITERIA, Material
from compressor.types import Skipped

WITH_IMAGES = [name for name in CRITERIA if CRITERIA[name].needs_images]
EPSILON = 8 / 255


def first_order(model, images, labels):
    """Return gradient times weight, summed over each hidden unit, for each image of a linear network."""
    hidden = model.hidden(images.flatten(1))
    error = model.linear(hidden).softmax(dim=1) - F.one_hot(torch.tensor(labels), 2)
    return ((error @ model.linear.weight) * hidden).detach().double()


def test_hessian_in_closed_form():
    """Half the mean over images of the squared products ((softmax - onehot) V)[u] x[i] W[u, i], summed over i."""
    model, images, labels = Linear(), torch.rand(3, 1, 2, 2), [1, 0, 1]
    (found,) = score_on("hessian", model, images, labels)
    flat = images.flatten(1)
    error = model.linear(model.hidden(flat)).softmax(dim=1) - F.one_hot(torch.tensor(labels), 2)
    products = (error @ model.linear.weight)[:, :, None] * flat[:, None, :] * model.hidden.weight
    expected = products.detach().double().square().sum(dim=2).mean(dim=0) / 2
    assert found == pytest.approx(expected.numpy(), rel=1e-4)


def test_robust_in_closed_form():
    """Taylor on each image moved by epsilon along the sign of (softmax - onehot) V W, clipped to the box."""
    model = Linear()
    image = torch.rand(1, 1, 2, 2)
    label = int(model(image).argmax())
    error = model(image).softmax(dim=1) - F.one_hot(torch.tensor([label]), 2)
    step = (error @ model.linear.weight @ model.hidden.weight).sign().reshape(image.shape)
    moved = (image + EPSILON * step).clamp(0, 1).detach()
    (found,) = score_on("robust", model, image, [label])
    assert found == pytest.approx(first_order(model, moved, [label])[0].square().numpy(), rel=1e-3)
    assert found != pytest.approx(first_order(model, image, [label])[0].square().numpy(), rel=1e-3)


def test_robust_leaves_an_image_that_is_wrong_already():
    """What needs no attack is scored as it is."""
    model, image = Linear(), torch.rand(1, 1, 2, 2)
    wrong = int(model(image).argmin())
    (found,) = score_on("robust", model, image, [wrong])
    assert found == pytest.approx(first_order(model, image, [wrong])[0].square().numpy(), rel=1e-4)


def test_robust_attacks_images_before_they_are_normalised():
    """Epsilon is a distance of images in [0, 1]: a black image and a normalisation that stretches it a hundredfold."""
    model, image = Linear(), torch.zeros(1, 1, 2, 2)
    classifier = Normalised(model, parse_preprocess("mean=0;std=0.01"))
    label = int(classifier(image).argmax())
    error = classifier(image).softmax(dim=1) - F.one_hot(torch.tensor([label]), 2)
    step = (error @ model.linear.weight @ model.hidden.weight).sign().reshape(image.shape)
    moved = (EPSILON * step).clamp(0, 1).detach() / 0.01
    (found,) = score("robust", model, (1, 2, 2), classifier=classifier, train=images_of(image, [label]))
    assert found == pytest.approx(first_order(model, moved, [label])[0].square().numpy(), rel=1e-3)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_criteria_say_that_they_need_images(name):
    """Without training images there is one clear sentence and what to add (facts, trap 6)."""
    with pytest.raises(PruneError, match=f"criterion {name} needs training images") as caught:
        score(name, Linear(), (1, 2, 2))
    assert "--data" in caught.value.advice
    assert "--preprocess" in caught.value.advice


@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize("name", WITH_IMAGES)
def test_the_model_is_left_as_it_was(name, is_broken):
    """Modes, frozen parameters, gradients, weights and the random state are as before, also behind an error."""
    model = nets.Chain()
    classifier = Normalised(model, parse_preprocess("none")).train()
    model.norm.eval()
    model.linear.weight.requires_grad = False
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in classifier.modules()]
    state = torch.get_rng_state()
    train = images_of(torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)), [0, 1, 2, 0, 1])
    if is_broken:
        with pytest.raises(DataError, match="torn"):
            run(name, model, classifier, replace(train, reader=torn))
    else:
        run(name, model, classifier, train)
    assert [module.training for module in classifier.modules()] == modes
    assert [tensor.requires_grad for tensor in model.parameters()] == [True] * 6 + [False, True]
    assert all(tensor.grad is None for tensor in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def torn(indices):
    """Read nothing."""
    raise DataError("an image is torn", advice="replace it")


def run(name, model, classifier, train: ImageSet):
    """Score without touching a mode beforehand."""
    groups = trace_coupling(model, (3, 8, 8)).groups
    return CRITERIA[name].score(groups, Material(model=model, classifier=classifier, train=train))


@pytest.mark.parametrize("kind", [nets.Grouped, nets.Tokens, nets.Norms, nets.Shared, nets.Concat, nets.LambdaShortcut])
@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_on_every_kind_of_layer(name, kind):
    """Grouped, depthwise, transposed and shared layers, tokens, streams: finite scores or why not; twice the same."""
    model, labels = kind(), [0, 1, 2, 0, 1, 2]
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    found, again = (score_on(name, model, images, labels, seed=3) for _ in range(2))
    assert len(found) > 0
    for scores, same in zip(found, again, strict=True):
        if isinstance(scores, Skipped):
            assert name in scores.reason
        else:
            assert scores.dtype == np.float64
            assert np.isfinite(scores).all()
            assert (scores >= 0).all()
            assert np.array_equal(scores, same)


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"bn-scale", "hrank"}))
def test_hidden_units_of_a_transformer_are_scored(name):
    """Linear layers over tokens (N, T, C) have scores for all that do not need normalisation, height and width."""
    images = torch.rand(6, 3, 8, 8)
    scored = [
        one for one in score_on(name, nets.Tokens(), images, [0, 1, 2, 0, 1, 2]) if len(getattr(one, "shape", ()))
    ]
    assert [len(one) for one in scored if len(one) == 16]


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_plans_a_cifar_resnet(name):
    """Half of every group leaves, the same half each time; and the classes of the images need not be the model's."""
    resnet = nets.in_memory(CifarResNet(8), (3, 32, 32), architecture="cifar:resnet8")
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    train = images_of(images, [number % 4 for number in range(12)])
    made, again = (plan(resnet, ratio=0.5, criterion=name, train=train, seed=5) for _ in range(2))
    assert made.criterion == name
    assert made.leaving() == again.leaving()
    assert all(len(group.removed) * 2 == group.num_units for group in made.groups)


@pytest.mark.parametrize("name", ["kl", "hessian"])
def test_scores_are_means_over_images(name):
    """Two images together give the mean of what each gives alone."""
    model, images = nets.Chain(), torch.rand(2, 3, 8, 8)
    together = score_on(name, model, images, [0, 1])
    first, second = (score_on(name, model, images[one : one + 1], [one]) for one in (0, 1))
    for both, one, other in zip(together, first, second, strict=True):
        assert both == pytest.approx((one + other) / 2, rel=1e-4)


def test_what_a_model_draws_in_eval_mode_follows_the_seed():
    """A network that drops out always still has repeatable scores, and the caller's random state is not used up."""

    class Restless(Linear):
        def forward(self, images):
            return self.linear(F.dropout(self.hidden(images.flatten(1)), 0.5, training=True))

    model = Restless()
    images = torch.rand(4, 1, 2, 2)
    first, again = (score_on("taylor", model, images, [0, 1, 0, 1], seed=1)[0] for _ in range(2))
    (other,) = score_on("taylor", model, images, [0, 1, 0, 1], seed=2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_progress_is_told():
    """Every image that was looked at is reported once."""
    told = []

    class Listener:
        def stage(self, name, *, total=None, unit=""):
            told.append((name, total, unit))
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def advance(self, amount=1, note=""):
            told.append(amount)

        def say(self, message):
            raise AssertionError

    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Linear(6, 3))
    train = images_of(torch.rand(70, 3, 2, 2), [number % 3 for number in range(70)])
    for name in WITH_IMAGES:
        told.clear()
        classifier = Normalised(model, parse_preprocess("none"))
        score(name, model, (3, 2, 2), classifier=classifier, train=train, progress=Listener())
        assert told[0] == ("score filters", 70, "image")
        assert sum(told[1:]) == 70
