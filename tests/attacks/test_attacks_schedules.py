"""Schedules of the papers."""

import pytest
import torch
from attack_nets import L2, LINF, LinearCase, threat

from compressor.attacks import apgd as apgd_file
from compressor.attacks.ball import Ball
from compressor.attacks.model import AttackedModel
from compressor.attacks.square import share_covered, square
from compressor.attacks.square_l2 import _bump, _odd_side, propose_l2, start_l2


def test_square_halves_as_in_the_paper():
    """The share of pixels halves after queries 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000."""
    table = {0: 0, 10: 0, 11: 1, 50: 1, 51: 2, 200: 2, 201: 3, 500: 3, 1000: 4, 1001: 5, 4000: 6, 8000: 8, 8001: 9}
    assert {query: share_covered(query) for query in table} == {query: 0.5**num for query, num in table.items()}


def test_apgd_checks_where_the_reference_does():
    """With 100 steps the step size is looked at after 22, 41, 57, 70, 80, 87, 93 and 99 steps."""
    window, smallest, drop = apgd_file._windows(100)
    checks = []
    while (sum(checks) if checks else 0) + window <= 100:
        checks.append(window)
        window = max(window - drop, smallest)
    assert torch.tensor(checks).cumsum(0).tolist() == [22, 41, 57, 70, 80, 87, 93, 99]


def test_apgd_halves_the_step_where_the_loss_stalls(monkeypatch):
    """On a loss that never rises every second check halves at the least."""
    case = LinearCase(num=4)
    sizes = []
    keep = apgd_file._check

    def noted(run, window, rho):
        keep(run, window, rho)
        sizes.append(run.step_size.flatten().tolist())

    monkeypatch.setattr(apgd_file, "_check", noted)
    flat = dict.fromkeys(["ce"], lambda logits, labels: logits.sum(1) * 0)
    monkeypatch.setattr(apgd_file, "UNTARGETED", flat)
    epsilon = 1e-4
    with AttackedModel(case.net, shape=case.shape) as model:
        apgd_file.apgd(model, case.images, case.labels, threat=threat(LINF, epsilon), seeds=case.seeds)
    assert sizes == [[pytest.approx(2 * epsilon / 2**number)] * 4 for number in range(1, 9)]


def test_square_bumps_have_length_one_and_two_signs():
    """A bump is a hill and a hole of equal height."""
    for side in (2, 3, 5, 8):
        bump = _bump(side)
        assert float(bump.square().sum()) == pytest.approx(1.0)
        assert float(bump.min()) < 0
        assert float(bump.max()) >= 0


@pytest.mark.parametrize("shape", [(1, 3, 3), (3, 8, 8), (2, 9, 5), (3, 32, 32)])
def test_square_l2_uses_the_whole_budget(shape):
    """Start and proposals lie on the surface of the ball where the box allows it."""
    images = torch.full((6, *shape), 0.5)
    ball, seeds = Ball(images, threat(L2, 0.2)), torch.arange(6)
    now = start_l2(ball, seeds)
    for query in range(5):
        assert torch.allclose((now - images).flatten(1).norm(dim=1), torch.tensor(0.2), rtol=1e-4)
        now = propose_l2(ball, now, seeds, 0.8 * share_covered(query), query)
    assert _odd_side(0.8, *shape[1:]) % 2 == 1


def test_square_squares_fit_small_images():
    """One pixel high or wide is enough."""
    for shape in ((1, 1, 4), (3, 2, 2), (1, 7, 1)):
        case = LinearCase(num=3, shape=shape)
        for norm in (LINF, L2):
            with AttackedModel(case.net, shape=shape) as model:
                found = square(
                    model, case.images, case.labels, threat=threat(norm, 0.01), seeds=case.seeds, num_queries=20
                )
            assert found.shape == case.images.shape


@pytest.mark.slow
@pytest.mark.parametrize("norm", [LINF, L2])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_apgd_agrees_with_another_implementation(monkeypatch, norm, loss):
    """From the same start, ours breaks exactly the images that APGD of torchattacks breaks, 100 steps each."""
    import torchattacks

    torch.manual_seed(4)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 40), torch.nn.ReLU(), torch.nn.Linear(40, 6))
    images = torch.rand(60, 1, 8, 8)
    labels, epsilon = net(images).argmax(1), {LINF: 0.03, L2: 0.12}[norm]
    name = {LINF: "Linf", L2: "L2"}[norm]
    theirs = torchattacks.APGD(net, norm=name, eps=epsilon, steps=100, loss=loss, seed=0)(images, labels).detach()

    def same_start(ball, seeds, purpose, *, share=1.0):
        torch.manual_seed(0)
        noise = 2 * torch.rand(images.shape) - 1 if norm is LINF else torch.randn(images.shape)
        size = noise.abs().flatten(1).amax(1) if norm is LINF else noise.flatten(1).norm(dim=1)
        return ball.project(ball.clean + epsilon * noise / size.reshape(-1, 1, 1, 1))

    monkeypatch.setattr(Ball, "surface", same_start)
    with AttackedModel(net, shape=(1, 8, 8)) as model:
        ours = apgd_file.apgd(model, images, labels, threat=threat(norm, epsilon), seeds=torch.arange(60), loss=loss)
    broken = net(ours).argmax(1) != labels
    assert 5 < int(broken.sum()) < 55
    assert torch.equal(broken, net(theirs).argmax(1) != labels)
