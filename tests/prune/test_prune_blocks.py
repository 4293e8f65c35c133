"""Whole blocks: which can go, why others cannot, and what is left."""

import block_nets
import prune_nets as nets
import pytest
import torch
import torchvision
from block_nets import SHAPE, random_images
from torch import nn

from compressor.data.preprocess import parse_preprocess
from compressor.errors import PruneError
from compressor.load import load
from compressor.load.cifar_resnet import CifarResNet
from compressor.load.slim_file import save_slim
from compressor.prune import count_cost, find_blocks, plan, slim
from compressor.prune.block_criteria import BLOCK_CRITERIA
from compressor.prune.blocks import same_weights, search_blocks
from compressor.types import Structure

SMALL = (3, 8, 8)


def test_blocks_of_a_cifar_resnet():
    """All blocks but those that change the shape."""
    expected = tuple(f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2) if stage == 1 or block)
    assert find_blocks(CifarResNet(20), SHAPE) == expected


# Counted in the definitions of the architectures, never in what the code answers.
FAMILIES = {
    "alexnet": 1,  # the fifth convolution, 256 to 256
    "convnext_tiny": 3 + 3 + 9 + 3,
    "densenet121": 2,  # of no dense layer; two 1x1 convolutions read 64 + 2 * 32 and 128 channels and make 4 * 32
    "efficientnet_b0": 0 + 1 + 1 + 2 + 2 + 3 + 0,  # of 1, 2, 2, 3, 3, 4, 1 the first of each stage widens
    "efficientnet_v2_s": 2 + 3 + 3 + 5 + 8 + 14,  # the first stage neither widens nor strides
    "googlenet": 1 + 3,  # conv2 64 to 64; inception 4b and 4c 512 to 512, 5a 832 to 832
    "inception_v3": 3 * 1 + (4 + 4 + 4 + 6) + 2 + 2 * 4,  # A; C with 128, 160, 160, 192 channels inside; D; E
    "maxvit_t": (1 + 1 + 4 + 1) + 2 * (2 + 2 + 5 + 2),  # convolution blocks but the striding ones; both attentions
    "mnasnet0_5": 2 + 2 + 2 + 1 + 3 + 0,  # of 3, 3, 3, 2, 4, 1
    "mobilenet_v2": 0 + 1 + 2 + 3 + 2 + 2 + 0,  # of 1, 2, 3, 4, 3, 3, 1
    "mobilenet_v3_small": 6,  # 24-24, 40-40 twice, 48-48, 96-96 twice
    "regnet_x_400mf": 0 + 1 + 6 + 11,  # of 1, 2, 7, 12
    "regnet_y_400mf": 0 + 2 + 5 + 5,  # of 1, 3, 6, 6
    "resnet18": 2 + 1 + 1 + 1,  # the first stage does not widen
    "resnet50": 2 + 3 + 5 + 2,  # of 3, 4, 6, 3
    "resnext50_32x4d": 2 + 3 + 5 + 2,
    "shufflenet_v2_x0_5": 3 + 7 + 3,  # of 4, 8, 4 the first of each stage strides
    "squeezenet1_0": 4,  # the fires of 128, 256, 384, 512 channels that come second
    "swin_t": 2 + 2 + 6 + 2,
    "swin_v2_t": 2 + 2 + 6 + 2,
    "vgg11": 0 + 0 + 1 + 1 + 2,  # the widths of 1, 1, 2, 2, 2 layers are 64, 128, 256, 512, 512
    "vgg16_bn": 1 + 1 + 2 + 2 + 3,  # of 2, 2, 3, 3, 3
    "vit_b_16": 12,
    "wide_resnet50_2": 2 + 3 + 5 + 2,
}
QUICK = {"alexnet", "mnasnet0_5", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_0", "vgg16_bn"}


def build(name: str) -> nn.Module:
    """Return a network without values; RegNets cannot be built so, and are small."""
    arguments = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("cpu" if "regnet" in name else "meta"):
        return torchvision.models.get_model(name, weights=None, **arguments)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_blocks_of_every_torchvision_family(name):
    """As many as the definition of the architecture has; never a block inside another one."""
    found = find_blocks(build(name), (3, 299, 299) if name == "inception_v3" else (3, 224, 224))
    assert len(found) == FAMILIES[name]
    assert not [(one, other) for one in found for other in found if other.startswith(f"{one}.")]


def test_a_convolution_leaves_with_its_norm_and_activation():
    """VGG with normalisation: the statistics behind a convolution are its own."""
    found = search_blocks(build("vgg16_bn"), (3, 224, 224)).found
    assert [block.modules for block in found[:2]] == [
        ("features.3", "features.4", "features.5"),
        ("features.10", "features.11", "features.12"),
    ]


def test_plain_layers_that_others_need_stay():
    """What makes the answer stays, and so does an activation that another layer uses as well."""
    found = search_blocks(block_nets.Plain(), SMALL)
    assert [block.modules for block in found.found] == [("conv1", "norm1", "act1"), ("conv2", "norm2")]


def test_a_plain_network_without_a_layer_is_the_network_written_without_it():
    """Slim answers what the same code without the second layer answers."""
    checkpoint = nets.in_memory(block_nets.Plain(), SMALL)
    checkpoint.model.conv1.weight.data *= 0.01
    made = plan(checkpoint, ratio=0.5, structure=Structure.BLOCKS, block_criterion="l1")
    assert made.removed_blocks == ("conv1", "norm1", "act1")
    cut = slim(checkpoint, made)
    assert "pruned 1 block (l1)" in cut.history[-1]
    assert count_cost(cut.model, SMALL) == made.after
    model, images = checkpoint.model, torch.rand(2, *SMALL)
    features = model.act0(model.norm2(model.conv2(model.act0(model.norm0(model.conv0(images))))))
    expected = model.head(torch.relu(model.conv3(features))).mean((2, 3))
    assert torch.equal(cut.model(images), expected)


def test_blocks_that_change_the_shape_are_listed():
    """What cannot go is told with its reason, in the plan as well."""
    left_out = search_blocks(CifarResNet(14), SHAPE).left_out
    assert [left.name for left in left_out] == ["layer2.0", "layer3.0"]
    assert all("another shape" in left.reason for left in left_out)
    made = plan(nets.in_memory(CifarResNet(14), SHAPE), ratio=0.5, structure=Structure.BLOCKS)
    assert set(left_out) <= set(made.left_out)


@pytest.mark.slow
def test_dense_layers_are_listed():
    """56 of the 58 dense layers hold nothing that could go, and none can go as a whole."""
    left_out = search_blocks(build("densenet121"), (3, 224, 224)).left_out
    assert len(left_out) == 56
    assert all("joined to its input" in left.reason for left in left_out)


@pytest.mark.parametrize(
    ("model", "found", "stays", "reason"),
    [
        (block_nets.SharedBlock(), ("block0",), "block1", "runs 2 times"),
        (block_nets.TwoNames(), ("block0",), "block1", "several names"),
        (block_nets.ReadsABlock(), ("block0", "block2"), "block1", "breaks without it: 'Identity' object has no"),
        (block_nets.AddedOutside(), (), "branch", "count twice"),
        (block_nets.Told(), ("block0",), "block1", "more than one tensor"),
    ],
)
def test_blocks_that_only_look_removable_stay(model, found, stays, reason):
    """What would break, change nothing, or change more than it should is found before anything is cut."""
    blocks = search_blocks(model, SMALL)
    assert tuple(block.name for block in blocks.found) == found
    (left,) = blocks.left_out
    assert left.name == stays
    assert reason in left.reason


def test_blocks_need_not_stand_in_a_row():
    """Blocks that are plain attributes are found, and training-only randomness does not hide them."""
    assert find_blocks(block_nets.Residuals(3).train(), SMALL) == ("block0", "block1", "block2")


def test_an_encoder_whose_blocks_left_is_no_block_itself():
    """ViT's encoder adds positions to its input, but computes nothing without its blocks."""
    model = torchvision.models.VisionTransformer(
        image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16
    )
    found = find_blocks(model, (3, 16, 16))
    assert found == ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1")
    assert find_blocks(same_weights(model, found), (3, 16, 16)) == ()


def test_heads_of_stages_never_turn_into_plain_layers():
    """A residual network without removable blocks is not taken for a VGG-like one."""
    model = CifarResNet(14)
    assert find_blocks(same_weights(model, find_blocks(model, SHAPE)), SHAPE) == ()


def test_shared_weights_are_not_copied():
    """A structure without some blocks costs no memory."""
    model = CifarResNet(14)
    shared = same_weights(model, ["layer1.1"])
    assert isinstance(shared.layer1[1], nn.Identity)
    assert shared.conv1.weight is model.conv1.weight
    assert not isinstance(model.layer1[1], nn.Identity)


@pytest.mark.parametrize("structure", [Structure.BLOCKS, Structure.BOTH])
@pytest.mark.parametrize("name", BLOCK_CRITERIA)
def test_every_criterion_makes_a_slim_model_that_reloads_bit_for_bit(tmp_path, name, structure):
    """A plan, a cut, a file and back: the same answers, and the cost that was predicted."""
    model = CifarResNet(14, width=8)
    checkpoint = nets.in_memory(model, SHAPE, architecture="cifar:resnet14", preprocess=parse_preprocess("cifar10"))
    checkpoint.arguments["width"] = 8
    made = plan(checkpoint, ratio=0.5, structure=structure, block_criterion=name, train=random_images(20))
    assert (made.block_criterion, len(made.removed_blocks)) == (name, 2)
    cut = slim(checkpoint, made)
    assert count_cost(cut.model, SHAPE) == made.after
    save_slim(cut, tmp_path / "slim.safetensors")
    images = torch.rand(3, *SHAPE)
    assert torch.equal(load(tmp_path / "slim.safetensors").model(images), cut.model(images))


def test_the_block_with_the_smallest_weights_leaves_first():
    """l1: the mean absolute weight of the block's layers."""
    checkpoint = nets.in_memory(CifarResNet(14), SHAPE)
    for factor, block in ((0.01, checkpoint.model.layer2[1]), (0.02, checkpoint.model.layer1[0])):
        for convolution in (block.conv1, block.conv2):
            convolution.weight.data *= factor
    made = plan(checkpoint, ratio=0.5, structure=Structure.BLOCKS)
    assert made.block_criterion == "l1"
    assert made.removed_blocks == ("layer2.1", "layer1.0")
    cut = slim(checkpoint, made)
    assert cut.removed_blocks == made.removed_blocks
    assert isinstance(cut.model.layer2[1], nn.Identity)
    assert "pruned 2 blocks (l1)" in cut.history[-1]


def test_blocks_then_filters():
    """`both`: one ratio for both, the filters of what is left; a kept block stays and is listed."""
    checkpoint = nets.in_memory(CifarResNet(20, width=4), SHAPE)
    made = plan(checkpoint, ratio=0.5, structure=Structure.BOTH, keep=("layer1.0",))
    assert len(made.removed_blocks) == 3
    assert "layer1.0" not in made.removed_blocks
    assert any(left.name == "layer1.0" for left in made.left_out)
    gone = {f"{block}.conv1" for block in made.removed_blocks}
    assert not gone & {group.name for group in made.groups}
    cut = slim(checkpoint, made)
    assert cut.model(torch.rand(2, *SHAPE)).shape == (2, 10)


def test_models_without_blocks_say_so():
    """Blocks alone: an error; both: filters only, and the gap is listed."""
    checkpoint = nets.in_memory(nets.Chain(), (3, 8, 8))
    with pytest.raises(PruneError, match="0 removable"):
        plan(checkpoint, ratio=0.5, structure=Structure.BLOCKS)
    made = plan(checkpoint, ratio=0.5, structure=Structure.BOTH)
    assert made.leaving()
    assert any(left.name == "blocks" for left in made.left_out)


def test_a_ratio_too_small_for_any_block_says_so():
    """Nothing removed is an error."""
    with pytest.raises(PruneError, match="no block would leave"):
        plan(nets.in_memory(CifarResNet(8), SHAPE), ratio=0.1, structure=Structure.BLOCKS)
