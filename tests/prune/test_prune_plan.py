"""Choosing: ratios, globs, scopes and ceilings."""

import dataclasses

import prune_nets as nets
import pytest

from compressor.errors import OptionError, PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import plan, slim
from compressor.prune.plan_record import Plan
from compressor.types import Scope, Structure


@pytest.fixture
def resnet() -> Checkpoint:
    return nets.in_memory(CifarResNet(14), (3, 32, 32), architecture="cifar:resnet14")


def timeless(made: Plan) -> Plan:
    return dataclasses.replace(made, created="")


def removed(made: Plan) -> dict[str, int]:
    return {group.name: len(group.removed) for group in made.groups}


@pytest.mark.parametrize(
    ("ratio", "hint"),
    [
        (0, "0.5 removes half"),
        (1, "0.5 removes half"),
        (1.0, "0.5 removes half"),
        (-0.1, "0.5 removes half"),
        (50, "did you mean 0.5"),
        (float("nan"), "0.5 removes half"),
        (float("inf"), "0.5 removes half"),
        ("half", "0.5 removes half"),
    ],
)
def test_ratios_that_are_none(resnet, ratio, hint):
    """A ratio outside (0, 1) is quoted and explained; 1.0, which torch-pruning ignores (trap 2), too."""
    with pytest.raises(PruneError) as caught:
        plan(resnet, ratio=ratio)
    assert repr(ratio) in caught.value.message
    assert hint in caught.value.advice


def test_half_of_each_group_leaves(resnet):
    """Local scope: every group loses its share, so channels halve everywhere."""
    made = plan(resnet, ratio=0.5)
    assert all(len(group.removed) * 2 == group.num_units for group in made.groups)
    assert made.before.filters == made.after.filters * 2 - 10
    assert made.left_out[0].name == "linear"
    assert made.dense_sha256 == resnet.sha256


def test_the_lowest_scores_leave(resnet):
    """The filters with the smallest weights of their layer are those that leave."""
    made = plan(resnet, ratio=0.5, criterion="l1")
    norms = resnet.model.layer1[0].conv1.weight.detach().abs().sum((1, 2, 3))
    (group,) = (group for group in made.groups if group.name == "layer1.0.conv1")
    assert set(group.removed) == set(norms.argsort()[:8].tolist())


@pytest.mark.parametrize("criterion", ["l1", "l2", "fpgm", "bn-scale", "random"])
def test_same_arguments_same_plan(resnet, criterion):
    """Twice the same, for every criterion without data."""
    first = plan(resnet, ratio=0.4, criterion=criterion, seed=5)
    assert timeless(first) == timeless(plan(resnet, ratio=0.4, criterion=criterion, seed=5))
    assert first.leaving()


def test_another_seed_another_plan(resnet):
    """The random criterion follows the seed."""
    one, other = (plan(resnet, ratio=0.4, criterion="random", seed=seed) for seed in (0, 1))
    assert one.leaving() != other.leaving()
    assert one.after == other.after


def test_nothing_is_emptied(resnet):
    """At any ratio each group keeps a unit; torch-pruning leaves small groups full instead (trap 2)."""
    made = plan(resnet, ratio=0.99)
    assert all(0 < group.num_units - len(group.removed) < group.num_units for group in made.groups)
    slim(resnet, made)


def test_global_scope_compares_layers(resnet):
    """The share is met over all filters, the layers differ, and none is emptied."""
    resnet.model.layer1[0].conv1.weight.data[:12] *= 0.01
    made = plan(resnet, ratio=0.5, scope=Scope.GLOBAL, round_to=1)
    counts = removed(made)
    total = sum(group.num_units for group in made.groups)
    assert abs(sum(counts.values()) - total / 2) <= len(counts)
    assert counts["layer1.0.conv1"] >= 12
    assert len({len(group.removed) / group.num_units for group in made.groups}) > 1
    slim(resnet, made)


def test_isomorphic_scope_compares_layers_of_one_structure(resnet):
    """Inner layers of all stages share one ranking: where one of them is weak, it loses and its peers are spared."""
    resnet.model.layer1[0].conv1.weight.data[:12] *= 0.01
    made = plan(resnet, ratio=0.5, scope=Scope.ISOMORPHIC, round_to=1)
    counts = removed(made)
    inner = [group for group in made.groups if group.name.startswith("layer") and group.name.endswith("conv1")]
    assert abs(sum(len(group.removed) for group in inner) - sum(group.num_units for group in inner) / 2) <= 1
    assert counts["layer1.0.conv1"] >= 12
    assert made.scope is Scope.ISOMORPHIC
    slim(resnet, made)


def test_kept_layers_stay_whole_and_are_listed(resnet):
    """A glob keeps the groups whose filters it names; a module's name covers what lies in it."""
    made = plan(resnet, ratio=0.5, keep=("layer1.*.conv1", "layer3"))
    kept = {left.name for left in made.left_out if "request" in left.reason}
    assert kept == {"layer1.0.conv1", "layer1.1.conv1", "conv1", "layer2.0.conv2"} | {
        f"layer3.{name}" for name in ("0.conv1", "0.conv2", "1.conv1")
    }
    assert removed(made)["layer2.0.conv1"] == 16
    assert removed(made)["conv1"] == 0


def test_a_ratio_of_its_own(resnet):
    """A glob with a ratio overrides the ratio of what it names; the smallest wins."""
    made = plan(resnet, ratio=0.5, ratio_for={"layer1.*": 0.25, "layer2.0.conv1": 0.75, "layer2.?.conv1": 0.25})
    counts = removed(made)
    assert counts["layer1.0.conv1"] == 4
    assert counts["layer2.0.conv1"] == 8
    assert counts["layer3.0.conv1"] == 32


@pytest.mark.parametrize(
    ("structure", "keep", "blocks"),
    [
        (Structure.BLOCKS, ("layer1.0.conv1",), {"layer1.0"}),
        (Structure.BLOCKS, ("*.1.bn2",), {"layer1.1", "layer2.1", "layer3.1"}),
        (Structure.BLOCKS, ("layer1", "layer2.0"), {"layer1.0", "layer1.1"}),
        (Structure.BOTH, ("layer3.1.conv1",), {"layer3.1"}),
    ],
)
def test_a_kept_module_keeps_the_block_it_lies_in(resnet, structure, keep, blocks):
    """A block takes all its modules along, so it stays with any of them; the others may leave."""
    made = plan(resnet, ratio=0.99, structure=structure, keep=keep)
    assert {left.name for left in made.left_out if left.reason == "is a block kept by request"} == blocks
    assert set(made.removed_blocks) == {"layer1.0", "layer1.1", "layer2.1", "layer3.1"} - blocks


@pytest.mark.parametrize(
    ("structure", "settings", "words", "advice"),
    [
        (Structure.FILTERS, {"keep": ("layer1", "bn1")}, "--keep 'bn1' decides nothing", "conv1"),
        (
            Structure.FILTERS,
            {"ratio_for": {"layer1.0.bn1": 0.2}},
            "--ratio-for 'layer1.0.bn1' decides",
            "layer1.0.conv1",
        ),
        (Structure.FILTERS, {"ratio_for": {"linear": 0.2}}, "linear gives the model's answers", "conv1"),
        (Structure.FILTERS, {"ratio_for": {"layer1.0.conv1": 0.2}, "keep": ("layer1",)}, "keeps it whole", "layer3"),
        (Structure.BLOCKS, {"keep": ("conv1",)}, "--keep 'conv1' decides nothing", "layer1.1"),
        (Structure.BLOCKS, {"ratio_for": {"layer1": 0.2}}, "--ratio-for 'layer1' decides nothing", "nothing"),
        (Structure.BOTH, {"keep": ("bn1",)}, "--keep 'bn1' decides nothing", "conv1"),
    ],
)
def test_globs_that_decide_nothing_are_refused(resnet, structure, settings, words, advice):
    """A norm has no filters of its own, and the head never leaves: what could have been meant is named."""
    with pytest.raises(PruneError, match=words) as caught:
        plan(resnet, ratio=0.5, structure=structure, **settings)
    assert advice in caught.value.advice


def test_what_stays_anyway_may_be_kept(resnet):
    """The head, and a block that changes the shape: they stay as asked, and are listed with their own reason."""
    assert plan(resnet, ratio=0.5, keep=("linear",)).leaving() == plan(resnet, ratio=0.5).leaving()
    by_blocks = plan(resnet, ratio=0.5, structure=Structure.BLOCKS, keep=("layer2.0.conv1",))
    assert len(by_blocks.removed_blocks) == 2


@pytest.mark.parametrize(
    ("settings", "words", "advice"),
    [
        ({"keep": ("layr1",)}, "matches no module", "layer1"),
        ({"ratio_for": {"bananas": 0.2}}, "matches no module", "close"),
        ({"ratio_for": {"layer1": 2}}, "not in", "fraction"),
        ({"criterion": "magic"}, "'magic' is not known", "l1"),
        ({"block_criterion": "magic"}, "'magic' is not known", "cka"),
        ({"criterion": "taylor"}, "needs training images", "--data"),
        ({"round_to": 0}, "round-to", "8"),
        ({"keep": ("*",)}, "no filter would leave", "--keep"),
        ({"round_to": 512}, "no filter would leave", "--round-to"),
    ],
)
def test_wishes_that_cannot_be_met(resnet, settings, words, advice):
    """Each is one clear sentence with what to do; nothing pruned is an error, never silence (trap 1)."""
    with pytest.raises(PruneError, match=words) as caught:
        plan(resnet, ratio=0.5, **settings)
    assert advice in caught.value.advice


def test_exactly_one_way_to_say_how_much(resnet):
    """None or two are refused."""
    with pytest.raises(PruneError, match="nothing says"):
        plan(resnet)
    with pytest.raises(PruneError, match="given together"):
        plan(resnet, ratio=0.5, target_macs=0.5)


@pytest.mark.parametrize("target", [0.9, 0.5, 0.25, 0.1, 5_000_000])
@pytest.mark.parametrize("quantity", ["macs", "params"])
def test_targets_are_ceilings_that_are_nearly_reached(resnet, quantity, target):
    """The rest never exceeds the target, and comes close to it."""
    if target == 5_000_000 and quantity == "params":
        target = 60_000
    made = plan(resnet, **{f"target_{quantity}": target})
    dense, rest = getattr(made.before, quantity), getattr(made.after, quantity)
    limit = target * dense if target < 1 else target
    assert limit - 0.01 * dense <= rest <= limit
    assert made.target is not None
    assert made.target.reached == rest
    assert 0 < made.ratio < 1


@pytest.mark.parametrize("structure", [Structure.BLOCKS, Structure.BOTH])
def test_targets_with_blocks(resnet, structure):
    """Targets compose with blocks: as many leave as are needed, not more."""
    made = plan(resnet, target_macs=0.7, structure=structure)
    assert made.after.macs <= 0.7 * made.before.macs
    assert made.removed_blocks
    slim(resnet, made)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_macs": 1000}, "cannot be reached"),
        ({"target_macs": 10**12}, "not below dense"),
        ({"target_params": 0}, "leaves nothing"),
        ({"target_params": -0.5}, "leaves nothing"),
        ({"target_macs": 0.1, "structure": Structure.BLOCKS}, "cannot be reached"),
        ({"target_bytes": 0.5}, "measured"),
        ({"target_latency_ms": 1.0}, "measured"),
    ],
)
def test_targets_that_cannot_be_met(resnet, settings, words):
    """Unreachable and empty targets are refused with the numbers."""
    with pytest.raises(PruneError, match=words):
        plan(resnet, **settings)


def test_code_with_a_fixed_size_is_found_before_cutting():
    """A hard-coded flatten keeps its layer, with the reason; the rest is pruned (trap 10)."""
    checkpoint = nets.in_memory(nets.HardCoded(), (3, 8, 8))
    made = plan(checkpoint, ratio=0.5)
    assert made.leaving().keys() == {"conv1"}
    (reason,) = (left.reason for left in made.left_out if left.name == "conv2")
    assert "breaks" in reason
    slim(checkpoint, made)


def test_every_layer_that_stays_has_a_reason(resnet):
    """All groups that lose nothing stand in the list of what was left out."""
    made = plan(resnet, ratio=0.3, keep=("layer2",), criterion="bn-scale", round_to=16)
    left = {entry.name: entry.reason for entry in made.left_out}
    for group in made.groups:
        assert bool(group.removed) != (group.name in left)
    assert all(left.values())


def test_a_plain_word_is_the_structure_that_it_stands_for() -> None:
    """`structure="filters"` removes filters alone, and an unknown word is refused."""
    dense = nets.in_memory(CifarResNet(14), (3, 32, 32))
    assert timeless(plan(dense, ratio=0.5, structure="filters")) == timeless(plan(dense, ratio=0.5))
    with pytest.raises(OptionError):
        plan(dense, ratio=0.5, structure="filter")
