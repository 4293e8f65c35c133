"""Every silent failure of `shared/facts/pruning.md`, each with the number of its trap or section.

Closed-form answers for the parts stand in the other files of this room; here each trap is walked into as a user would.
"""

import copy
import gc
import pickle
import weakref
from pathlib import Path

import prune_nets as nets
import pytest
import torch
import torchvision
from torch import nn

from compressor.errors import LoadError, PruneError
from compressor.load import Checkpoint, build, load, save_slim
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import plan, slim
from compressor.types import Scope

SMALL = (3, 8, 8)
CIFAR = (3, 32, 32)


@pytest.fixture
def resnet() -> Checkpoint:
    """Return a CIFAR ResNet with 14 layers."""
    return nets.in_memory(CifarResNet(14), CIFAR, architecture="cifar:resnet14")


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["", "layer1", "linear"])
def test_trap_1_frozen_parameters_are_pruned_like_others(frozen: str) -> None:
    """Trap 1: without gradients torch-pruning prunes nothing, or passes the frozen part over. Here it is one cut."""
    free, held = (nets.in_memory(CifarResNet(8), CIFAR) for _ in range(2))
    held.model.load_state_dict(free.model.state_dict())
    held.model.get_submodule(frozen).requires_grad_(requires_grad=False)
    expected = plan(free, ratio=0.5)
    chosen = plan(held, ratio=0.5)
    assert chosen.leaving() == expected.leaving()
    made = slim(held, chosen).model
    for name, parameter in made.named_parameters():
        assert parameter.requires_grad != name.startswith(frozen)
        assert parameter.shape == slim(free, expected).model.get_parameter(name).shape


def test_trap_1_nothing_pruned_is_an_error(resnet: Checkpoint) -> None:
    """Trap 1, issue 416: a step that removes nothing returns in silence there; here it is refused, with the reasons."""
    with pytest.raises(PruneError, match=r"no filter would leave \(linear: .*; .*request") as caught:
        plan(resnet, ratio=0.5, keep=("*",))
    assert "--keep" in caught.value.advice


def test_trap_2_ratio_one_is_refused_and_high_ratios_reach_every_group(resnet: Checkpoint) -> None:
    """Trap 2: 1.0 prunes nothing there, and .99 leaves small groups full; here each group keeps one unit or a few."""
    with pytest.raises(PruneError, match=r"1\.0"):
        plan(resnet, ratio=1.0)
    made = plan(resnet, ratio=0.99)
    kept = {group.name: group.num_units - len(group.removed) for group in made.groups}
    assert set(kept.values()) <= {1, 2}
    slim(resnet, made)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.9, 0.95])
def test_trap_3_no_group_loses_more_than_was_asked(resnet: Checkpoint, ratio: float) -> None:
    """Trap 3: a cap of .9 let 95 % go. Here a group misses its ratio by rounding only: a sixteenth, or half a unit."""
    for group in plan(resnet, ratio=ratio).groups:
        exact = ratio * group.num_units
        assert abs(len(group.removed) - exact) <= max(group.num_units / 16, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nets.Chain, SMALL),
        (nets.Concat, SMALL),
        (nets.Tokens, SMALL),
        (lambda: CifarResNet(8), CIFAR),
        (lambda: torchvision.models.squeezenet1_1(num_classes=10), (3, 64, 64)),
    ],
)
def test_trap_4_the_head_is_never_pruned(model: object, shape: tuple) -> None:
    """Trap 4: `fc` goes from 1000 to 500 classes there, in silence. Here a ratio of its own is refused."""
    checkpoint = nets.in_memory(model(), shape)
    head = [name for name, module in checkpoint.model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)][-1]
    with pytest.raises(PruneError, match=f"--ratio-for '{head}' decides nothing: {head} gives the model's answers"):
        plan(checkpoint, ratio=0.5, ratio_for={head: 0.5})
    for settings in ({}, {"keep": (head,)}, {"scope": Scope.GLOBAL}):
        chosen = plan(checkpoint, ratio=0.5, **settings)
        assert any(left.name == head and "answers" in left.reason for left in chosen.left_out)
        assert slim(checkpoint, chosen).model.eval()(torch.rand(2, *shape)).shape == (2, 10)


def test_trap_5_no_parameter_is_shared_with_the_dense_model(resnet: Checkpoint) -> None:
    """Trap 5: 61 of 62 parameters are replaced, so an old optimizer trains little. Here all are new: it trains none."""
    optimizer = torch.optim.SGD(resnet.model.parameters(), lr=0.1)
    made = slim(resnet, plan(resnet, ratio=0.5)).model.train()
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert not held & {id(parameter) for parameter in made.parameters()}
    before = copy.deepcopy(made.state_dict())
    own = torch.optim.SGD(made.parameters(), lr=0.1)
    nn.functional.cross_entropy(made(torch.rand(4, *CIFAR)), torch.tensor([0, 1, 2, 3])).backward()
    own.step()
    assert all(not torch.equal(parameter, before[name]) for name, parameter in made.named_parameters())


def test_trap_6_a_criterion_without_its_images_says_so(resnet: Checkpoint) -> None:
    """Trap 6: Taylor without gradients is an AttributeError on None there."""
    with pytest.raises(PruneError, match="needs training images") as caught:
        plan(resnet, ratio=0.5, criterion="taylor")
    assert "--data" in caught.value.advice


def test_trap_7_each_group_is_recorded_once(resnet: Checkpoint) -> None:
    """Trap 7: groups are recorded twice there, and a replay fails. A plan here holds each once and cuts alike."""
    chosen = plan(resnet, ratio=0.5)
    assert len({group.name for group in chosen.groups}) == len(chosen.groups)
    assert slim(resnet, chosen).sha256 == slim(resnet, chosen).sha256


def test_trap_8_one_network_leaves_nothing_behind_for_the_next() -> None:
    """Trap 8: mutable defaults of the library leak modules of one network into the pruning of the next."""
    chain = nets.in_memory(nets.Chain(), SMALL)
    before = plan(chain, ratio=0.5).leaving()
    grouped = nets.in_memory(nets.Grouped(), SMALL)
    slim(grouped, plan(grouped, ratio=0.5))
    resnet18 = nets.in_memory(torchvision.models.resnet18(num_classes=10), CIFAR)
    plan(resnet18, ratio=0.5)
    assert plan(chain, ratio=0.5).leaving() == before
    # Nothing of what is built here lasts: the library holds no module of these networks once they are gone.
    gone = weakref.ref(resnet18.model)
    del resnet18
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("name", "side"),
    [("googlenet", 64), pytest.param("inception_v3", 299, marks=pytest.mark.slow)],
)
def test_trap_9_heads_of_training_still_train(name: str, side: int) -> None:
    """Trap 9: auxiliary heads are not adapted there: eval works and train crashes."""
    checkpoint = nets.in_memory(build(f"torchvision:{name}", num_classes=10), (3, side, side))
    made = slim(checkpoint, plan(checkpoint, ratio=0.5)).model.train()
    answers = made(torch.rand(2, 3, side, side))
    heads = [answer for answer in answers if answer is not None]
    assert len(heads) == {"googlenet": 3, "inception_v3": 2}[name]
    sum(answer.sum() for answer in heads).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_trap_10_a_size_written_into_code_keeps_its_layer() -> None:
    """Trap 10: `.view(-1, 16)` fails after pruning there. Here it is found before cutting, and the rest is pruned."""
    checkpoint = nets.in_memory(nets.HardCoded(), SMALL)
    chosen = plan(checkpoint, ratio=0.5)
    assert any(left.name == "conv2" and "breaks" in left.reason for left in chosen.left_out)
    made = slim(checkpoint, chosen).model
    assert (made.conv1.out_channels, made.conv2.out_channels) == (4, 4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: torch.compile(model, backend="eager"),
        nn.DataParallel,
        lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
        torch.optim.swa_utils.AveragedModel,
    ],
    ids=["compiled", "parallel", "both", "averaged"],
)
def test_trap_11_wrappers_are_taken_off(wrap: object, tmp_path: Path) -> None:
    """Trap 11: a compiled model recompiles at each width there. Here the network inside is cut, and can be kept."""
    model = CifarResNet(8).eval()
    expected = load(model, input_size=(32, 32))
    found = load(wrap(model.cpu()), input_size=(32, 32))
    made = slim(found, plan(found, ratio=0.5))
    assert type(made.model) is CifarResNet
    assert made.sha256 == slim(expected, plan(expected, ratio=0.5)).sha256
    save_slim(made, tmp_path / "x.safetensors")
    images = torch.rand(2, *CIFAR)
    assert torch.equal(load(tmp_path / "x.safetensors").model(images), made.model(images))


def test_trap_12_the_ratio_is_one_of_filters_and_what_left_is_told(resnet: Checkpoint) -> None:
    """Trap 12, issues 199 and 224: half the filters are three quarters of the work; a target halves the work itself."""
    by_filters = plan(resnet, ratio=0.5)
    assert by_filters.after.filters - 10 == (by_filters.before.filters - 10) / 2
    assert 0.7 < 1 - by_filters.after.macs / by_filters.before.macs < 0.8
    (line,) = slim(resnet, by_filters).history
    for cost in (by_filters.before, by_filters.after):
        assert f"{cost.macs:,}" in line
        assert f"{cost.params:,}" in line
    by_work = plan(resnet, target_macs=0.5)
    assert 0.47 < by_work.after.macs / by_work.before.macs <= 0.5


def test_section_3_widths_are_no_odd_numbers(resnet: Checkpoint) -> None:
    """Section 3 and issue 38: odd widths tripled a latency. Wide layers keep multiples of 8, and --round-to holds."""
    made = slim(resnet, plan(resnet, ratio=0.3)).model
    convolutions = [module for module in made.modules() if isinstance(module, nn.Conv2d)]
    assert all(module.out_channels % 4 == 0 for module in convolutions)
    rounded = slim(resnet, plan(resnet, ratio=0.3, round_to=8, scope=Scope.GLOBAL)).model
    inner = [block.conv1 for stage in (rounded.layer1, rounded.layer2, rounded.layer3) for block in stage]
    assert all(convolution.out_channels % 8 == 0 for convolution in inner)


def test_section_4_a_slim_network_is_kept_without_pickle(tmp_path: Path, resnet: Checkpoint) -> None:
    """Section 4: a slim state dict fits no class, and a pickled model is code. A slim checkpoint is neither."""
    made = slim(resnet, plan(resnet, ratio=0.5, structure="both"))
    torch.save(made.model.state_dict(), tmp_path / "state.pt")
    with pytest.raises(LoadError, match="fit no architecture") as caught:
        load(tmp_path / "state.pt")
    assert "slim:FILE" in caught.value.advice
    images = torch.rand(2, *CIFAR)
    for name in ("x.safetensors", "x.pt"):
        save_slim(made, tmp_path / name)
        found = load(tmp_path / name)
        assert torch.equal(found.model(images), made.model(images))
        assert found.removed_blocks == made.removed_blocks != ()
    assert torch.load(tmp_path / "x.pt", weights_only=True).keys() == {"compress", "state_dict"}


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["params", "macs", "filters"])
def test_section_5_more_asked_is_never_more_left(resnet: Checkpoint, quantity: str) -> None:
    """Section 5, issue 417: at high ratios the size suddenly grows there, because small groups stay full."""
    sizes = [getattr(plan(resnet, ratio=percent / 100).after, quantity) for percent in (10, 20, 40, 60, 80, 90, 95, 99)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 10 * sizes[-1]


def test_section_5_one_filter_is_no_depthwise_convolution() -> None:
    """Section 5, issue 126: there a convolution with one output is taken for depthwise. Here it reads what is left."""
    checkpoint = nets.in_memory(nets.OneFilter(), SMALL)
    chosen = plan(checkpoint, ratio=0.5)
    (left,) = (left for left in chosen.left_out if left.name == "one")
    assert left.reason == "has a single filter"
    made = slim(checkpoint, chosen).model
    assert (made.one.in_channels, made.one.out_channels, made.one.groups) == (4, 1, 1)
    assert tuple(made.one.weight.shape) == (1, 4, 3, 3)
    assert (made.conv2.in_channels, made.conv2.out_channels) == (1, 3)


def test_a_layer_used_twice_is_cut_once() -> None:
    """A shared module meets itself: its input and output channels leave together, and it stays one module."""
    checkpoint = nets.in_memory(nets.Shared(), SMALL)
    made = slim(checkpoint, plan(checkpoint, ratio=0.5)).model
    assert (made.twice.in_channels, made.twice.out_channels) == (4, 4)
    assert sum(isinstance(module, nn.Conv2d) for module in made.modules()) == 2


def test_a_network_that_cannot_be_pickled_can_be_kept(tmp_path: Path) -> None:
    """A real net: `torch.save(model)` fails on a lambda shortcut; its slim checkpoint holds integers and weights."""
    model = nets.LambdaShortcut().eval()
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        torch.save(model, tmp_path / "x.pt")
    found = load(model, input_size=(8, 8))
    made = slim(found, plan(found, ratio=0.5))
    save_slim(made, tmp_path / "x.safetensors")
    images = torch.rand(2, *SMALL)
    again = load(tmp_path / "x.safetensors", arch=found.architecture).model
    assert torch.equal(again(images), made.model(images))


@pytest.mark.shared_data
def test_zero_padded_shortcuts_are_understood(trained: object, tmp_path: Path) -> None:
    """A real net: on the published resnet20 the documented way returns, and the forward pass then fails."""
    made = slim(trained(20), plan(trained(20), ratio=0.5))
    assert made.model(torch.rand(2, *CIFAR)).shape == (2, 10)
    save_slim(made, tmp_path / "x.safetensors")
    images = torch.rand(2, *CIFAR)
    assert torch.equal(load(tmp_path / "x.safetensors").model(images), made.model(images))
