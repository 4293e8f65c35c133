"""Networks in the form they have for 32 x 32 images, where neither torchvision nor `cifar:*` has it.

Initialised as torchvision does; take normalised images (N, 3, 32, 32), answer logits (N, num_classes).
"""

import torchvision
from torch import Tensor, nn

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of its convolutions; 0: halve height and width. Source: arXiv 1409.1556, configuration D."""
SMALL_STRIDES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, channels, blocks, stride) of MobileNetV2 (arXiv 1801.04381), without two of its halvings."""


class SmallVGG(nn.Module):
    """VGG-16 with batch normalisation, and one linear layer instead of three: 32 pixels have come down to one."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in VGG16:
            if width == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Answer normalised images (N, 3, 32, 32)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def vgg16_bn(num_classes: int = 10) -> nn.Module:
    """Return VGG-16 with batch normalisation: 313 million multiply-adds."""
    return SmallVGG(num_classes)


def mobilenet_v2(num_classes: int = 10) -> nn.Module:
    """Return MobileNetV2 whose first layer and second stage keep the size: 88 million multiply-adds."""
    network: nn.Module = torchvision.models.mobilenet_v2(
        num_classes=num_classes, inverted_residual_setting=[list(each) for each in SMALL_STRIDES]
    )
    stem = network.get_submodule("features.0.0")
    assert isinstance(stem, nn.Conv2d)
    stem.stride = (1, 1)
    return network


def resnet18(num_classes: int = 10) -> nn.Module:
    """Return ResNet-18 whose first layer is 3 x 3 and keeps the size, without pooling: 555 million multiply-adds."""
    network: nn.Module = torchvision.models.resnet18(num_classes=num_classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network
