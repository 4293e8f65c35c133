"""The parts of a training step, each against what is known in closed form."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from finetune_digits import TinyNet
from torch import nn

from compressor.attacks.threat import Threat, parse_threat
from compressor.errors import FinetuneError
from compressor.finetune.adversarial import perturb
from compressor.finetune.batchnorm import norms_with_statistics, reestimate
from compressor.finetune.objective import Trust, build_optimizer, loss_of
from compressor.finetune.randomness import Noise
from compressor.finetune.recipe import Recipe
from compressor.types import Norm


def noise_of(images):
    """Return noise for images that are the first of their set."""
    return Noise.of("test", indices=torch.arange(len(images)))


class Linear(nn.Module):
    """Two classes; the loss of class 0 rises along the weights, so the worst point is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.linspace(-1, 1, 12).reshape(3, 2, 2))

    def forward(self, images):
        """(N, 3, 2, 2) -> (N, 2)."""
        score = (images * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.mark.parametrize("num", [1, 3, 8])
@pytest.mark.parametrize("threat", ["linf:1/10", "l2:1/5"])
def test_the_inner_attack_finds_the_worst_point_of_a_linear_model(threat, num):
    """Away from the borders of the image no point gains more than epsilon times the dual norm of the weights."""
    model, parsed = Linear(), parse_threat(threat)
    images, labels = torch.full((num, 3, 2, 2), 0.5), torch.zeros(num, dtype=torch.int64)
    found = perturb(model, images, labels, threat=parsed, num_steps=20, source=noise_of(images))
    weights = model.weights.detach()
    most = parsed.radius * (weights.abs().sum() if parsed.norm is Norm.LINF else weights.norm())
    gained = ((found - images) * weights).sum(dim=(1, 2, 3))
    assert ((gained > 0.95 * most) & (gained <= 1.0001 * most)).all()
    assert model.weights.grad is None


@pytest.mark.parametrize("norm", list(Norm))
def test_the_inner_attack_stays_in_the_threat_and_leaves_no_trace(norm):
    """Within the radius, within [0, 1], BatchNorm statistics untouched, training mode afterwards."""
    model = TinyNet().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    threat = Threat(norm=norm, epsilon=Fraction(1, 4))
    images, labels = torch.rand(6, 1, 8, 8).round(), torch.arange(6)
    found = perturb(model, images, labels, threat=threat, num_steps=3, source=noise_of(images))
    delta = (found - images).flatten(1)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (delta.abs().amax(1) if norm is Norm.LINF else delta.norm(dim=1)).max() <= 0.25 + 1e-6
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    again = perturb(model, images, labels, threat=threat, num_steps=3, source=noise_of(images))
    assert torch.equal(found, again)


def test_without_a_teacher_the_loss_is_cross_entropy():
    """Label smoothing is torch's own."""
    logits, labels = torch.randn(5, 10), torch.arange(5)
    assert torch.equal(loss_of(logits, labels, None, Recipe()), F.cross_entropy(logits, labels))
    smooth = loss_of(logits, labels, None, Recipe(label_smoothing=0.1))
    assert torch.equal(smooth, F.cross_entropy(logits, labels, label_smoothing=0.1))


def test_the_teachers_share_is_the_divergence_of_softened_answers():
    """Written out with plain probabilities; none for a student that already agrees, none for a teacher not heeded."""
    logits, taught, labels = torch.randn(5, 10), torch.randn(5, 10), torch.arange(5)
    recipe = Recipe(distill_temperature=2.0, distill_weight=0.25)
    wanted, found = (taught / 2).softmax(1), (logits / 2).softmax(1)
    divergence = (wanted * (wanted / found).log()).sum(1).mean()
    expected = 0.75 * F.cross_entropy(logits, labels) + 0.25 * 4 * divergence
    assert torch.allclose(loss_of(logits, labels, taught, recipe), expected)
    alone = F.cross_entropy(logits, labels)
    assert torch.allclose(loss_of(logits, labels, logits, recipe), 0.75 * alone, atol=1e-6)
    assert torch.allclose(loss_of(logits, labels, taught, recipe, heed=torch.tensor(0.0)), alone)


def test_a_teacher_is_heeded_only_while_it_knows_better():
    """The weighted means decide; a few steps do not turn them."""
    trust = Trust(torch.device("cpu"))
    assert trust.heed == 1
    for _ in range(30):
        trust.update(torch.tensor(0.5), torch.tensor(1.0))
    assert trust.heed == 1
    trust.update(torch.tensor(0.5), torch.tensor(0.1))
    assert trust.heed == 1
    for _ in range(60):
        trust.update(torch.tensor(0.5), torch.tensor(0.1))
    assert trust.heed == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_norms_and_biases_do_not_decay(optimizer):
    """Only matrices and filters do; every parameter is in exactly one group."""
    model = TinyNet()
    decayed, kept = build_optimizer(model, Recipe(optimizer=optimizer)).param_groups
    assert decayed["weight_decay"] == Recipe().weight_decay
    assert kept["weight_decay"] == 0
    assert {id(p) for p in decayed["params"]} == {id(m.weight) for m in (model.conv1, model.conv2, model.linear)}
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_a_frozen_model_cannot_be_trained():
    """The message says what to call."""
    with pytest.raises(FinetuneError, match="frozen") as caught:
        build_optimizer(TinyNet().requires_grad_(False), Recipe())
    assert "requires_grad_" in caught.value.advice


def test_statistics_become_the_plain_mean_over_the_batches():
    """Mean and unbiased variance of each batch, averaged; weights, momentum and mode stay."""
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)).eval()
    batches = [torch.randn(6, 3, 4, 4) * 3 + 1, torch.randn(5, 3, 4, 4) - 2]
    reestimate(model, batches)
    norm = model[0]
    means = torch.stack([batch.mean(dim=(0, 2, 3)) for batch in batches])
    variances = torch.stack([batch.var(dim=(0, 2, 3)) for batch in batches])
    assert torch.allclose(norm.running_mean, means.mean(0), atol=1e-5)
    assert torch.allclose(norm.running_var, variances.mean(0), atol=1e-4)
    assert norm.momentum == 0.1
    assert not model.training
    assert not norm.training


def test_only_layers_that_keep_statistics_are_reestimated():
    """A norm without running statistics has nothing to estimate."""
    kept, without = nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False)
    assert norms_with_statistics(nn.Sequential(kept, without, nn.GroupNorm(1, 3))) == [kept]
