"""Transformers: which channels of stream and heads leave together, and that the rest answers as if they were masked."""

import copy

import attention_nets as tiny
import prune_nets as nets
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import ShuffleNetV2

from compressor.errors import LoadError
from compressor.export.onnx import export_onnx
from compressor.export.parity import check_parity
from compressor.load import build, load, save_slim
from compressor.load.manifest import reshape, set_sizes
from compressor.prune import count_cost, plan, slim, trace_coupling
from compressor.prune.cost import Prediction
from compressor.prune.coupling import CouplingGraph, Role
from compressor.prune.cut import cut_units
from compressor.prune.masked import kept_statistics, masked
from compressor.prune.skeleton import plain_attention

SMALL = (3, 8, 8)
STREAMS = {
    "tiny_vit": {"conv_proj": 4},
    "tiny_swin": {"features.0.0": 4, "features.2.reduction": 4},
    "tiny_swin_v2": {"features.0.0": 4, "features.2.reduction": 4},
    "tiny_maxvit": {"blocks.0.layers.0.layers.MBconv.proj.1": 4, "blocks.1.layers.0.layers.MBconv.proj.1": 4},
    "tiny_encoder": {"embed": 4},
    "tiny_shuffle": {"stage2.0.branch1.2": 4, "stage3.0.branch1.2": 8, "stage4.0.branch1.2": 8},
}
"""Factory to the units of its streams: one per place in a head; for the shuffle, see its test."""


def third(graph: CouplingGraph) -> dict[str, list[int]]:
    """Return every third unit of each group, from the second on."""
    return {group.name: list(range(1, group.num_units, 3)) for group in graph.groups}


def test_a_place_in_the_heads_leaves_with_its_channels_of_the_stream():
    """Width 8 in 2 heads of 4: unit 1 is channels 1 and 5 of the stream and of queries, keys (+8) and values (+16)."""
    (group,) = (group for group in trace_coupling(nets.Tokens(), SMALL).groups if group.name == "embed")
    unit = {(member.tensor, member.dim): member.index[1].tolist() for member in group.members}
    stream = ("embed.weight", "embed.bias", "norm.weight", "norm.bias", "down.weight", "down.bias")
    assert unit == {
        **{(name, 0): [1, 5] for name in (*stream, "attention.out_proj.weight", "attention.out_proj.bias")},
        ("token", 2): [1, 5],
        ("positions", 2): [1, 5],
        ("attention.in_proj_weight", 0): [1, 5, 9, 13, 17, 21],
        ("attention.in_proj_bias", 0): [1, 5, 9, 13, 17, 21],
        **{(name, 1): [1, 5] for name in ("attention.in_proj_weight", "attention.out_proj.weight")},
        **{(name, 1): [1, 5] for name in ("up.weight", "linear.weight")},
    }


@pytest.mark.parametrize("name", list(STREAMS))
def test_streams_are_found(name):
    """Every stream is one group; nothing but the answers and the widths that nobody may change stays."""
    graph = trace_coupling(getattr(tiny, name)(), tiny.SHAPES[name])
    groups = {group.name: group.num_units for group in graph.groups}
    assert groups.items() >= STREAMS[name].items()
    stays = {left.reason for left in graph.left_out} - {"gives the model's answers"}
    assert stays <= {"goes through index, which is not followed"}
    assert bool(stays) == (name == "tiny_swin_v2"), "the number of heads, made by a network of positions"


def test_a_shuffled_stream_leaves_in_orbits():
    """16 channels, split once: 8 pairs of a shuffle, halved by the split, so unit 1 is channels 1, 5 of each branch.

    The shuffle puts channel j of the passing half beside channel j of the new one: pair 1 sits at 2 and 3, so filters
    2 and 3 of the second branch go with it.
    """
    graph = trace_coupling(tiny.tiny_shuffle(), tiny.SHAPES["tiny_shuffle"])
    (group,) = (group for group in graph.groups if group.name == "stage2.0.branch1.2")
    filters = {member.tensor: member.index[1].tolist() for member in group.makers() if "stage2" in member.tensor}
    assert filters == {
        "stage2.0.branch1.2.weight": [1, 5],
        "stage2.0.branch2.5.weight": [1, 5],
        "stage2.1.branch2.5.weight": [2, 3],
    }


def test_a_stream_that_is_shuffled_too_often_stays():
    """Each split halves the units: 16 channels have 8, 4, 2, and none that could leave alone behind five units."""
    graph = trace_coupling(ShuffleNetV2([5, 1, 1], [8, 16, 16, 16, 12], num_classes=10), tiny.SHAPES["tiny_shuffle"])
    stream = {f"stage2.{number}.branch2.5" for number in range(5)} | {"stage2.0.branch1.2"}
    makers = {member.module for group in graph.groups for member in group.makers()}
    reasons = {left.name: left.reason for left in graph.left_out}
    assert not stream & makers
    assert reasons.keys() >= stream
    assert {reasons[name] for name in stream} == {"all its channels are tied into one"}
    assert makers >= {f"stage2.{number}.branch2.0" for number in range(5)}


@pytest.mark.parametrize("name", list(STREAMS))
def test_slim_equals_masked(name):
    """In float64, to 1e-10; norms over channels take the statistics of the channels that stay, and that matters."""
    dense = tiny.shaken(getattr(tiny, name)()).double()
    images = torch.rand(2, *tiny.SHAPES[name], dtype=torch.float64)
    graph = trace_coupling(dense, tiny.SHAPES[name])
    made = copy.deepcopy(dense)
    cut_units(made, graph, third(graph))
    oracle = masked(dense, graph, third(graph))
    with torch.no_grad():
        answers = made(images)
        with plain_attention(), kept_statistics(oracle, graph, third(graph)):
            expected = oracle(images)
        assert (answers - expected).abs().max() <= 1e-10 * expected.abs().max()
        if name != "tiny_shuffle":
            assert (answers - oracle(images)).abs().max() > 1e-3 * expected.abs().max()
        assert (answers - dense(images)).abs().max() > 1e-3 * expected.abs().max()


@pytest.mark.parametrize("name", list(STREAMS))
def test_predicted_cost_is_counted_cost(name):
    """The products of queries, keys and values become cheaper with the heads."""
    model, shape = getattr(tiny, name)(), tiny.SHAPES[name]
    graph = trace_coupling(model, shape)
    num = {group: len(units) for group, units in third(graph).items()}
    predicted = Prediction(model, graph, count_cost(model, shape)).after(num)
    cut_units(model, graph, third(graph))
    assert count_cost(model, shape) == predicted


def test_the_products_of_attention_are_counted():
    """5 tokens in 2 heads of 4: 25 pairs, compared and mixed, are 50 multiply-adds for each of the 8 channels."""
    products = {product.tensor: product for product in trace_coupling(nets.Tokens(), SMALL).products}
    assert products["attention.out_proj.weight"].attended == 2 * 25
    assert {product.attended for name, product in products.items() if "out_proj" not in name} == {0}


def test_heads_of_another_width_than_their_stream():
    """In timm, 4 places of 2 channels leave beside 8 channels of the stream; it has two ways to attend.

    The scale is an attribute that only one of them reads; it follows the width, also when a file is loaded.
    """
    pytest.importorskip("timm")
    arch, shape = f"{tiny.__file__}:tiny_timm", tiny.SHAPES["tiny_timm"]
    dense = tiny.shaken(build(arch)).double()
    graph = trace_coupling(dense, shape)
    groups = {group.name: group.num_units for group in graph.groups}
    assert groups.items() >= {"patch_embed.proj": 8, "blocks.0.attn.qkv": 4, "blocks.1.attn.qkv": 4}.items()
    images = torch.rand(2, *shape, dtype=torch.float64)
    for is_fused in (True, False):
        for block in dense.blocks:
            block.attn.fused_attn = is_fused
        made, oracle = copy.deepcopy(dense), masked(dense, graph, third(graph))
        cut_units(made, graph, third(graph))
        with torch.no_grad(), plain_attention(), kept_statistics(oracle, graph, third(graph)):
            expected = oracle(images)
        assert (made(images) - expected).abs().max() <= 1e-10 * expected.abs().max()
    checkpoint = nets.in_memory(tiny.shaken(build(arch)), shape, architecture=arch)
    found = slim(checkpoint, plan(checkpoint, ratio=0.5, round_to=1)).model.blocks[0].attn
    assert (found.head_dim, found.attn_dim, found.scale) == (2, 4, 2**-0.5)
    again = build(arch).blocks[0].attn
    set_sizes(again, {"": {"head_dim": 2, "attn_dim": 4}})
    assert again.scale == found.scale


def test_normalised_queries_stay_whole():
    """Behind a norm, smaller queries cannot make up for another scale."""
    pytest.importorskip("timm")
    graph = trace_coupling(tiny.tiny_timm(normed=True), tiny.SHAPES["tiny_timm"])
    assert not any(group.name.endswith("qkv") for group in graph.groups)
    assert any("attention" in left.reason for left in graph.left_out if left.name == "blocks.0.attn.qkv")


@pytest.mark.parametrize(
    ("name", "path", "follows"),
    [
        ("tiny_vit", "encoder.layers.encoder_layer_1.self_attention.in_proj_", True),
        ("tiny_swin", "features.3.0.attn.qkv.", True),
        ("tiny_swin_v2", "features.3.0.attn.qkv.", False),
        ("tiny_maxvit", "blocks.1.layers.0.layers.grid_attention.attn_layer.1.to_qkv.", False),
    ],
)
def test_queries_make_up_for_another_scale(name, path, follows):
    """Heads of 3 instead of 4 channels: queries shrink by sqrt(3/4) where the code divides by the root of the width."""
    model = tiny.shaken(getattr(tiny, name)())
    dense = copy.deepcopy(model)
    graph = trace_coupling(model, tiny.SHAPES[name])
    cut_units(model, graph, {group: [3] for group in STREAMS[name]})
    for kind in ("weight", "bias"):
        before, after = dense.get_parameter(path + kind), model.get_parameter(path + kind)
        kept = [channel for channel in range(len(before)) if channel % 4 != 3]
        narrow = before[kept] if before.ndim == 1 else before[kept][:, kept[: len(kept) // 3]]
        num = len(kept) // 3
        assert torch.allclose(after[:num], narrow[:num] * (0.75**0.5 if follows else 1.0))
        assert torch.equal(after[num:], narrow[num:])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(STREAMS))
def test_a_slim_transformer_is_checked_trains_and_comes_back(name, tmp_path):
    """The whole way: planned, cut, answers checked, rebuilt bit for bit from a file, trained at two batch sizes."""
    shape, arch = tiny.SHAPES[name], f"{tiny.__file__}:{name}"
    checkpoint = nets.in_memory(tiny.shaken(build(arch)), shape, architecture=arch)
    chosen = plan(checkpoint, ratio=0.5, round_to=1)
    made = slim(checkpoint, chosen)
    removed = {group.name: len(group.removed) for group in chosen.groups}
    assert removed.items() >= {group: num // 2 for group, num in STREAMS[name].items()}.items()
    save_slim(made, tmp_path / "x.safetensors")
    found = load(tmp_path / "x.safetensors", arch=arch).model
    images = torch.rand(3, *shape)
    assert torch.equal(found(images), made.model(images))
    for batch in (2, 3):
        found.train()(images[:batch]).sum().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(STREAMS))
def test_a_slim_transformer_is_exported(name):
    """Its ONNX file answers as it does."""
    checkpoint = nets.in_memory(tiny.shaken(getattr(tiny, name)()), tiny.SHAPES[name])
    made = slim(checkpoint, plan(checkpoint, ratio=0.5, round_to=1))
    assert check_parity(made, export_onnx(made)).decision == "passed"


class _Own(nn.Module):
    """Attention of a class nobody knows: its scale may or may not follow its width."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 24)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        queries, keys, values = self.qkv(self.embed(images).flatten(2).transpose(1, 2)).chunk(3, dim=-1)
        return self.linear(((queries @ keys.transpose(1, 2)).softmax(-1) @ values).mean(1))


class _Crossed(nn.Module):
    """Queries of one stream, keys and values of another."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(3, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        left, right = (layer(images).flatten(2).transpose(1, 2) for layer in (self.left, self.right))
        return self.linear(self.attention(left, right, right, need_weights=False)[0].mean(1))


@pytest.mark.parametrize(("model", "layer", "words"), [(_Own, "qkv", "attention"), (_Crossed, "left", "attention")])
def test_other_attention_stays_whole(model, layer, words):
    """What is not known to be safe is kept, with the reason."""
    graph = trace_coupling(model(), SMALL)
    makers = {member.module for group in graph.groups for member in group.members if member.role is Role.OUT}
    assert layer not in makers
    assert any(words in left.reason for left in graph.left_out if left.name == layer)


def test_a_file_whose_heads_do_not_make_the_width_is_refused():
    """Integers that contradict each other are bad input, not a crash in the forward pass."""
    manifest = {"attention": {"embed_dim": 4, "kdim": 4, "vdim": 4, "head_dim": 3}}
    shapes = {name: tuple(tensor.shape) for name, tensor in nets.Tokens().state_dict().items()}
    with pytest.raises(LoadError, match="2 heads of 3 channels are not 4"):
        reshape(nets.Tokens(), (), manifest, shapes)
