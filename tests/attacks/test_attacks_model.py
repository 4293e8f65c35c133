"""The attacked model: gradients, counts, and nothing left behind."""

import numpy as np
import pytest
import torch
from attack_nets import LinearCase, pruned_like
from torch import nn

from compressor.attacks.chunks import fullest_first
from compressor.attacks.losses import cross_entropy, difference
from compressor.attacks.model import AttackedModel
from compressor.attacks.table import fit, run_attack
from compressor.attacks.threat import parse_threat
from compressor.errors import CertifyError

SHAPE = (1, 8, 8)


def test_gradients_are_those_of_autograd():
    """Chunks and padding change nothing in what is computed."""
    net, images = pruned_like().eval(), torch.rand(70, *SHAPE)
    labels, targets = torch.randint(7, (70,)), torch.randint(7, (70,))
    leaf = images.clone().requires_grad_()
    losses = difference(net(leaf), labels, targets)
    (expected,) = torch.autograd.grad(losses.sum(), leaf)
    with AttackedModel(net, shape=SHAPE) as model:
        logits, found, gradient = model.loss_and_gradient(images, difference, labels, targets)
    assert torch.allclose(logits, net(images), atol=1e-6)
    assert torch.allclose(found, losses, atol=1e-6)
    assert torch.allclose(gradient, expected, atol=1e-6)
    assert not gradient.requires_grad
    assert not logits.requires_grad


def test_passes_are_counted_without_padding():
    """Seventy images are seventy passes, however many chunks they take."""
    with AttackedModel(pruned_like(), shape=SHAPE) as model:
        model.logits(torch.rand(70, *SHAPE))
        model.loss_and_gradient(torch.rand(3, *SHAPE), cross_entropy, torch.zeros(3, dtype=torch.int64))
    assert (model.num_forward, model.num_backward) == (73, 3)


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(fails):
    """Modes, parameters and threads are as before, also after an exception in the middle."""
    net, threads = pruned_like().train(), torch.get_num_threads()
    net[1].eval()
    net[6].weight.requires_grad_(False)
    before = [module.training for module in net.modules()], [each.requires_grad for each in net.parameters()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    try:
        with AttackedModel(net, shape=SHAPE) as model:
            assert not any(module.training for module in net.modules())
            model.loss_and_gradient(torch.rand(2, *SHAPE), cross_entropy, torch.zeros(2, dtype=torch.int64))
            if fails:
                raise MemoryError
    except MemoryError:
        pass
    assert before == ([module.training for module in net.modules()], [each.requires_grad for each in net.parameters()])
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(each.grad is None for each in net.parameters())
    assert torch.get_num_threads() == threads


def test_bits_depend_on_the_image_and_its_seed_alone():
    """Company, order, batch size and threads change no bit, although widths are odd as after pruning."""
    net, images, seeds = pruned_like(), torch.rand(90, *SHAPE), torch.arange(90) * 7 + 3
    labels = torch.randint(7, (90,))
    with AttackedModel(net, shape=SHAPE, threads=1) as model:
        logits, _, gradient = model.loss_and_gradient(images, cross_entropy, labels, seeds=seeds)
        assert torch.equal(model.logits(images, seeds), logits)
    parts = [torch.arange(1), torch.tensor([89, 4, 17]), torch.randperm(90), torch.arange(40, 73).flip(0)]
    with AttackedModel(net, shape=SHAPE, threads=2) as model:
        for rows in parts:
            again, _, slope = model.loss_and_gradient(images[rows], cross_entropy, labels[rows], seeds=seeds[rows])
            assert torch.equal(again, logits[rows])
            assert torch.equal(slope, gradient[rows])


class _Cut(nn.Module):
    def forward(self, images):
        return images.detach().flatten(1)[:, :4]


class _Wrong(nn.Module):
    def forward(self, images):
        return images.mean()


def test_a_cut_graph_has_zero_gradients():
    """Where no gradient exists it is zero, which the preflight then sees."""
    with AttackedModel(_Cut(), shape=SHAPE) as model:
        _, _, gradient = model.loss_and_gradient(torch.rand(3, *SHAPE), cross_entropy, torch.zeros(3).long())
    assert float(gradient.abs().max()) == 0.0


def test_answers_that_are_no_logits_are_refused():
    """The error says what came back."""
    with AttackedModel(_Wrong(), shape=SHAPE) as model, pytest.raises(CertifyError, match="not with logits"):
        model.logits(torch.rand(3, *SHAPE))


def test_images_that_do_not_fit_are_refused():
    """The error says what the model said."""
    with AttackedModel(LinearCase().net, shape=SHAPE) as model, pytest.raises(CertifyError, match="1x8x8"):
        model.logits(torch.rand(3, *SHAPE))


def test_a_linear_model_is_its_own_oracle():
    """The gradient of a logit difference is the difference of weights."""
    case = LinearCase()
    targets = (case.labels + 1) % 5
    with AttackedModel(case.net, shape=case.shape) as model:
        _, _, gradient = model.loss_and_gradient(case.images, difference, case.labels, targets)
    weight = case.net[1].weight.detach()
    assert torch.allclose(gradient.flatten(1), weight[targets] - weight[case.labels], atol=1e-6)


class _Close(nn.Module):
    """Class 1 wins by three thousandths of the brightness, which bfloat16 rounds away: there class 0 wins."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 2, bias=False)
        self.head.weight.data[0], self.head.weight.data[1] = 1.0, 1.003

    def forward(self, images):
        return self.head(images.flatten(1))


def test_a_search_in_bfloat16_breaks_nothing_that_float32_answers_right():
    """The gradient comes from bfloat16; whatever that answers wrong is answered again, and counted."""
    images, ones = torch.full((3, *SHAPE), 0.5), torch.ones(3, dtype=torch.int64)
    with AttackedModel(_Close(), shape=SHAPE) as model:
        with model.searching_in_bf16():
            logits, _, gradient = model.loss_and_gradient(images, difference, ones, 1 - ones)
        assert (logits.argmax(1) == 1).all()
        assert (model.num_forward, model.num_backward) == (6, 3)
        # 1.003 is 1 in bfloat16, so that the way from class 1 to class 0 is flat.
        assert not gradient.any()
        _, _, exact = model.loss_and_gradient(images, difference, ones, 1 - ones)
    assert exact.any()


def test_an_attack_searches_in_bfloat16_where_its_settings_say_so():
    """Its climb is another one, what it finds is within the threat, and afterwards nothing computes in bfloat16."""
    net, threat, seeds = pruned_like().eval(), parse_threat("linf:0.1"), torch.arange(20)
    torch.manual_seed(1)
    images = torch.rand(20, *SHAPE)
    labels = net(images).argmax(1).detach()
    with AttackedModel(net, shape=SHAPE) as model:
        _, settings = fit("apgd", {"num_steps": 5}, threat=threat, num_classes=7)
        plain = run_attack("apgd", settings, model, images, labels, threat=threat, seeds=seeds)
        found = run_attack("apgd", {**settings, "search": "bf16"}, model, images, labels, threat=threat, seeds=seeds)
        again = run_attack("apgd", settings, model, images, labels, threat=threat, seeds=seeds)
    assert not torch.equal(plain, found)
    assert torch.equal(plain, again)
    assert (found - images).abs().max() <= 0.1 + 1e-6


def test_images_are_ordered_so_that_chunks_are_full():
    """Survivors crowd in some slots; those that follow each other then sit in different ones, as long as there are."""
    rows = np.array([3, 8, 11, 19, 27, 33, 35, 40])
    seeds = rows + 100 * 8  # eight slots: 3, 0, 3, 3, 3, 1, 3, 0
    ordered = fullest_first(rows, seeds, 8)
    assert ordered.tolist() == [8, 33, 3, 40, 11, 19, 27, 35]
    assert fullest_first(rows[:0], seeds[:0], 8).tolist() == []
    many = np.flatnonzero(np.random.default_rng(0).random(4000) < 0.25)
    flights = [many_part % 16 for many_part in np.split(fullest_first(many, many, 16)[: 16 * 40], 40)]
    assert all(len(set(slots.tolist())) == 16 for slots in flights)
