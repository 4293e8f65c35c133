"""The attacked model: gradients, counts, and nothing left behind."""

import pytest
import torch
from attack_nets import LinearCase, pruned_like
from torch import nn

from compressor.attacks.losses import cross_entropy, difference
from compressor.attacks.model import AttackedModel
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
