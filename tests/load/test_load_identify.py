"""Recognising a state dict by names and shapes."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from compressor.errors import LoadError
from compressor.load import build, identify
from compressor.load.architectures import construct
from compressor.load.fingerprints import compute_table, fingerprint_of, similarity, sketch_of, table
from compressor.load.fit import modern_names


def weights_of(architecture: str, **arguments: int) -> dict[str, Tensor]:
    """Return a state dict with names and shapes; no memory."""
    return construct(architecture, arguments, initialise=False).state_dict()


@pytest.mark.parametrize("each", table()[::14], ids=lambda each: each.name)
def test_the_table_agrees_with_the_installed_torchvision(each: object) -> None:
    """A sample of the table; all of it in the slow test."""
    assert fingerprint_of(each.name, each.arguments) == each


@pytest.mark.slow
def test_the_whole_table_agrees_with_the_installed_torchvision() -> None:
    """Every entry of the table, and every classifier that this torchvision has is in the table."""
    assert compute_table() == table()


def test_all_entries_of_the_table_differ() -> None:
    """Names and shapes tell all classifiers apart; names alone do not."""
    assert len({each.shapes for each in table()}) == len(table()) == 82
    assert len({each.names for each in table()}) < 82


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("torchvision:resnet18", {"num_classes": 1000}),
        ("torchvision:resnet50", {"num_classes": 7}),
        ("torchvision:wide_resnet50_2", {"num_classes": 2}),
        ("torchvision:inception_v3", {"num_classes": 4, "in_channels": 1}),
        ("torchvision:googlenet", {"num_classes": 4, "aux_logits": 0}),
        ("torchvision:googlenet", {"num_classes": 4}),
        ("torchvision:vit_b_16", {"num_classes": 5, "image_size": 64}),
        ("torchvision:maxvit_t", {"num_classes": 5}),
        ("torchvision:squeezenet1_1", {"num_classes": 1}),
        ("torchvision:regnet_x_400mf", {"num_classes": 5}),
        ("cifar:resnet8", {"num_classes": 10}),
        ("cifar:resnet56", {"num_classes": 100}),
        ("cifar:resnet14", {"num_classes": 3, "in_channels": 1, "width": 7}),
    ],
)
def test_architecture_and_arguments_are_read_off(architecture: str, arguments: dict) -> None:
    """From the names and shapes alone."""
    found = identify(weights_of(architecture, **arguments))
    assert (found.architecture, found.arguments) == (architecture, arguments)
    assert architecture in found.why
    assert f"{arguments['num_classes']} classes" in found.why


@pytest.mark.parametrize("architecture", ["torchvision:squeezenet1_1", "torchvision:regnet_x_400mf", "cifar:resnet14"])
@pytest.mark.parametrize("prefix", ["", "module.", "any.thing.0."])
def test_prefixes_and_other_tensors_do_not_matter(architecture: str, prefix: str) -> None:
    """Whatever stands before the names, and whatever else is in the file."""
    weights = {prefix + name: tensor for name, tensor in weights_of(architecture).items()}
    weights |= {"criterion.weight": torch.ones(9), "n_averaged": torch.tensor(3)}
    assert identify(weights).architecture == architecture


@pytest.mark.slow
@pytest.mark.parametrize("each", table(), ids=lambda each: f"{each.name}{each.arguments or ''}")
def test_every_classifier_of_torchvision_is_recognised(each: object) -> None:
    """With another number of classes than it was published with."""
    arguments = {**each.arguments, "num_classes": 11}
    found = identify(weights_of(f"torchvision:{each.name}", **arguments))
    assert (found.architecture, found.arguments) == (f"torchvision:{each.name}", arguments)


def test_old_files_without_counters_are_recognised() -> None:
    """Files of torch before 0.4.1 have no num_batches_tracked."""
    weights = {name: each for name, each in weights_of("torchvision:resnet18").items() if "tracked" not in name}
    assert identify(weights).architecture == "torchvision:resnet18"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("features.denseblock1.denselayer2.norm.1.weight", "features.denseblock1.denselayer2.norm1.weight"),
        ("features.denseblock1.denselayer2.conv.2.weight", "features.denseblock1.denselayer2.conv2.weight"),
        ("encoder.layers.encoder_layer_0.mlp.linear_1.bias", "encoder.layers.encoder_layer_0.mlp.0.bias"),
        ("encoder.layers.encoder_layer_0.mlp.linear_2.bias", "encoder.layers.encoder_layer_0.mlp.3.bias"),
        ("_orig_mod.conv1.weight", "conv1.weight"),
        ("module._orig_mod.conv1.weight", "module.conv1.weight"),
        ("layer1._orig_mod.0.conv1.weight", "layer1.0.conv1.weight"),
    ],
)
def test_names_of_published_and_compiled_files_are_modernised(old: str, new: str) -> None:
    """The library renames them while loading; here they are renamed before."""
    assert list(modern_names({old: torch.zeros(1)})) == [new]


def test_of_a_student_and_a_teacher_the_plain_part_counts() -> None:
    """A teacher of another size does not confuse; two nameless parts do."""
    both = {f"student.{name}": each for name, each in weights_of("cifar:resnet8").items()}
    both |= {f"teacher.{name}": each for name, each in weights_of("cifar:resnet20").items()}
    assert identify(both).architecture == "cifar:resnet8"
    two = {name.replace("student.", "left."): each for name, each in both.items()}
    with pytest.raises(LoadError, match="several networks"):
        identify(two)


@pytest.mark.parametrize(
    ("change", "nearest", "difference"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, "torchvision:resnet18", "conv1.weight is (64, 3, 3, 3) in the"),
        ({"layer4.1.conv2.weight": None}, "torchvision:resnet18", "the file lacks layer4.1.conv2.weight"),
        ({"layer4.9.x": torch.zeros(2, 2)}, "torchvision:resnet18", "the network lacks layer4.9.x"),
    ],
)
def test_what_fits_nothing_names_the_nearest_and_the_first_difference(
    change: dict, nearest: str, difference: str
) -> None:
    """Missing, unexpected, another shape."""
    weights = {**weights_of("torchvision:resnet18"), **change}
    weights = {name: each for name, each in weights.items() if each is not None}
    with pytest.raises(LoadError) as caught:
        identify(weights)
    assert f"nearest: {nearest}" in caught.value.message
    assert difference in caught.value.message
    assert "--arch" in caught.value.advice


def test_a_pruned_state_dict_names_its_dense_architecture() -> None:
    """Names agree, shapes do not: the advice is slim:FILE."""
    weights = build("cifar:resnet20").state_dict()
    weights["layer1.0.conv1.weight"] = torch.zeros(8, 16, 3, 3)
    with pytest.raises(LoadError, match=r"nearest: cifar:resnet20.*\(8, 16, 3, 3\)") as caught:
        identify(weights)
    assert "slim:FILE" in caught.value.advice


def test_a_network_of_nobody_is_told_so() -> None:
    """Nothing near: no candidate is invented."""
    with pytest.raises(LoadError, match="fit no architecture") as caught:
        identify({"0.weight": torch.zeros(3, 4), "0.bias": torch.zeros(3)})
    assert "nearest" not in caught.value.message


def test_sketches_estimate_how_much_two_sets_share() -> None:
    """Equal sets 1, disjoint sets 0, sets that share a third about a third."""
    one, other = [f"a{i}" for i in range(200)], [f"a{i}" for i in range(100, 300)]
    assert similarity(sketch_of(one), sketch_of(one)) == 1
    assert similarity(sketch_of(one), sketch_of([f"b{i}" for i in range(200)])) == 0
    assert similarity(sketch_of(one), sketch_of(other)) == pytest.approx(1 / 3, abs=0.3)


@pytest.mark.shared_data
@pytest.mark.parametrize(("file", "depth"), [("resnet20-12fca82f.th", 20), ("resnet56-4bfd9763.th", 56)])
def test_real_checkpoints_are_recognised(shared_data: Path, file: str, depth: int) -> None:
    """Names begin with `module.`, and there are no counters."""
    held = torch.load(shared_data / "checkpoints" / file, map_location="cpu", weights_only=True)
    found = identify(held["state_dict"])
    assert (found.architecture, found.arguments) == (f"cifar:resnet{depth}", {"num_classes": 10})


def test_the_table_is_of_this_or_a_similar_torchvision() -> None:
    """A name of the table that this torchvision lacks would be recognised and could not be built."""
    assert {each.name for each in table()} <= set(torchvision.models.list_models(module=torchvision.models))
