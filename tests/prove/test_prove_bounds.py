"""Bounds against points: whatever a network answers within a threat lies inside them."""

from dataclasses import replace

import pytest
import torch
from prove_nets import THREATS, plain, points, residual

from compressor.load import build
from compressor.prove import Comparer, OutOfReach, Program, Prover, trace
from compressor.prove.crown import best_bound, bound, default_slopes
from compressor.prove.refine import know
from compressor.prove.region import lowest, region_of

NETS = {
    "plain": (plain, (2, 6, 6)),
    "residual": (residual, (2, 8, 8)),
    "cifar": (lambda: build("cifar:resnet8", num_classes=5, in_channels=2, width=2).eval(), (2, 8, 8)),
}


@pytest.fixture(params=sorted(NETS))
def net(request):
    """Return a network, its program and an image."""
    make, shape = NETS[request.param]
    model = make()
    program = trace(model, shape)
    assert isinstance(program, Program), program
    return model, program, 0.1 + 0.85 * torch.rand(*shape)


def values_of(program, images):
    """Return what every node answers."""
    return [replace(program, nodes=program.nodes[: place + 1]).forward(images) for place in range(len(program.nodes))]


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_points_lie_inside_every_box(net, threat):
    """Of every node, by intervals and refined; and refined boxes are never wider."""
    model, program, image = net
    images = points(image, threat, 150)
    region = region_of(image, threat)
    with torch.no_grad():
        values = values_of(program, images)
        assert torch.allclose(values[-1].float(), model(images.float()), atol=1e-4)
        rough, fine = (know(program, region, is_refined=way).boxes for way in (False, True))
    for value, wide, narrow in zip(values, rough, fine, strict=True):
        assert (value >= narrow.low - 1e-12).all()
        assert (value <= narrow.high + 1e-12).all()
        assert (narrow.low >= wide.low - 1e-9).all()
        assert (narrow.high <= wide.high + 1e-9).all()


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_margins_of_points_are_above_each_bound(net, threat):
    """Lines contain what is sampled; each better way gives no less, and all less than the least sample."""
    _, program, image = net
    with torch.no_grad():
        logits = program.forward(points(image, threat))
        label = int(program.forward(image.double()[None]).argmax())
        rows = -torch.eye(5, dtype=torch.float64)
        rows[:, label] += 1
        rows = rows[torch.arange(5) != label]
        sampled = (logits @ rows.T).amin(0)
        rough, fine = (know(program, region_of(image, threat), is_refined=way) for way in (False, True))
        last = len(program.nodes) - 1
        box = rough.boxes[last]
        by_intervals = rows.clamp_min(0) @ box.low + rows.clamp_max(0) @ box.high
        first = best_bound(rough, rows, enough=None, num_steps=0)
        second = best_bound(fine, rows, enough=None, num_steps=0)
        third = best_bound(fine, rows, enough=None, num_steps=20)
        any_slope = {place: torch.rand_like(slope) for place, slope in default_slopes(fine, last).items()}
        random = bound(fine, last, rows, any_slope)
    assert (first >= by_intervals - 1e-7).all()
    assert (third >= second).all()
    assert (third.min() > by_intervals.min()).all()
    for found in (first, second, third, random):
        assert (found <= sampled).all()


def test_a_prover_gives_the_least_of_them(net):
    """The margin it says is below every sampled margin, and above what is needed where it says proved."""
    _, program, image = net
    prover = Prover(program=program)
    label = int(program.forward(image.double()[None]).argmax())
    logits = program.forward(points(image, THREATS[0]))
    others = logits.clone()
    others[:, label] = -torch.inf
    sampled = (logits[:, label] - others.amax(1)).min()
    assert prover.method == "alpha-crown"
    assert prover.least_margin(image, label, THREATS[0]) <= sampled


@pytest.mark.parametrize("threat", THREATS, ids=str)
def test_sampled_falls_are_below_the_bound(threat):
    """The dense margin less the slim one, at a thousand points; and one network has no use for two separate bounds."""
    slim, dense = (trace(plain(seed), (2, 6, 6)) for seed in (0, 1))
    image = torch.rand(2, 6, 6)
    images = points(image, threat)

    def margins(program):
        logits = program.forward(images)
        others = logits.clone()
        others[:, 3] = -torch.inf
        return logits[:, 3] - others.amax(1)

    comparer = Comparer.of(slim, dense)
    assert isinstance(comparer, Comparer)
    found = comparer.most_fall(image, 3, threat)
    assert found >= (margins(dense) - margins(slim)).max()
    assert found < 20 * float((margins(dense) - margins(slim)).max().abs()) + 1


def test_the_region_in_l2_is_never_wider_than_the_ball_or_the_box():
    """The Lagrangian bound lies above both simple ones and below the least point that was found."""
    image, threat = torch.rand(1, 4, 4).round(decimals=1), THREATS[1]
    rows = torch.randn(6, 1, 4, 4, dtype=torch.float64)
    region = region_of(image, threat)
    found = lowest(rows, region)
    flat, centre = rows.flatten(1), image.double().flatten()
    ball = flat @ centre - threat.radius * flat.norm(dim=1)
    box = flat.clamp_min(0) @ region.low.flatten() + flat.clamp_max(0) @ region.high.flatten()
    assert (found >= ball - 1e-9).all()
    assert (found >= box - 1e-9).all()
    assert (found <= (points(image, threat, 4000).flatten(1) @ flat.T).amin(0)).all()


def test_the_fall_of_a_large_network_is_out_of_reach():
    """Intervals through it would say nothing, so nothing is said."""
    program = trace(build("cifar:resnet14", num_classes=5).eval(), (3, 32, 32))
    assert isinstance(program, Program)
    assert Prover(program=program).method == "crown-ibp"
    assert "too large" in Comparer.of(program, program).reason
    reason = OutOfReach(reason="because")
    assert Comparer.of(reason, program) is reason
    assert Comparer.of(program, reason).reason == "of the dense model, because"
