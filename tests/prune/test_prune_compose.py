"""Several cuts told as one."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from prune_nets import Chain, Residual, in_memory
from torch import nn
from torchvision import models

from compressor.load.checkpoint import Checkpoint
from compressor.prune import Plan, plan, slim
from compressor.prune.compose import compose
from compressor.types import Structure


def stepwise(dense: Checkpoint, ratios: list[float], structure: Structure) -> tuple[Checkpoint, list[Plan]]:
    """Cut one ratio after the other, without tuning."""
    current, plans = dense, []
    for ratio in ratios:
        plans.append(plan(current, ratio=ratio, structure=structure, block_criterion="l1"))
        current = slim(current, plans[-1])
    return current, plans


def assert_told_as_one(dense: Checkpoint, ratios: list[float], structure: Structure) -> Plan:
    """Cut by the composed plan and compare every weight with the stepwise cut."""
    last, plans = stepwise(dense, ratios, structure)
    whole = compose(dense, plans)
    made = slim(dense, whole)
    expected, found = last.model.state_dict(), made.model.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert made.removed_blocks == last.removed_blocks
    assert (whole.before, whole.after) == (plans[0].before, plans[-1].after)
    assert whole.dense_sha256 == dense.sha256
    return whole


@pytest.mark.parametrize("model", [Chain, Residual], ids=lambda kind: kind.__name__)
def test_two_cuts_are_one(model: Callable[[], nn.Module]) -> None:
    """The composed plan takes exactly the weights away that two cuts took."""
    torch.manual_seed(0)
    whole = assert_told_as_one(in_memory(model()), [0.25, 0.4, 0.2], Structure.FILTERS)
    assert any(len(units) > 2 for units in whole.leaving().values())


def test_units_are_counted_in_the_dense_model() -> None:
    """By hand: filters 0 and 1 are the smallest and leave first; then 2 and 3, which are 0 and 1 of what is left."""
    dense = in_memory(Chain())
    with torch.no_grad():
        for number, row in enumerate(dense.model.conv1.weight):
            row.fill_(float(number + 1))
    _, plans = stepwise(dense, [0.25, 0.34], Structure.FILTERS)
    first, second = (each.leaving()["conv1"] for each in plans)
    assert (first, second) == ((0, 1), (0, 1))
    assert compose(dense, plans).leaving()["conv1"] == (0, 1, 2, 3)


@pytest.mark.parametrize("structure", [Structure.BLOCKS, Structure.BOTH])
def test_blocks_and_filters_of_a_real_network(trained: Callable[[int], Checkpoint], structure: Structure) -> None:
    """Blocks that leave late take their layers out of the groups that lost filters early."""
    whole = assert_told_as_one(trained(20), [0.2, 0.3], structure)
    assert len(whole.removed_blocks) > 2
    assert len(set(whole.removed_blocks)) == len(whole.removed_blocks)


def test_one_plan_is_itself() -> None:
    """Nothing is changed where there is nothing to put together."""
    dense = in_memory(Residual())
    (only,) = stepwise(dense, [0.5], Structure.FILTERS)[1]
    assert compose(dense, [only]) is only


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121", "shufflenet_v2_x0_5", "regnet_y_400mf"])
def test_networks_of_torchvision(name: str) -> None:
    """Grouped layers, concatenations and shuffles keep the order of their units when some leave."""
    torch.manual_seed(0)
    dense = in_memory(models.get_model(name, num_classes=10), (3, 64, 64))
    whole = assert_told_as_one(dense, [0.3, 0.3], Structure.FILTERS)
    assert all(a < b for units in whole.leaving().values() for a, b in pairwise(units))
