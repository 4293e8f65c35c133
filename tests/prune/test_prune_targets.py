"""Ceilings that are counted: never exceeded, nearly reached, and nothing more would fit."""

from collections.abc import Callable

import prune_nets as nets
import pytest
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.errors import PruneError
from compressor.load.checkpoint import Checkpoint
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import count_cost, plan
from compressor.prune.blocks import same_weights
from compressor.prune.plan_record import Plan
from compressor.prune.survey import Survey
from compressor.prune.widths import widths
from compressor.types import Scope, Structure

CHAIN = nets.in_memory(nets.Chain(), (3, 8, 8))


def chain_params(first: int, second: int) -> int:
    """Return the parameters of a Chain with so many channels: convolution, norm, convolution, linear."""
    return (27 * first + first) + 2 * first + (9 * first * second + second) + (16 * second * 10 + 10)


def chain_macs(first: int, second: int) -> int:
    """Return its multiply-adds at 8 x 8 and, behind the stride, 4 x 4 positions."""
    return 64 * 27 * first + 16 * 9 * first * second + 160 * second


def kept(made: Plan) -> dict[str, int]:
    return {group.name: group.num_units - len(group.removed) for group in made.groups}


@settings(max_examples=40, deadline=None)
@given(fraction=st.floats(0.03, 0.99), quantity=st.sampled_from(["params", "macs"]), scope=st.sampled_from(list(Scope)))
def test_any_ceiling_is_kept_and_nothing_more_fits(fraction: float, quantity: str, scope: Scope) -> None:
    """For all ceilings: the rest is below, one more channel in either layer is above, by the formula of the network."""
    count = chain_params if quantity == "params" else chain_macs
    limit = max(count(1, 1), int(fraction * count(8, 12)))
    made = plan(CHAIN, **{f"target_{quantity}": limit}, scope=scope)
    first, second = kept(made)["conv1"], kept(made)["conv2"]
    assert made.target is not None
    assert made.target.reached == count(first, second) == getattr(made.after, quantity) <= limit
    larger = [count(*size) for size in ((first + 1, second), (first, second + 1)) if size[0] <= 8 and size[1] <= 12]
    assert all(size > limit for size in larger)
    assert made.target.next_step is not None
    assert made.target.next_step.size == min(larger)
    assert made.target.gap_fraction == pytest.approx((limit - made.target.reached) / count(8, 12))


def test_a_ceiling_by_hand() -> None:
    """1,003 parameters are 4 and 5 channels or others; the answer is below by less than any single channel costs."""
    made = plan(CHAIN, target_params=1003)
    first, second = kept(made)["conv1"], kept(made)["conv2"]
    assert chain_params(first, second) <= 1003 < chain_params(first + 1, second)
    assert chain_params(first, second + 1) > 1003
    assert made.target is not None
    assert made.target.dense == chain_params(8, 12) == 3046
    assert made.target.next_step is not None
    assert "1 filter of conv" in made.target.next_step.gives_back


@pytest.mark.parametrize(("quantity", "smallest"), [("params", chain_params(1, 1)), ("macs", chain_macs(1, 1))])
def test_the_smallest_reachable_is_reached_and_named(quantity: str, smallest: int) -> None:
    """One channel in each layer is the end: exactly that is met, one less is refused with its size."""
    made = plan(CHAIN, **{f"target_{quantity}": smallest})
    assert set(kept(made).values()) == {1}
    with pytest.raises(PruneError, match=f"smallest reachable model has {smallest:,} ") as caught:
        plan(CHAIN, **{f"target_{quantity}": smallest - 1})
    assert f"at least {smallest:,}" in caught.value.advice


def test_a_step_limits_what_can_be_reached() -> None:
    """Widths in multiples of 4: the smallest has 4 and 4 channels, and every answer is on that grid."""
    with pytest.raises(PruneError, match=f"smallest reachable model has {chain_params(4, 4):,} "):
        plan(CHAIN, target_params=chain_params(4, 4) - 1, round_to=4)
    made = plan(CHAIN, target_params=0.8, round_to=4)
    assert all(width % 4 == 0 for width in kept(made).values())


def test_own_ratios_and_kept_layers_are_left_alone() -> None:
    """What is still allowed is not given to a layer whose ratio was said, nor taken from one that is kept."""
    made = plan(CHAIN, target_params=0.7, ratio_for={"conv1": 0.5})
    assert kept(made)["conv1"] == 4
    assert chain_params(4, kept(made)["conv2"] + 1) > 0.7 * 3046
    made = plan(CHAIN, target_params=0.7, keep=("conv1",))
    assert kept(made)["conv1"] == 8
    with pytest.raises(PruneError, match=f"smallest reachable model has {chain_params(8, 1):,} "):
        plan(CHAIN, target_params=chain_params(8, 1) - 1, keep=("conv1",))


def test_where_nothing_may_be_given_back_there_is_no_next_step() -> None:
    """All layers have a ratio of their own, and together they are below: the gap stays, without a step."""
    made = plan(CHAIN, target_params=0.9, ratio_for={"conv?": 0.5})
    assert kept(made) == {"conv1": 4, "conv2": 6}
    assert made.target is not None
    assert made.target.next_step is None
    assert made.target.gap_fraction == (int(0.9 * 3046) - chain_params(4, 6)) / 3046


@pytest.fixture(scope="module")
def resnet() -> Checkpoint:
    return nets.in_memory(CifarResNet(20), (3, 32, 32), architecture="cifar:resnet20")


@pytest.mark.parametrize("target", [0.45, 0.6, 0.7, 0.8, 0.95])
def test_blocks_come_back_while_they_fit(resnet: Checkpoint, target: float) -> None:
    """Blocks alone: counted anew without each, every block that left would be too much; the least is the next step."""
    made = plan(resnet, target_params=target, structure=Structure.BLOCKS)
    assert made.target is not None
    limit = made.target.limit
    assert made.after.params <= limit
    larger = {}
    for block in made.removed_blocks:
        others = [name for name in made.removed_blocks if name != block]
        larger[block] = count_cost(same_weights(resnet.model, others), resnet.input_shape).params
    assert min(larger.values()) > limit
    assert made.target.next_step is not None
    assert made.target.next_step.size == min(larger.values())
    assert made.target.next_step.gives_back.removeprefix("block ") in larger


@pytest.mark.parametrize("quantity", ["macs", "params"])
@pytest.mark.parametrize("target", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("structure", [Structure.FILTERS, Structure.BOTH])
def test_gaps_on_a_real_network(
    trained: Callable[[int], Checkpoint], structure: Structure, target: float, quantity: str
) -> None:
    """The published resnet20: at most 2 % of dense is given away, with blocks too, because filters fill the gap."""
    made = plan(trained(20), **{f"target_{quantity}": target}, structure=structure)
    assert_close(made, quantity, target)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet56", "resnet18", "resnet50", "mobilenet_v2", "vgg16_bn", "convnext_tiny"])
def test_gaps_on_networks_people_use(trained: Callable[[int], Checkpoint], name: str) -> None:
    """The same on larger ones."""
    if name == "resnet56":
        checkpoint = trained(56)
    else:
        checkpoint = nets.in_memory(torchvision.models.get_model(name, weights=None), (3, 224, 224))
    survey = Survey(checkpoint)
    for structure in (Structure.FILTERS, Structure.BOTH):
        for target, quantity in ((0.3, "macs"), (0.5, "macs"), (0.5, "params"), (0.7, "params")):
            made = plan(checkpoint, **{f"target_{quantity}": target}, structure=structure, survey=survey)
            assert_close(made, quantity, target)


def assert_close(made: Plan, quantity: str, target: float) -> None:
    dense, rest = getattr(made.before, quantity), getattr(made.after, quantity)
    assert rest <= target * dense
    assert target - rest / dense <= 0.02
    assert made.target is not None
    assert made.target.next_step is not None
    assert made.target.next_step.size > target * dense - 1


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "resnet50", "convnext_tiny")),
    ],
)
def test_default_widths_suit_kernels(name: str) -> None:
    """At half of the filters: multiples of 8 where 64 or more were, even numbers where 16 or more were."""
    checkpoint = nets.in_memory(torchvision.models.get_model(name, weights=None), (3, 224, 224))
    made = plan(checkpoint, ratio=0.5)
    for group in made.groups:
        width = group.num_units - len(group.removed)
        assert width in widths(group.num_units, channels=1, round_to=None)
        assert width % 8 == 0 or group.num_units < 64
        assert width % 2 == 0 or group.num_units < 16


def test_a_block_that_is_too_large_stays() -> None:
    """Filters and blocks: where the first block to leave is 42 % of the model and 90 % may stay, filters leave."""
    checkpoint = nets.in_memory(CifarResNet(14), (3, 32, 32), architecture="cifar:resnet14")
    for convolution in (checkpoint.model.layer3[1].conv1, checkpoint.model.layer3[1].conv2):
        convolution.weight.data *= 0.01
    made = plan(checkpoint, target_params=0.9, structure=Structure.BOTH, block_criterion="l1")
    assert made.removed_blocks == ()
    assert_close(made, "params", 0.9)
    (left,) = (left for left in made.left_out if left.name == "blocks")
    assert left.reason == "filters alone come closer to the ceiling"
    only = plan(checkpoint, target_params=0.9, structure=Structure.BLOCKS, block_criterion="l1")
    assert only.target is not None
    assert only.removed_blocks
