"""Pruning in one step or in several."""

from pathlib import Path

import pytest
import torch

from compressor.data import Data, parse_preprocess
from compressor.errors import PruneError
from compressor.finetune import Recipe
from compressor.load import Checkpoint, build, load
from compressor.prune import slim
from compressor.shrink import shrink
from compressor.steps import fit, open_model
from compressor.task import Cut, Place
from compressor.types import Structure

BRIEF = Recipe(epochs=2, batch_size=64)


@pytest.fixture(scope="module")
def scene(digits_checkpoint: Path) -> tuple[Checkpoint, Data]:
    """Return a trained network and its images."""
    return fit(open_model(digits_checkpoint), "digits")


def shapes(checkpoint: Checkpoint) -> dict[str, torch.Size]:
    """Return the shape of every tensor."""
    return {name: tensor.shape for name, tensor in checkpoint.model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("structure", [Structure.FILTERS, Structure.BOTH])
def test_three_steps_tell_one_plan(scene: tuple[Checkpoint, Data], structure: Structure) -> None:
    """The plan of all steps cuts the dense model to the very shapes they ended with, and says the ratio asked for."""
    dense, data = scene
    shrunk = shrink(dense, cut=Cut(ratio=0.6, num_steps=3, structure=structure), data=data, recipe=BRIEF)
    assert shrunk.plan.ratio == pytest.approx(0.6)
    assert shrunk.plan.dense_sha256 == dense.sha256
    assert shapes(slim(dense, shrunk.plan)) == shapes(shrunk.checkpoint)
    told = [line.split()[0] for line in shrunk.checkpoint.history]
    assert told == ["pruned", "fine-tuned"] * 3
    assert shrunk.history is not None
    assert shrunk.history.recipe.epochs == 2
    one = shrink(dense, cut=Cut(ratio=0.6, structure=structure))
    assert shrunk.plan.after.macs == pytest.approx(one.plan.after.macs, rel=0.1)


@pytest.mark.slow
def test_each_step_scores_anew(scene: tuple[Checkpoint, Data]) -> None:
    """Weights are tuned in between, so other filters leave than in one cut, and the same ones when run again."""
    dense, data = scene
    cut = Cut(ratio=0.5, num_steps=2)
    stepwise = shrink(dense, cut=cut, data=data, recipe=BRIEF)
    at_once = shrink(dense, cut=Cut(ratio=0.5), data=data, recipe=BRIEF)
    assert stepwise.plan.leaving() != at_once.plan.leaving()
    again = shrink(dense, cut=cut, data=data, recipe=BRIEF)
    assert again.checkpoint.sha256 == stepwise.checkpoint.sha256


@pytest.mark.parametrize("quantity", ["macs", "params"])
def test_a_ceiling_is_met_by_the_last_step(scene: tuple[Checkpoint, Data], quantity: str) -> None:
    """Half of dense, seen from the dense model and not from what the step before left."""
    dense, _ = scene
    target = {f"target_{quantity}": 0.5}
    whole = shrink(dense, cut=Cut(num_steps=3, **target)).plan
    before, after = getattr(whole.before, quantity), getattr(whole.after, quantity)
    assert whole.target is not None
    assert (whole.target.dense, whole.target.limit) == (before, before // 2)
    assert after == whole.target.reached <= 0.5 * before
    assert whole.target.gap_fraction == pytest.approx((before // 2 - after) / before)
    assert after > 0.4 * before


def test_a_layer_with_its_own_ratio_may_leave_with_its_block() -> None:
    """A glob that named something in the first step need not name anything in the second; the plan still tells it."""
    dense = load(build("cifar:resnet14", num_classes=10), arch="cifar:resnet14", input_size=(8, 8))
    for convolution in (dense.model.layer3[1].conv1, dense.model.layer3[1].conv2):
        convolution.weight.data *= 1e-3
    cut = Cut(ratio=0.5, num_steps=2, structure=Structure.BOTH, ratio_for={"layer3.1.conv1": 0.25})
    whole = shrink(dense, cut=cut).plan
    assert whole.removed_blocks[0] == "layer3.1"
    assert whole.ratio_for.keys() == {"layer3.1.conv1"}


@pytest.mark.slow
def test_a_stopped_run_goes_on(scene: tuple[Checkpoint, Data], tmp_path: Path) -> None:
    """What earlier steps were tuned to is found again in the state."""
    dense, data = scene
    cut = Cut(ratio=0.5, num_steps=2)
    straight = shrink(dense, cut=cut, data=data, recipe=BRIEF)
    kept = shrink(dense, cut=cut, data=data, recipe=BRIEF, place=Place(work_dir=tmp_path))
    states = sorted((tmp_path / "finetune").glob("*.pt"))
    assert len(states) == 2
    times = [path.stat().st_mtime_ns for path in states]
    resumed = shrink(dense, cut=cut, data=data, recipe=BRIEF, place=Place(work_dir=tmp_path))
    assert [path.stat().st_mtime_ns for path in states] == times
    assert straight.checkpoint.sha256 == kept.checkpoint.sha256 == resumed.checkpoint.sha256


def test_a_step_that_removes_nothing_says_which(scene: tuple[Checkpoint, Data]) -> None:
    """Too many steps for so few filters: named, with the remedy."""
    dense, _ = scene
    with pytest.raises(PruneError, match="step 1 of 200") as caught:
        shrink(dense, cut=Cut(ratio=0.5, num_steps=200))
    assert "fewer --steps" in caught.value.advice


@pytest.mark.slow
def test_blocks_leave_one_at_a_time() -> None:
    """Five of nine blocks in twenty steps: five steps with one block each, and none without."""
    torch.manual_seed(0)
    network = build("cifar:resnet20", num_classes=10, in_channels=3)
    dense = load(network, arch="cifar:resnet20", preprocess=parse_preprocess("none"), input_size=(32, 32))
    at_once = shrink(dense, cut=Cut(ratio=0.8, structure=Structure.BLOCKS)).plan.removed_blocks
    shrunk = shrink(dense, cut=Cut(ratio=0.8, num_steps=20, structure=Structure.BLOCKS))
    assert len(at_once) == len(shrunk.plan.removed_blocks) == len(shrunk.checkpoint.history) > 3
    assert set(at_once) == set(shrunk.plan.removed_blocks)
