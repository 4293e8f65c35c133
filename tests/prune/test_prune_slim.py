"""Cutting: the slim model answers as the dense one with the same channels masked, and nothing else changed."""

import copy
import dataclasses
from pathlib import Path

import block_nets
import prune_nets as nets
import pytest
import torch
import torchvision
from torch import nn

from compressor.data.preprocess import parse_preprocess
from compressor.errors import EvidenceError, PruneError
from compressor.load import load, save_slim
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import count_cost, plan, slim, trace_coupling
from compressor.prune.masked import kept_statistics, masked
from compressor.prune.plan_record import Plan
from compressor.records import dump, parse
from compressor.types import Structure

SMALL = (3, 8, 8)


def check_against_mask(model: nn.Module, shape: tuple[int, int, int], ratio: float = 0.4) -> None:
    """The oracle: in float64, slim and masked dense answers are equal to 1e-5 relative."""
    checkpoint = nets.in_memory(model, shape)
    chosen = plan(checkpoint, ratio=ratio, criterion="random")
    made = slim(checkpoint, chosen)
    dense = copy.deepcopy(model).double().eval()
    images = torch.rand(3, *shape, dtype=torch.float64)
    graph = trace_coupling(dense, shape)
    oracle = masked(dense, graph, chosen.leaving()).eval()
    with torch.no_grad(), kept_statistics(oracle, graph, chosen.leaving()):
        expected = oracle(images)
    found = made.model.double()(images)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert (found - dense(images)).abs().max() > 1e-3 * expected.abs().max()


TRAITS = (
    *(nets.Chain, nets.Residual, nets.Concat, nets.Grouped, nets.Shuffle, nets.LambdaShortcut, nets.Shared),
    *(nets.Sorted, nets.Norms),
)


@pytest.mark.parametrize("model", TRAITS)
def test_slim_equals_masked(model):
    """Every trait, on a small network."""
    check_against_mask(model(), SMALL)


@pytest.mark.parametrize("depth", [8, 20])
def test_slim_equals_masked_on_cifar_resnets(depth):
    """Zero-padded shortcuts included."""
    check_against_mask(CifarResNet(depth), (3, 32, 32))


def test_slim_equals_masked_on_resnet18():
    """A network people use, in the fast suite."""
    check_against_mask(torchvision.models.resnet18(num_classes=10), (3, 32, 32))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("vgg11_bn", 64),
        ("mobilenet_v2", 64),
        ("densenet121", 64),
        ("resnet50", 64),
        ("resnext50_32x4d", 64),
        ("regnet_y_400mf", 64),
        ("efficientnet_b0", 64),
        ("shufflenet_v2_x1_0", 64),
        ("squeezenet1_1", 64),
        ("googlenet", 64),
        ("alexnet", 96),
    ],
)
def test_slim_equals_masked_on_larger_networks(name, side):
    """Networks people use."""
    heads = {"init_weights": True} if name == "googlenet" else {}
    check_against_mask(torchvision.models.get_model(name, weights=None, num_classes=10, **heads), (3, side, side))


def test_norms_without_a_scale_are_cut_unchecked():
    """They cannot be told to leave channels out of their statistics, so only shapes and cost are checked."""
    checkpoint, chosen = _planned(nets.BareNorms(), SMALL)
    assert trace_coupling(checkpoint.model, SMALL).has_bare_norms
    assert not trace_coupling(nets.Norms(), SMALL).has_bare_norms
    found = slim(checkpoint, chosen)
    assert (found.model.first.out_channels, found.model.second.out_channels) == (8, 6)
    (note,) = found.notes
    assert "were not compared" in note
    assert slim(*_planned(nets.Norms(), SMALL)).notes == ()


@pytest.mark.parametrize("model", [nets.Chain, nets.BareNorms, block_nets.Residuals])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_answers_that_are_not_finite_are_refused(model, number):
    """NaN compares with nothing, so no difference says that it is there: with an oracle, without one, with blocks."""
    structure = Structure.BLOCKS if model is block_nets.Residuals else Structure.FILTERS
    checkpoint = nets.in_memory(model(), SMALL)
    chosen = plan(checkpoint, ratio=0.5, structure=structure)
    slim(checkpoint, chosen)
    checkpoint.model.linear.bias.data[0] = number
    with pytest.raises(PruneError, match="the slim model answers NaN or infinity"):
        slim(checkpoint, chosen)


def test_a_masked_model_that_is_not_finite_is_refused(monkeypatch):
    """Finite answers of the slim model do not make up for an oracle that says nothing."""
    checkpoint, chosen = _planned(nets.Chain(), SMALL)

    def broken(dense, graph, leaving):
        oracle = masked(dense, graph, leaving)
        oracle.linear.bias.data[0] = float("nan")
        return oracle

    monkeypatch.setitem(slim.__globals__, "masked", broken)
    with pytest.raises(PruneError, match="the masked dense model answers NaN"):
        slim(checkpoint, chosen)


def test_answers_that_differ_are_refused(monkeypatch):
    """An oracle whose answer is another by more than a thousandth of the largest."""
    checkpoint, chosen = _planned(nets.Chain(), SMALL)

    def other(dense, graph, leaving):
        oracle = masked(dense, graph, leaving)
        oracle.linear.bias.data[0] += 1
        return oracle

    monkeypatch.setitem(slim.__globals__, "masked", other)
    with pytest.raises(PruneError, match="answers other than the dense one with the same channels masked: by 1"):
        slim(checkpoint, chosen)


def test_a_transformer_is_narrowed_in_every_layer():
    """Stream, heads and the layer between lose half; token, positions and norms still fit."""
    made = slim(*_planned(nets.Tokens(), SMALL)).model
    assert (made.attention.embed_dim, made.attention.head_dim, made.attention.num_heads) == (4, 2, 2)
    assert (made.up.in_features, made.up.out_features) == (4, 8)
    assert (made.token.shape[-1], made.positions.shape[-1], made.norm.normalized_shape) == (4, 4, (4,))


def test_the_dense_model_is_not_touched():
    """Weights, mode and identity of the dense model stay."""
    checkpoint = nets.in_memory(CifarResNet(8), (3, 32, 32))
    before = sha256_of_weights(checkpoint.model.state_dict())
    made = slim(checkpoint, plan(checkpoint, ratio=0.5))
    made.model.conv1.weight.data.zero_()
    made.model.bn1.running_mean.zero_()
    assert sha256_of_weights(checkpoint.model.state_dict()) == before
    assert made.model is not checkpoint.model


def test_integers_of_the_modules_follow():
    """Widths, groups and the shortcut's zeros are what the tensors are."""
    checkpoint = nets.in_memory(nets.Grouped(), SMALL)
    made = slim(checkpoint, plan(checkpoint, ratio=0.5)).model
    assert (made.stem.out_channels, made.grouped.in_channels, made.grouped.groups) == (4, 4, 2)
    assert (made.grouped.out_channels, made.depthwise.groups, made.linear.in_features) == (8, 8, 8)
    resnet = nets.in_memory(CifarResNet(8), (3, 32, 32))
    cut = slim(resnet, plan(resnet, ratio=0.5)).model
    shortcut = cut.layer2[0].shortcut
    stream = cut.bn1.num_features
    assert stream + shortcut.before + shortcut.after == cut.layer2[0].conv2.out_channels == 16


def test_norms_transposed_convolutions_and_bare_parameters_are_cut():
    """Everything that follows a channel is narrowed with it."""
    made = slim(*_planned(nets.Norms(), SMALL)).model
    assert (made.norm.num_channels, made.norm.num_groups, tuple(made.scale.shape)) == (8, 4, (6,))
    assert (made.up.in_channels, made.up.out_channels, made.slope.num_parameters) == (6, 4, 4)


def test_a_slim_model_trains():
    """All parameters are leaves with gradients, in train mode, at an odd batch size (facts, trap 9)."""
    made = slim(*_planned(CifarResNet(8), (3, 32, 32))).model.train()
    made(torch.rand(3, 3, 32, 32)).sum().backward()
    assert all(parameter.is_leaf and parameter.grad is not None for parameter in made.parameters())


def test_frozen_parameters_are_cut_and_stay_frozen():
    """torch-pruning passes frozen parts over in silence (facts, trap 1); here they are cut like any other."""
    model = CifarResNet(8).requires_grad_(requires_grad=False)
    made = slim(*_planned(model, (3, 32, 32))).model
    assert made.conv1.out_channels == 8
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_history_and_parents_are_told():
    """The checkpoint says what was done, out of what, and has a digest of its own."""
    checkpoint, chosen = _planned(CifarResNet(8), (3, 32, 32))
    made = slim(checkpoint, chosen)
    assert made.parents == (checkpoint.sha256,)
    assert made.sha256 == sha256_of_weights(made.model.state_dict()) != checkpoint.sha256
    assert "pruned 120 of 250 filters (l1) at ratio 0.5" in made.history[-1]


def test_slimming_twice():
    """A slim model can be planned and cut again."""
    once = slim(*_planned(CifarResNet(8), (3, 32, 32)))
    twice = slim(once, plan(once, ratio=0.5))
    assert twice.model.conv1.out_channels == 4
    assert len(twice.history) == 2


def test_the_same_plan_cuts_the_same_model():
    """A plan that went through its file cuts to the same bytes."""
    checkpoint, chosen = _planned(CifarResNet(8), (3, 32, 32))
    again = parse(dump(chosen), Plan, source="plan.json")
    assert again == chosen
    assert slim(checkpoint, again).sha256 == slim(checkpoint, chosen).sha256


def _planned(model: nn.Module, shape: tuple[int, int, int]) -> tuple[Checkpoint, Plan]:
    checkpoint = nets.in_memory(model, shape)
    return checkpoint, plan(checkpoint, ratio=0.5)


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        (lambda: CifarResNet(8, width=8), (3, 32, 32), "16 units in the plan and 8"),
        (nets.Chain, (3, 32, 32), "16 units in the plan and 8"),
        (lambda: CifarResNet(8), (3, 16, 16), "made for input"),
    ],
)
def test_a_plan_for_another_model_is_refused(model, shape, words):
    """The first thing that does not fit is named."""
    _, chosen = _planned(CifarResNet(8), (3, 32, 32))
    if model is nets.Chain:
        net = nets.Chain()
        net.linear = nn.Linear(12 * 256, 10)
    else:
        net = model()
    with pytest.raises(PruneError, match=words):
        slim(nets.in_memory(net, shape), chosen)


def test_a_plan_that_removes_everything_is_refused():
    """A file written by hand cannot empty a layer, or name units that do not exist."""
    checkpoint, chosen = _planned(CifarResNet(8), (3, 32, 32))
    for removed, words in ((tuple(range(16)), "all units"), ((99,), "no unit 99")):
        groups = (dataclasses.replace(chosen.groups[0], removed=removed), *chosen.groups[1:])
        with pytest.raises(PruneError, match=words):
            slim(checkpoint, dataclasses.replace(chosen, groups=groups))


def test_a_plan_with_a_wrong_prediction_is_refused():
    """What is counted must be what the plan said."""
    checkpoint, chosen = _planned(CifarResNet(8), (3, 32, 32))
    wrong = dataclasses.replace(chosen.after, macs=chosen.after.macs + 1)
    with pytest.raises(PruneError, match="has 3,170,624 multiply-adds, the plan said 3,170,625"):
        slim(checkpoint, dataclasses.replace(chosen, after=wrong))


@pytest.mark.parametrize("what", ["groups", "units", "blocks"])
def test_a_plan_that_names_something_twice_is_refused(what):
    """Counting a unit twice would take another number of units than the file says."""
    checkpoint = nets.in_memory(CifarResNet(14), (3, 32, 32))
    chosen = plan(checkpoint, ratio=0.5, structure=Structure.BOTH)
    first = chosen.groups[0]
    twice = dataclasses.replace(first, removed=(*first.removed, first.removed[0]))
    changed, words = {
        "groups": ({"groups": (*chosen.groups, first)}, f"names group {first.name!r} twice"),
        "units": ({"groups": (twice, *chosen.groups[1:])}, f"group {first.name!r}: unit {first.removed[0]} twice"),
        "blocks": ({"removed_blocks": chosen.removed_blocks * 2}, f"names block {chosen.removed_blocks[0]!r} twice"),
    }[what]
    with pytest.raises(PruneError, match=words):
        slim(checkpoint, dataclasses.replace(chosen, **changed))


def test_a_plan_of_another_version_is_refused():
    """What its fields mean is said by its schema, so no other one is guessed at."""
    _, chosen = _planned(nets.Chain(), SMALL)
    content = dump(chosen).replace(b"compress.plan/1", b"compress.plan/2")
    with pytest.raises(EvidenceError, match=r"schema: input should be 'compress.plan/1'"):
        parse(content, Plan, source="plan.json")


def test_a_block_that_is_not_there_is_refused():
    """The block is named."""
    checkpoint, chosen = _planned(CifarResNet(8), (3, 32, 32))
    with pytest.raises(PruneError, match="'layer9'"):
        slim(checkpoint, dataclasses.replace(chosen, removed_blocks=("layer9",)))


@pytest.mark.shared_data
@pytest.mark.parametrize("structure", list(Structure))
@pytest.mark.parametrize(
    "ratio", [0.5, pytest.param(0.3, marks=pytest.mark.slow), pytest.param(0.7, marks=pytest.mark.slow)]
)
def test_published_resnet20(shared_data, tmp_path, structure, ratio):
    """A real checkpoint, whose shortcut breaks torch-pruning, at three ratios in filters, blocks and both."""
    _cut_published(shared_data / "checkpoints" / "resnet20-12fca82f.th", 20, structure, ratio, tmp_path)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("structure", list(Structure))
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
def test_published_resnet56(shared_data, tmp_path, structure, ratio):
    """The deeper one."""
    _cut_published(shared_data / "checkpoints" / "resnet56-4bfd9763.th", 56, structure, ratio, tmp_path)


def _cut_published(path: Path, depth: int, structure: Structure, ratio: float, folder: Path) -> None:
    """The file as it was published: recognised, cut, kept, and the same to the last bit when it is read back."""
    checkpoint = load(path, preprocess=parse_preprocess("imagenet"))
    assert checkpoint.architecture == f"cifar:resnet{depth}"
    chosen = plan(checkpoint, ratio=ratio, structure=structure)
    made = slim(checkpoint, chosen)
    assert made.removed_blocks == chosen.removed_blocks
    assert count_cost(made.model, (3, 32, 32)) == chosen.after
    # Of n blocks in each of three stages all can go but the two that widen.
    num_removable = 3 * (depth - 2) // 6 - 2
    expected = 0 if structure is Structure.FILTERS else int(ratio * num_removable + 0.5)
    assert len(chosen.removed_blocks) == expected
    assert len(set(chosen.removed_blocks)) == expected
    if structure is Structure.BLOCKS:
        assert chosen.leaving() == {}
    else:
        for group in chosen.groups:
            assert len(group.removed) == pytest.approx(ratio * group.num_units, abs=group.num_units / 16)
    save_slim(made, folder / "slim.safetensors")
    images = torch.rand(2, 3, 32, 32)
    answers = made.model(images)
    assert answers.shape == (2, 10)
    assert torch.equal(load(folder / "slim.safetensors").model(images), answers)


@pytest.mark.parametrize("structure", [Structure.FILTERS, Structure.BLOCKS])
def test_the_slim_model_shares_no_memory_with_the_dense_one(structure):
    """Training the slim model leaves the dense one as it is, also in layers that lost nothing."""
    dense = nets.in_memory(CifarResNet(20), (3, 32, 32))
    made = slim(dense, plan(dense, ratio=0.4, structure=structure, keep=("layer2*",)))
    before = sha256_of_weights(dense.model.state_dict())
    with torch.no_grad():
        for tensor in made.model.state_dict().values():
            tensor.add_(1)
    assert sha256_of_weights(dense.model.state_dict()) == before


def test_the_masked_model_shares_what_no_channel_leaves():
    """The oracle is a second dense model in memory only where something leaves, and never writes to the dense one."""
    dense = nets.in_memory(CifarResNet(8), (3, 32, 32)).model
    before = sha256_of_weights(dense.state_dict())
    oracle = masked(dense, trace_coupling(dense, (3, 32, 32)), {"layer1.0.conv1": (0, 3)})
    assert sha256_of_weights(dense.state_dict()) == before
    own = {
        name for name, tensor in oracle.state_dict().items() if tensor.data_ptr() != dense.state_dict()[name].data_ptr()
    }
    assert own == {f"layer1.0.{name}" for name in ("conv1.weight", "conv2.weight")} | {
        f"layer1.0.bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")
    }
    assert not oracle.layer1[0].conv1.weight[[0, 3]].any()
