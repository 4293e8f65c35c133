"""The ball: exact bounds, stable projection, and noise that belongs to the image."""

from fractions import Fraction

import pytest
import torch
from attack_nets import L2, LINF, sizes, threat

from compressor.attacks.ball import Ball, distances, l1_normalised, l2_length, steepest
from compressor.attacks.draws import normal, signs, uniform
from compressor.attacks.threat import parse_threat


@pytest.mark.parametrize("text", ["linf:8/255", "linf:1/510", "linf:0.03137", "linf:1", "linf:3/10"])
def test_linf_bounds_hold_exactly(text):
    """No float32 between the bounds is farther than the exact epsilon, and they are the widest such bounds."""
    what = parse_threat(text)
    images = (torch.arange(256) / 255).reshape(1, 1, 16, 16)
    ball = Ball(images, what)
    triples = (values.flatten().tolist() for values in (images, ball.low, ball.high))
    for pixel, low, high in zip(*triples, strict=True):
        assert Fraction(pixel) - Fraction(low) <= what.epsilon + Fraction(1, 2**60)
        assert Fraction(high) - Fraction(pixel) <= what.epsilon + Fraction(1, 2**60)
        assert 0 <= low <= pixel <= high <= 1
    one_more = torch.nextafter(ball.high, torch.tensor(2.0)).double() - images.double()
    assert bool(((one_more > what.radius) | (ball.high == 1)).all())


@pytest.mark.parametrize("norm", [LINF, L2])
def test_projection_is_inside_and_stays(norm):
    """What is projected lies in ball and box, and projecting it again changes no bit."""
    images = torch.rand(9, 3, 6, 5)
    ball = Ball(images, threat(norm, 0.3))
    once = ball.project(images + torch.randn_like(images))
    assert float(sizes(once, images, norm).max()) <= 0.3
    assert float(once.min()) >= 0
    assert float(once.max()) <= 1
    assert torch.equal(ball.project(once), once)
    assert torch.equal(ball.project(images), images)


@pytest.mark.parametrize("norm", [LINF, L2])
def test_the_ball_contains_what_projection_leaves_alone(norm):
    """What lies in ball and box, and nothing else: a little too far or outside [0, 1] is not inside."""
    images = torch.rand(8, 1, 4, 4)
    ball = Ball(images, threat(norm, 0.3))
    far = images + torch.randn_like(images)
    inside = ball.project(far)
    assert bool(ball.contains(inside).all())
    assert bool(ball.contains(images).all())
    assert not bool(ball.contains(images + (far - images) * 1.01).any())
    nearly = images.clone()
    nearly[:, 0, 0, 0] = torch.where(images[:, 0, 0, 0] < 0.5, -1e-4, 1 + 1e-4)
    wide = Ball(images, threat(norm, 0.9))
    assert not bool(wide.contains(nearly).any())


@pytest.mark.parametrize("norm", [LINF, L2])
def test_points_of_the_surface_lie_that_far(norm):
    """At epsilon, or at a share of it, where the box allows it; distances are those in float64."""
    images = torch.full((9, 3, 4, 4), 0.5)
    ball = Ball(images, threat(norm, 0.2))
    for share in (1.0, 0.5):
        found = ball.surface(torch.arange(9), "test", share=share)
        far = distances(found - images, norm)
        assert torch.allclose(far, torch.full_like(far, 0.2 * share), rtol=1e-5)
        assert torch.allclose(far, sizes(found, images, norm), rtol=1e-5)


def test_taking_some_images_keeps_their_balls():
    """The balls of a part are those of the whole."""
    images, far = torch.rand(6, 1, 4, 4), torch.randn(6, 1, 4, 4)
    keep = torch.tensor([True, False, True, True, False, False])
    for norm in (LINF, L2):
        ball = Ball(images, threat(norm, 0.1))
        assert torch.equal(ball.take(keep).project(far[keep]), ball.project(far)[keep])


def test_steps_have_length_one_even_where_gradients_are_tiny():
    """A saturated loss has gradients whose squares vanish in float32; their direction still counts."""
    gradient = torch.randn(4, 3, 5, 5) * torch.tensor([1.0, 1e-12, 1e-30, 0.0]).reshape(4, 1, 1, 1)
    step = steepest(gradient, L2)
    assert torch.allclose(l2_length(step).flatten(), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-5)
    assert torch.equal(steepest(gradient, LINF), gradient.sign())
    means = l1_normalised(gradient).abs().flatten(1).mean(1)
    assert torch.allclose(means, torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-4)


def test_draws_belong_to_the_seed():
    """An image's numbers do not depend on the others, but on its seed, the purpose and the step."""
    seeds = torch.tensor([5, 2**60 + 3, 0, 12345])
    for draw in (uniform, signs, normal):
        whole = draw(seeds, "a", 40)
        assert torch.equal(draw(seeds[2:3], "a", 40), whole[2:3])
        assert torch.equal(draw(seeds, "a", 10), whole[:, :10]) or draw is normal
        assert not torch.equal(draw(seeds, "b", 40), whole)
        assert not torch.equal(draw(seeds, "a", 40, step=1), whole)
        assert len({tuple(row) for row in whole.tolist()}) == len(seeds)


def test_draws_follow_their_distribution():
    """Mean and spread of many draws are those of the distribution (five standard errors)."""
    seeds, num = torch.arange(400), 500
    total = len(seeds) * num
    for draw, mean, variance in ((uniform, 0.5, 1 / 12), (signs, 0.0, 1.0), (normal, 0.0, 1.0)):
        values = draw(seeds, "spread", num).double()
        assert abs(float(values.mean()) - mean) < 5 * (variance / total) ** 0.5
        assert float(values.var()) == pytest.approx(variance, rel=0.03)
        columns = values.mean(0)
        assert float(columns.var()) == pytest.approx(variance / len(seeds), rel=0.4)
    assert float(uniform(seeds, "range", 100).min()) >= 0
    assert float(uniform(seeds, "range", 100).max()) < 1
    assert set(signs(seeds, "values", 9).unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("norm", [LINF, L2])
def test_random_starts_fill_the_ball(norm):
    """Random points lie in the ball, and most of them far out."""
    images = torch.full((50, 3, 4, 4), 0.5)
    found = Ball(images, threat(norm, 0.2)).start(torch.arange(50), "test")
    length = sizes(found, images, norm)
    assert float(length.max()) <= 0.2
    assert float(length.min()) > 0.1
