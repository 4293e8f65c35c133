"""Whole blocks: which can go, in which order, and what is left."""

from collections.abc import Sequence

import numpy as np
import prune_nets as nets
import pytest
import torch
import torchvision
from torch import nn

from compressor.data.images import ImageSet
from compressor.data.preprocess import parse_preprocess
from compressor.errors import PruneError
from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import find_blocks, plan, slim
from compressor.prune.block_order import features_of, linear_cka, order_blocks
from compressor.prune.blocks import same_weights
from compressor.prune.criteria import Material
from compressor.types import Structure

SHAPE = (3, 32, 32)


def random_images(num: int = 40) -> ImageSet:
    pixels = torch.rand(num, *SHAPE, generator=torch.Generator().manual_seed(3))

    def read(indices: Sequence[int]) -> torch.Tensor:
        return pixels[list(indices)]

    return ImageSet(
        role="train",
        labels=np.arange(num, dtype=np.int64) % 10,
        names=tuple(str(number) for number in range(num)),
        class_names=tuple("abcdefghij"),
        shape=SHAPE,
        reader=read,
        hasher=str,
    )


def test_blocks_of_a_cifar_resnet():
    """All blocks but those that change the shape."""
    expected = tuple(f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2) if stage == 1 or block)
    assert find_blocks(CifarResNet(20), SHAPE) == expected


@pytest.mark.parametrize(
    ("name", "num", "first"),
    [
        ("resnet18", 5, "layer1.0"),
        pytest.param("resnet50", 12, "layer1.1", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", 10, "features.3", marks=pytest.mark.slow),
        pytest.param("convnext_tiny", 18, "features.1.0", marks=pytest.mark.slow),
        pytest.param("vit_b_16", 12, "encoder.layers.encoder_layer_0", marks=pytest.mark.slow),
        pytest.param("densenet121", 0, "", marks=pytest.mark.slow),
        ("vgg11", 0, ""),
    ],
)
def test_blocks_of_networks_people_use(name, num, first):
    """Residual blocks that keep the shape, innermost only; none where nothing is added."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    found = find_blocks(model, (3, 224, 224))
    assert len(found) == num
    assert found[:1] == ((first,) if first else ())


def test_layers_that_keep_the_shape_without_adding_are_no_blocks():
    """Equal shapes alone are not enough: a plain convolution is not residual."""
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(192, 10))
    assert find_blocks(model, (3, 8, 8)) == ()


def test_shared_weights_are_not_copied():
    """A structure without some blocks costs no memory."""
    model = CifarResNet(14)
    shared = same_weights(model, ["layer1.1"])
    assert isinstance(shared.layer1[1], nn.Identity)
    assert shared.conv1.weight is model.conv1.weight
    assert not isinstance(model.layer1[1], nn.Identity)


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


def test_a_block_that_says_nothing_leaves_first_by_cka():
    """A block whose last normalisation is zero changes nothing: alignment 1, so it goes first."""
    checkpoint = nets.in_memory(CifarResNet(14, width=4), SHAPE, preprocess=parse_preprocess("cifar10"))
    silent = checkpoint.model.layer3[1].bn2
    silent.weight.data.zero_()
    silent.bias.data.zero_()
    made = plan(checkpoint, ratio=0.3, structure=Structure.BLOCKS, train=random_images())
    assert made.block_criterion == "cka"
    assert made.removed_blocks == ("layer3.1",)
    images = torch.rand(2, *SHAPE)
    assert torch.allclose(slim(checkpoint, made).model(images), checkpoint.model(images))


def test_cka_in_closed_form():
    """1 for equal, rotated, scaled and shifted features; 0 for uncorrelated ones; a number worked out by hand."""
    features = torch.rand(20, 4)
    rotation = torch.linalg.qr(torch.rand(4, 4))[0]
    assert linear_cka(features, features @ rotation * 3 + 5) == pytest.approx(1.0)
    one, other = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]), torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    assert linear_cka(one, other) == pytest.approx(0.0)
    assert linear_cka(one, one + other) == pytest.approx(0.5)
    assert linear_cka(one, torch.ones(4, 2)) == 0.0


def test_features_are_what_enters_the_last_linear_layer():
    """One row per image, whatever the batch."""
    model = CifarResNet(8).eval()
    pixels = torch.rand(70, *SHAPE)
    found = features_of(model, pixels)
    assert found.shape == (70, 64)
    assert torch.allclose(model.linear(found), model(pixels), atol=1e-5)


def test_cka_without_images_is_refused():
    """It says what it needs."""
    with pytest.raises(PruneError, match="needs training images"):
        order_blocks(["layer1.0"], Material(model=CifarResNet(8)), criterion="cka", num=1)


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
