"""Which channels leave together: known answers, agreement of both sources, and what must stay."""

import time
import warnings
from collections.abc import Callable

import prune_nets as nets
import pytest
import torch
import torchvision
from torch import nn

from compressor.errors import PruneError
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import plan, slim
from compressor.prune.coupling import CouplingGraph, Role, trace_coupling

SMALL = (3, 8, 8)
LARGER = (
    *("alexnet", "resnet50", "vgg11_bn", "mobilenet_v2", "mobilenet_v3_small", "densenet121", "efficientnet_b0"),
    *("googlenet", "inception_v3", "mnasnet1_0"),
)


def found(graph: CouplingGraph) -> dict[str, int]:
    return {group.name: group.num_units for group in graph.groups}


def places(graph: CouplingGraph, name: str) -> dict[tuple[str, str], list[list[int]]]:
    (group,) = (group for group in graph.groups if group.name == name)
    return {(member.tensor, member.role.value): member.index.tolist() for member in group.members}


@pytest.mark.parametrize(
    ("model", "groups"),
    [
        (nets.Chain, {"conv1": 8, "conv2": 12}),
        (nets.Residual, {"stem": 8, "inner": 6}),
        (nets.Concat, {"left": 4, "right": 6}),
        (nets.Grouped, {"stem": 4}),
        (nets.Shuffle, {"stem": 4, "mixed": 6}),
        (nets.LambdaShortcut, {"stem": 8}),
        (nets.AuxHead, {"conv": 8}),
        (nets.Sorted, {"conv1": 8}),
        (nets.Shared, {"stem": 8}),
        (nets.Norms, {"first": 4, "second": 12, "up": 8}),
        (nets.Mixer, {"up": 6}),
    ],
)
def test_known_groups(model, groups):
    """Each trait gives the groups one finds by hand, and the answers are never among them."""
    graph = trace_coupling(model(), SMALL)
    assert found(graph) == groups
    assert any("answers" in left.reason for left in graph.left_out)


def test_a_flatten_takes_all_places_of_a_channel():
    """Behind a flatten a filter is read by as many columns as it has pixels."""
    members = places(trace_coupling(nets.Chain(), SMALL), "conv2")
    assert members["conv2.weight", "out"] == [[unit] for unit in range(12)]
    assert members["linear.weight", "in"] == [list(range(16 * unit, 16 * unit + 16)) for unit in range(12)]


def test_concatenated_channels_are_read_at_their_offset():
    """The second branch of a concatenation begins where the first ends."""
    assert places(trace_coupling(nets.Concat(), SMALL), "right")["head.weight", "in"] == [
        [4 + unit] for unit in range(6)
    ]


def test_a_group_of_a_grouped_convolution_leaves_whole():
    """One group: its two input channels, its four filters, and what follows them."""
    members = places(trace_coupling(nets.Grouped(), SMALL), "stem")
    assert members["stem.weight", "out"] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert members["depthwise.weight", "out"][1] == [4, 5, 6, 7]
    assert ("grouped.weight", "in") not in members


def test_shuffled_channels_leave_in_pairs():
    """A shuffle between two halves keeps its form when the same place of both halves leaves."""
    members = places(trace_coupling(nets.Shuffle(), SMALL), "stem")
    assert members["stem.weight", "out"] == [[unit, unit + 4] for unit in range(4)]
    assert members["mixed.weight", "in"] == [[2 * unit, 2 * unit + 1] for unit in range(4)]


def test_zero_channels_written_into_code_stay():
    """Eight of sixteen channels are matched with zeros that the code adds; the other eight can leave."""
    graph = trace_coupling(nets.LambdaShortcut(), SMALL)
    assert {left.name: left.num_units for left in graph.left_out} == {"conv": 8, "linear": 10}
    assert places(graph, "stem")["conv.weight", "out"] == [[4 + unit] for unit in range(8)]


def test_the_residual_stream_of_a_cifar_resnet():
    """Units of the stream fall into classes by where they live: 16 in all stages, 16 in two, 32 in the last."""
    graph = trace_coupling(CifarResNet(14), (3, 32, 32))
    inner = {f"layer{stage}.{block}.conv1": 8 * 2**stage for stage in (1, 2, 3) for block in (0, 1)}
    assert found(graph) == inner | {"conv1": 16, "layer2.0.conv2": 16, "layer3.0.conv2": 32}
    stream = places(graph, "conv1")
    assert stream["layer2.0.conv2.weight", "out"] == [[8 + unit] for unit in range(16)]
    assert stream["linear.weight", "in"] == [[24 + unit] for unit in range(16)]
    middle = places(graph, "layer2.0.conv2")
    assert middle["layer2.0.conv2.weight", "out"] == [[unit] for unit in (*range(8), *range(24, 32))]
    assert middle["layer2.0.shortcut", "pad"] == [[unit] for unit in range(16)]
    assert graph.source == "own tracing"


def test_operations_without_a_rule_keep_their_channels():
    """What is not understood is never cut, and the reason names the operation."""
    graph = trace_coupling(nets.Sorted(), SMALL)
    (reason,) = (left.reason for left in graph.left_out if left.name == "conv2")
    assert "sort" in reason


def test_heads_of_train_mode_are_coupled():
    """An auxiliary head that runs in train mode only loses its columns too."""
    assert ("aux.weight", "in") in places(trace_coupling(nets.AuxHead(), SMALL), "conv")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_both_sources_agree(name):
    """torch-pruning's graph, where it is asked, and our own trace find the same groups."""
    heads = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    shape = (3, 299, 299) if name == "inception_v3" else (3, 64, 64)
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, **heads)
    both = trace_coupling(model, shape)
    alone = trace_coupling(model, shape, with_torch_pruning=False)
    assert both.source.startswith("torch-pruning ")
    assert alone.source == "own tracing"
    assert _plain(both) == _plain(alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_both_sources_agree_on_larger_networks(name):
    """The same, where it takes seconds."""
    test_both_sources_agree(name)


@pytest.mark.parametrize("name", [pytest.param("swin_t", marks=pytest.mark.slow), "shufflenet_v2_x1_0"])
def test_models_on_which_torch_pruning_hangs_or_raises(name):
    """It is not asked about them; our own trace answers soon."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    start = time.monotonic()
    graph = trace_coupling(model, (3, 224, 224))
    assert time.monotonic() - start < 60
    assert graph.source == "own tracing"
    assert graph.groups


def test_frozen_parameters_make_no_difference():
    """torch-pruning finds nothing in a network without gradients, and says nothing (trap 1); we find the same."""
    model = torchvision.models.squeezenet1_1(weights=None)
    expected = _plain(trace_coupling(model, (3, 64, 64)))
    model.requires_grad_(False)
    graph = trace_coupling(model, (3, 64, 64))
    assert _plain(graph) == expected
    assert graph.source.startswith("torch-pruning ")
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_forward_pass_that_needs_values_is_refused():
    """A model that looks at the values of tensors cannot be followed; the advice says so."""

    class Peeks(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 10)

        def forward(self, images):
            return self.linear(images.mean((2, 3))) if images.sum().item() > 0 else images

    with pytest.raises(PruneError, match="cannot be followed"):
        trace_coupling(Peeks(), SMALL)


def test_a_model_without_layers_is_refused():
    """Nothing to prune is said, not passed over."""
    with pytest.raises(PruneError, match="no convolution or linear layer"):
        trace_coupling(nn.Flatten(), SMALL)


def test_torchscript_is_refused():
    """A scripted model has no modules to cut."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.trace(nn.Flatten(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(PruneError, match="TorchScript"):
        trace_coupling(scripted, SMALL)


def _plain(graph: CouplingGraph) -> list:
    return [
        (group.name, [(member.tensor, member.dim, member.role, member.index.tolist()) for member in group.members])
        for group in graph.groups
    ]


def test_roles_are_told_apart():
    """Filters, columns and what follows along are named as such."""
    graph = trace_coupling(nets.Chain(), SMALL)
    roles = {member.tensor: member.role for member in graph.groups[0].members}
    assert roles == {
        "conv1.weight": Role.OUT,
        "conv1.bias": Role.ALONG,
        "norm.weight": Role.ALONG,
        "norm.bias": Role.ALONG,
        "norm.running_mean": Role.ALONG,
        "norm.running_var": Role.ALONG,
        "conv2.weight": Role.IN,
    }


def test_two_layers_that_share_a_weight_lose_the_same_filters() -> None:
    """One tensor under two names is one tensor: it is cut once, and both go on sharing it."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    model[3].weight = model[1].weight
    dense = nets.in_memory(model.eval(), (3, 8, 8))
    made = slim(dense, plan(dense, ratio=0.5)).model
    assert made[3].weight is made[1].weight
    assert made[1].weight.shape == (4, 4, 3, 3)


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_a_layer_that_computes_its_weight_says_so(wrap: Callable[[nn.Module], nn.Module]) -> None:
    """It is left out with what to do about it, instead of not at all."""
    model = nn.Sequential(
        wrap(nn.Conv2d(3, 8, 3)), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 4),
    )  # fmt: skip
    graph = trace_coupling(model.eval(), (3, 8, 8))
    reasons = {left.name: left.reason for left in graph.left_out}
    assert "weight_norm, spectral_norm" in reasons["0"]
    assert [group.name for group in graph.groups] == ["2"]
