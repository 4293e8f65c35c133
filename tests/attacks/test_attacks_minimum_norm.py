"""Attacks that look for the nearest wrong image, and the step to a hyperplane that one of them takes."""

import numpy as np
import pytest
import torch
from attack_nets import L2, LINF, LinearCase, pruned_like, sizes, threat
from scipy.optimize import linprog, minimize
from torch import nn

from compressor.attacks import fab as fab_file
from compressor.attacks.fab import fab_targeted
from compressor.attacks.fmn import fmn, nearest_wrong
from compressor.attacks.model import AttackedModel
from compressor.attacks.plane import step_to_plane
from compressor.attacks.table import fit

SHAPE = (1, 8, 8)


def shortest(image, normal, gap, norm):
    """Return the length of the shortest step d with normal . d = gap that stays in the box, or None: by a solver."""
    num = len(image)
    bounds = list(zip(-image, 1 - image, strict=True))
    room = np.where(normal * gap > 0, 1 - image, image)
    if np.abs(normal) @ room < abs(gap):
        return None
    if norm is LINF:
        eye = np.eye(num)
        limits = np.block([[eye, -np.ones((num, 1))], [-eye, -np.ones((num, 1))]])
        cost, plane = np.r_[np.zeros(num), 1.0], np.r_[normal, 0.0][None]
        found = linprog(cost, limits, np.zeros(2 * num), plane, [gap], bounds=[*bounds, (0, None)])
        return found.fun
    plane = {"type": "eq", "fun": lambda step: normal @ step - gap, "jac": lambda step: normal}
    found = minimize(
        lambda step: step @ step,
        np.zeros(num),
        jac=lambda step: 2 * step,
        bounds=bounds,
        constraints=[plane],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    return found.fun**0.5


@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 3), (3, 2, 2)])
def test_no_shorter_step_reaches_the_plane(norm, shape):
    """The step lies on the plane and in the box, and a solver finds none that is shorter."""
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(20, *shape, generator=generator).mul(1.6).sub(0.3).clamp(0, 1)
    normal = torch.randn(20, *shape, generator=generator)
    normal[torch.rand(normal.shape, generator=generator) < 0.2] = 0.0
    gap = torch.randn(20, generator=generator) * 0.5
    step = step_to_plane(images, normal, gap, norm)
    assert float((images + step).min()) >= 0
    assert float((images + step).max()) <= 1
    num_reached = 0
    for row, length in enumerate(sizes(images + step, images, norm).tolist()):
        flat = [each[row].double().flatten().numpy() for each in (images, normal, step)]
        best = shortest(flat[0], flat[1], float(gap[row]), norm)
        if best is None:
            corner = np.where(flat[1] * float(gap[row]) > 0, 1 - flat[0], -flat[0]) * (flat[1] != 0)
            assert np.allclose(flat[2], corner, atol=1e-6)
            continue
        num_reached += 1
        assert flat[1] @ flat[2] == pytest.approx(float(gap[row]), abs=1e-5)
        assert length == pytest.approx(best, abs=2e-5)
    assert num_reached > 3


@pytest.mark.parametrize("norm", [LINF, L2])
def test_steps_do_not_depend_on_scale_or_company(norm):
    """Tiny gradients and other rows: the same step. Without a gradient none, and none for a gap that is no number."""
    images, normal, gap = torch.rand(5, 3, 16, 16), torch.randn(5, 3, 16, 16), torch.tensor([1.0, -2.0, 3.0, 0.5, -9.0])
    step = step_to_plane(images, normal, gap, norm)
    tiny = step_to_plane(images, normal * 2.0**-90, gap * 2.0**-90, norm)
    assert torch.equal(step, tiny)
    for row in range(5):
        assert torch.equal(step_to_plane(*(each[row : row + 1] for each in (images, normal, gap)), norm)[0], step[row])
    assert not step_to_plane(images, torch.zeros_like(normal), gap, norm).any()
    assert not step_to_plane(images, normal, gap * torch.nan, norm).any()


@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize("num", [1, 3, 8])
def test_distances_are_within_a_twentieth(norm, num):
    """On a linear classifier of two classes the distance found is at least the true one, and at most 1.05 times it."""
    case = LinearCase(num=num, num_classes=2)
    with AttackedModel(case.net, shape=case.shape) as model:
        found = nearest_wrong(model, case.images, case.labels, norm=norm, seeds=case.seeds, num_steps=30)
        assert bool((model.logits(found.images, case.seeds).argmax(1) != case.labels).all())
    ratio = found.distances / case.distances(norm)
    assert float(ratio.min()) >= 1 - 1e-5
    assert float(ratio.max()) <= 1.05
    assert torch.equal(sizes(found.images, case.images, norm), found.distances) or norm is L2
    assert torch.allclose(sizes(found.images, case.images, norm), found.distances)
    assert (model.num_forward, model.num_backward) == (num * 32, num * 30)


@pytest.mark.parametrize("norm", [LINF, L2])
def test_distances_heed_the_box(norm):
    """Where pixels are 0 or 1 and cannot move on, the others pay: the distance is that of a solver, to a twentieth."""
    torch.manual_seed(4)
    layer = nn.Linear(12, 2)
    net = nn.Sequential(nn.Flatten(), layer)
    images = torch.rand(12, 3, 2, 2).mul(2).sub(0.5).clamp(0, 1)
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    pixels = images.flatten(1).double().numpy()
    logits = pixels @ weight.T + bias
    labels = logits.argmax(1)
    other = 1 - labels
    gaps = logits[range(12), labels] - logits[range(12), other]
    normals = weight[other] - weight[labels]
    expected = [shortest(*each, norm) for each in zip(pixels, normals, gaps, strict=True)]
    with AttackedModel(net, shape=(3, 2, 2)) as model:
        found = nearest_wrong(model, images, torch.from_numpy(labels), norm=norm, seeds=torch.arange(12))
    assert sum(each is not None for each in expected) > 4
    for distance, best in zip(found.distances.tolist(), expected, strict=True):
        assert np.isinf(distance) if best is None else best * (1 - 1e-5) <= distance <= best * 1.05


class _Constant(nn.Module):
    def forward(self, images):
        return torch.tensor([1.0, 0.0, 0.0]).repeat(len(images), 1) + 0 * images.flatten(1)[:, :3]


def test_nothing_found_is_infinitely_far():
    """A constant model is never wrong: its images come back. Where it is wrong already, nothing is searched for."""
    images, labels = torch.rand(4, *SHAPE), torch.tensor([0, 1, 0, 2])
    with AttackedModel(_Constant(), shape=SHAPE) as model:
        found = nearest_wrong(model, images, labels, norm=L2, seeds=torch.arange(4), num_steps=6)
    assert found.distances.tolist() == [torch.inf, 0.0, torch.inf, 0.0]
    assert torch.equal(found.images, images)
    assert (model.num_forward, model.num_backward) == (4 + 5 * 2 + 2, 4 + 5 * 2)


class _Breaking(nn.Module):
    """Answers NaN where the mean is above a bound."""

    def forward(self, images):
        mean = images.flatten(1).mean(1, keepdim=True)
        return torch.cat([1 - mean, mean - 1], 1) + torch.where(mean > 0.6, torch.nan, 0.0)


@pytest.mark.parametrize("norm", [LINF, L2])
def test_an_answer_that_is_no_number_is_wrong(norm):
    """Such an image is found, and does not spoil the others."""
    images, seeds = torch.full((3, *SHAPE), 0.5), torch.arange(3)
    images[1] = 0.1
    labels, what = torch.zeros(3, dtype=torch.int64), threat(norm, 0.15 if norm is LINF else 1.2)
    with AttackedModel(_Breaking(), shape=SHAPE) as model:
        for attack in (fmn, fab_targeted):
            found = attack(model, images, labels, threat=what, seeds=seeds)
            assert bool(found.isfinite().all())
            assert model.logits(found, seeds).isnan().any(1).tolist() == [True, False, True]


@pytest.mark.parametrize("norm", [LINF, L2])
def test_distances_belong_to_the_image(norm):
    """Company and order change no bit, on a network with odd widths."""
    net, images, seeds = pruned_like(), torch.rand(20, *SHAPE), torch.arange(20) * 7 + 3
    with AttackedModel(net, shape=SHAPE) as model:
        labels = model.logits(images, seeds).argmax(1)
        whole = nearest_wrong(model, images, labels, norm=norm, seeds=seeds, num_steps=12)
        for rows in (torch.tensor([4]), torch.tensor([19, 0, 7]), torch.arange(9, 17)):
            given = {"norm": norm, "seeds": seeds[rows], "num_steps": 12}
            part = nearest_wrong(model, images[rows], labels[rows], **given)
            assert torch.equal(part.distances, whole.distances[rows])
            assert torch.equal(part.images, whole.images[rows])
    assert bool(whole.distances.isfinite().all())


@pytest.mark.parametrize("norm", [LINF, L2])
def test_fmn_stops_as_soon_as_it_is_near_enough(norm):
    """With a threat that breaks everything the images leave early; with one that breaks nothing all steps are taken."""
    case = LinearCase(num=8, num_classes=2)
    distances = case.distances(norm)
    passes = []
    for epsilon in (float(distances.max()) * 1.5, float(distances.min()) * 0.5):
        with AttackedModel(case.net, shape=case.shape) as model:
            fmn(model, case.images, case.labels, threat=threat(norm, epsilon), seeds=case.seeds, num_steps=40)
        passes.append((model.num_forward, model.num_backward))
    assert passes[0][0] < 8 * 10
    assert passes[1] == (8 * 41, 8 * 40)


@pytest.mark.parametrize("norm", [LINF, L2])
def test_fab_takes_all_its_steps_and_counts_them(norm):
    """An image that stands takes two forward passes and one backward a step and class, and one for the order."""
    case = LinearCase(num=6, num_classes=5)
    what = threat(norm, float(case.distances(norm).min()) * 0.5)
    with AttackedModel(case.net, shape=case.shape) as model:
        given = {"num_targets": 3, "num_steps": 7, "num_restarts": 2}
        found = fab_targeted(model, case.images, case.labels, threat=what, seeds=case.seeds, **given)
    assert (model.num_forward, model.num_backward) == (6 * (1 + 2 * 3 * 2 * 7), 6 * 3 * 2 * 7)
    assert float(sizes(found, case.images, norm).max()) <= what.radius


def test_fab_leaves_at_the_first_wrong_image_within_the_threat():
    """The nearest class comes first, and the first step reaches its boundary: one step for each image."""
    case = LinearCase(num=8, num_classes=2)
    what = threat(L2, float(case.distances(L2).max()) * 1.2)
    with AttackedModel(case.net, shape=case.shape) as model:
        fab_targeted(model, case.images, case.labels, threat=what, seeds=case.seeds)
    assert (model.num_forward, model.num_backward) == (8 * 3, 8)


def test_fab_pulls_back_what_is_wrong_and_too_far(monkeypatch):
    """An iterate that is wrong outside the threat keeps nine tenths of its way."""
    case = LinearCase(num=4, num_classes=2)
    what = threat(LINF, float(case.distances(LINF).min()) * 0.5)
    seen = []
    keep = fab_file._next

    def noted(ball, iterates, *rest, **settings):
        ahead = keep(ball, iterates, *rest, **settings)
        seen.append((iterates - ball.clean, ahead - ball.clean))
        return ahead

    monkeypatch.setattr(fab_file, "_next", noted)
    with AttackedModel(case.net, shape=case.shape) as model:
        fab_targeted(model, case.images, case.labels, threat=what, seeds=case.seeds, num_steps=3)
    (first, ahead), (second, _), _ = seen
    assert not first.any()
    # From the clean image both steps are the same, 1.05 times the way to the boundary.
    far = ahead.flatten(1).abs().amax(1).double()
    assert torch.allclose(far, 1.05 * case.distances(LINF), rtol=1e-4)
    assert torch.allclose(second, 0.9 * ahead, atol=1e-6)


def test_fab_is_the_reference_by_default():
    """Nine classes, 100 steps, one restart, and the paper's three numbers; fewer classes are fewer targets."""
    stated = {"num_targets": 9, "num_steps": 100, "num_restarts": 1}
    paper = {"alpha_max": 0.1, "overshoot": 1.05, "backward": 0.9}
    what = threat(LINF, 0.1)
    assert fit("fab-targeted", {}, threat=what, num_classes=10) == ("fab-targeted", stated | paper)
    assert fit("fab-targeted", {}, threat=what, num_classes=1000) == ("fab-targeted", stated | paper)
    assert fit("fab-targeted", {}, threat=what, num_classes=2)[1]["num_targets"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("norm", [LINF, L2])
def test_fab_agrees_with_another_implementation(norm):
    """Ours breaks exactly the images that targeted FAB of torchattacks breaks, 100 steps each."""
    import torchattacks

    torch.manual_seed(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 6)).requires_grad_(False)
    images = torch.rand(60, *SHAPE)
    labels, epsilon = net(images).argmax(1), {LINF: 0.03, L2: 0.12}[norm]
    name = {LINF: "Linf", L2: "L2"}[norm]
    attack = torchattacks.FAB(net, norm=name, eps=epsilon, steps=100, multi_targeted=True, n_classes=6)
    theirs = attack(images, labels).detach()
    broken = (net(theirs).argmax(1) != labels) & (sizes(theirs, images, norm) <= epsilon)
    with AttackedModel(net, shape=SHAPE) as model:
        ours = fab_targeted(model, images, labels, threat=threat(norm, epsilon), seeds=torch.arange(60))
    assert 5 < int(broken.sum()) < 55
    assert torch.equal(net(ours).argmax(1) != labels, broken)
