"""Masked and slim answers in float64, for the smallest network of each family of torchvision and all CIFAR ResNets.

Where a norm averages over channels that leave (`native_layer_norm`, `native_group_norm`), the oracle is a masked
forward pass whose statistics use the channels that stay; `NORMS` names the families that have one.
"""

import pytest
import torchvision
from test_prune_slim import check_against_mask
from torch import nn

from compressor.load import build
from compressor.load.cifar_resnet import CifarResNet

pytestmark = pytest.mark.slow

FAMILIES = {
    "alexnet": 96,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "mnasnet0_5": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "regnet_x_400mf": 64,
    "regnet_y_400mf": 64,
    "resnet18": 64,
    "resnet50": 64,
    "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "vgg11": 64,
    "vgg11_bn": 64,
    "wide_resnet50_2": 64,
}
NORMS = {"convnext_tiny": 64, "maxvit_t": 224, "swin_t": 64, "swin_v2_t": 64, "vit_b_32": 64}
"""Families with norms over channels."""


@pytest.mark.parametrize(("name", "side"), [*FAMILIES.items(), *NORMS.items()])
def test_slim_equals_masked_in_every_family(name: str, side: int) -> None:
    """To 1e-5 of the largest logit."""
    arguments = {"vit_b_32": {"image_size": side}, "inception_v3": {"aux_logits": 0}}
    model = build(f"torchvision:{name}", num_classes=10, **arguments.get(name, {}))
    assert any(isinstance(module, nn.LayerNorm | nn.GroupNorm) for module in model.modules()) == (name in NORMS)
    if name.startswith("vit_"):
        nn.init.normal_(model.heads.head.weight)  # zero when it is new: every answer would be equal
    check_against_mask(model, (3, side, side))


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 44, 56])
def test_slim_equals_masked_in_every_cifar_resnet(depth: int) -> None:
    """Zero channels of the shortcuts leave together with the channels that they are added to."""
    check_against_mask(CifarResNet(depth), (3, 32, 32))


def test_every_family_of_torchvision_is_here() -> None:
    """A family is what stands before the first digit of a name, or before its size."""

    def family(name: str) -> str:
        return name.partition("_")[0].rstrip("0123456789")

    known = {family(name) for name in torchvision.models.list_models(module=torchvision.models)}
    assert {family(name) for name in (*FAMILIES, *NORMS)} == known
