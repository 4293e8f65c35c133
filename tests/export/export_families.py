"""Twelve families of torchvision: their own classes, with a few blocks of each kind; one network is whole."""

from collections.abc import Callable
from functools import partial

from torch import nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers


def vgg() -> nn.Module:
    """Return three stages and a head for the 8 x 8 that they leave of 64 x 64."""
    model = models.VGG(
        make_layers([16, "M", 32, "M", 64, 64, "M"], batch_norm=True), num_classes=10, init_weights=False
    )
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(nn.Linear(256, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))
    return model


def mobilenet_v3() -> nn.Module:
    """Return a block of each kind: with and without squeeze, ReLU and hard swish, kernels of 3 and 5."""
    block = partial(InvertedResidualConfig, width_mult=1.0)
    blocks = [
        block(16, 3, 16, 16, use_se=True, activation="RE", stride=2, dilation=1),
        block(16, 3, 72, 24, use_se=False, activation="RE", stride=2, dilation=1),
        block(24, 5, 96, 40, use_se=True, activation="HS", stride=2, dilation=1),
    ]
    return models.MobileNetV3(blocks, 64, num_classes=10)


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10),
    "vgg": vgg,
    "mobilenet_v2": lambda: models.MobileNetV2(10, inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2]]),
    "mobilenet_v3": mobilenet_v3,
    "efficientnet": lambda: EfficientNet(
        [MBConvConfig(1, 3, 1, 32, 16, 1), MBConvConfig(6, 5, 2, 16, 24, 2)], dropout=0.2, num_classes=10
    ),
    "densenet": lambda: models.DenseNet(16, (2, 2), 32, num_classes=10),
    "squeezenet": lambda: models.squeezenet1_1(num_classes=10),
    "shufflenet": lambda: models.ShuffleNetV2([2, 2, 2], [24, 48, 96, 192, 256], num_classes=10),
    "regnet": lambda: models.RegNet(
        BlockParams.from_init_params(depth=4, w_0=48, w_a=27.89, w_m=2.09, group_width=8, se_ratio=0.25),
        num_classes=10,
    ),
    "mnasnet": lambda: models.mnasnet0_5(num_classes=10),
    "convnext": lambda: models.ConvNeXt([CNBlockConfig(32, 64, 1), CNBlockConfig(64, None, 1)], num_classes=10),
    "swin": lambda: models.SwinTransformer([4, 4], 32, [2, 1], [2, 4], [7, 7], num_classes=10),
    "mobilenet_v2, whole": lambda: models.mobilenet_v2(num_classes=10),
}
