"""Costs: in closed form, and predicted against counted."""

import copy

import prune_nets as nets
import pytest
import torch
import torchvision
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from compressor.load.cifar_resnet import CifarResNet
from compressor.prune.cost import Cost, Prediction, count_cost
from compressor.prune.coupling import trace_coupling
from compressor.prune.cut import cut_units


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), Cost(filters=8, params=3 * 8 * 9 + 8, macs=3 * 8 * 9 * 64)),
        (nn.Conv2d(3, 6, 3, groups=3), Cost(filters=6, params=6 * 9 + 6, macs=6 * 9 * 36)),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), Cost(filters=10, params=1930, macs=1920)),
        (nn.BatchNorm2d(3), Cost(filters=0, params=6, macs=0)),
        (nn.ConvTranspose2d(3, 5, 2, stride=2), Cost(filters=5, params=3 * 5 * 4 + 5, macs=3 * 5 * 4 * 64)),
    ],
)
def test_costs_in_closed_form(model, cost):
    """One layer costs what one works out by hand."""
    assert count_cost(model.eval(), (3, 8, 8)) == cost


def test_the_published_size_of_resnet20():
    """0.27 million parameters and 41 million multiply-adds (arXiv 1512.03385, table 6)."""
    cost = count_cost(CifarResNet(20), (3, 32, 32))
    assert cost == Cost(filters=698, params=269_722, macs=40_551_040)


def test_counting_touches_neither_weights_nor_mode():
    """The model that is counted stays as it is."""
    model = CifarResNet(8).train()
    before = copy.deepcopy(model.state_dict())
    count_cost(model, (3, 32, 32))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("model", [nets.Chain, nets.Tokens, nets.Shared])
def test_the_trace_counts_what_torch_counts(model):
    """Positions times elements, summed over the traced weights, are torch's own count on real images."""
    net = model().eval()
    graph = trace_coupling(net, (3, 8, 8))
    traced = sum(product.positions * net.get_parameter(product.tensor).numel() for product in graph.products)
    attention = 2 * 2 * 5 * 5 * 4 if model is nets.Tokens else 0
    # With gradients: the fused path of nn.MultiheadAttention hides its products from the counter.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        net(torch.zeros(1, 3, 8, 8))
    assert traced + attention == counter.get_total_flops() // 2


PREDICTED = [
    (nets.Chain, (3, 8, 8)),
    (nets.Residual, (3, 8, 8)),
    (nets.Concat, (3, 8, 8)),
    (nets.Grouped, (3, 8, 8)),
    (nets.Shuffle, (3, 8, 8)),
    (nets.LambdaShortcut, (3, 8, 8)),
    (nets.AuxHead, (3, 8, 8)),
    (nets.Shared, (3, 8, 8)),
    (nets.Mixer, (3, 8, 8)),
    (lambda: CifarResNet(8), (3, 32, 32)),
    (lambda: torchvision.models.shufflenet_v2_x0_5(weights=None), (3, 64, 64)),
    (lambda: torchvision.models.squeezenet1_1(weights=None), (3, 64, 64)),
]


@pytest.mark.parametrize(("model", "shape"), PREDICTED)
def test_predicted_cost_is_counted_cost(model, shape):
    """For any number of units that leave, the prediction is what is counted after cutting."""
    with torch.device("meta"):
        net = model()
    graph = trace_coupling(net, shape)
    leaving = {group.name: range(number % (group.num_units - 1) + 1) for number, group in enumerate(graph.groups)}
    predicted = Prediction(net, graph, count_cost(net, shape)).after(
        {name: len(left) for name, left in leaving.items()}
    )
    cut_units(net, graph, leaving)
    assert count_cost(net, shape) == predicted


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenet_v2", "densenet121", "resnext50_32x4d", "convnext_tiny", "googlenet"]
)
def test_predicted_cost_is_counted_cost_on_larger_networks(name):
    """The same for networks people use."""
    heads = {"init_weights": False} if name == "googlenet" else {}
    test_predicted_cost_is_counted_cost(lambda: torchvision.models.get_model(name, weights=None, **heads), (3, 64, 64))
