"""Bounds where the answer is known: linear models, and one ReLU by hand."""

import pytest
import torch
from torch import nn

from compressor.attacks.threat import parse_threat
from compressor.prove import Comparer, Prover, trace
from compressor.prove.crown import best_bound, bound, default_slopes
from compressor.prove.refine import know
from compressor.prove.region import region_of


def linear(seed: int = 0) -> nn.Module:
    """Return a linear model of 1 x 3 x 4 images and four classes."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).eval()


def program_of(model: nn.Module, shape: tuple[int, int, int]):
    """Return a program that must be within reach."""
    program = trace(model, shape)
    assert not hasattr(program, "reason"), program
    return program


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_margin_is_known_exactly(norm):
    """The least margin is the margin less epsilon times the dual norm of the difference of weights."""
    model, image = linear(), 0.3 + 0.4 * torch.rand(1, 3, 4)
    weight, logits = model[1].weight.detach().double(), model.double()(image.double()[None])[0].detach()
    label = int(logits.argmax())
    others = [number for number in range(4) if number != label]
    gaps = weight[label] - weight[others]
    length = gaps.abs().sum(1) if norm == "linf" else gaps.norm(dim=1)
    exact = (logits[label] - logits[others] - 0.125 * length).min()
    prover = Prover(program=program_of(model.float(), (1, 3, 4)))
    found = prover.least_margin(image, label, parse_threat(f"{norm}:1/8"))
    assert found == pytest.approx(float(exact), abs=1e-6)
    assert found <= float(exact)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_is_proved_up_to_its_distance(norm):
    """Just below the distance to the nearest wrong image it is proved, just above it is not."""
    model, image = linear(1), 0.3 + 0.4 * torch.rand(1, 3, 4)
    logits = model(image[None])[0].detach().double()
    label = int(logits.argmax())
    others = [number for number in range(4) if number != label]
    gaps = model[1].weight.detach().double()[label] - model[1].weight.detach().double()[others]
    length = gaps.abs().sum(1) if norm == "linf" else gaps.norm(dim=1)
    distance = float(((logits[label] - logits[others]) / length).min())
    prover = Prover(program=program_of(model, (1, 3, 4)))
    for share, is_proved in ((0.99, True), (1.01, False)):
        found = prover.least_margin(image, label, parse_threat(f"{norm}:{share * distance:.9f}"))
        assert (found > prover.needed(image)) is is_proved


def test_the_box_of_images_counts():
    """A black pixel cannot become darker: in l2 too the bound knows."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).eval()
    model[1].weight.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    prover = Prover(program=program_of(model, (1, 1, 2)))
    image = torch.tensor([[[0.0, 0.5]]])
    linf = prover.least_margin(image, 0, parse_threat("linf:1/10"))
    assert linf == pytest.approx(4 * 0.4, abs=1e-6)
    l2 = prover.least_margin(image, 0, parse_threat("l2:1/10"))
    assert 2.0 - 0.1 * 5.0 + 0.05 < l2 <= 2.0 - 0.1 * 4.0


def hinge() -> nn.Module:
    """Return logits relu(2x - 1) and relu(x), of one pixel."""
    first, second = nn.Linear(1, 2), nn.Linear(2, 2, bias=False)
    first.weight.data, first.bias.data = torch.tensor([[2.0], [1.0]]), torch.tensor([-1.0, 0.0])
    second.weight.data = torch.eye(2)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second).eval()


@pytest.mark.parametrize(
    ("pixel", "by_intervals", "by_lines", "true"),
    [(0.5, -0.75, -0.75, -0.5), (0.6, -0.85, -0.65, -0.5), (0.9, -0.7, -0.35, -0.35)],
)
def test_one_hidden_layer_by_hand(pixel, by_intervals, by_lines, true):
    """relu(2x - 1) - x within 1/4 (and at most 1): intervals, lines of slope 0, 1 or exact, and the searched slope."""
    program = program_of(hinge(), (1, 1, 1))
    known = know(program, region_of(torch.full((1, 1, 1), pixel), parse_threat("linf:1/4")), is_refined=True)
    row = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    last = len(program.nodes) - 1
    box = known.boxes[last]
    with torch.no_grad():
        lines = bound(known, last, row, default_slopes(known, last))
        best = best_bound(known, row, enough=None, num_steps=20)
    assert float(box.low[0] - box.high[1]) == pytest.approx(by_intervals, abs=1e-6)
    assert float(lines) == pytest.approx(by_lines, abs=1e-6)
    assert float(best) == pytest.approx(true, abs=0.02)
    assert float(best) <= true


def test_two_linear_models_fall_as_their_difference_does():
    """The bound on the fall is the largest over classes of a linear function; equal models do not fall at all."""
    slim, dense = linear(), linear(1)
    image, threat = 0.3 + 0.4 * torch.rand(1, 3, 4), parse_threat("linf:1/16")
    programs = [program_of(model, (1, 3, 4)) for model in (slim, dense)]
    change = dense[1].weight.detach().double() - slim[1].weight.detach().double()
    offset = (programs[1].forward(image.double()[None]) - programs[0].forward(image.double()[None]))[0]
    exact = max(float(offset[2] - offset[other] + (change[2] - change[other]).abs().sum() / 16) for other in (0, 1, 3))
    assert Comparer.of(*programs).most_fall(image, 2, threat) == pytest.approx(exact, abs=1e-5)
    assert Comparer.of(programs[0], programs[0]).most_fall(image, 2, threat) == pytest.approx(0.0, abs=1e-6)
