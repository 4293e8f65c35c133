"""Small checkpoints whose batch norms have something to fold, as after training."""

import torch
from torch import nn

from compressor.data.preprocess import Preprocess
from compressor.load.checkpoint import Checkpoint, sha256_of_weights
from compressor.load.cifar_resnet import CifarResNet

GREY = Preprocess(mean=(0.5,), std=(0.3,))
COLOUR = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def unsettle(model: nn.Module) -> None:
    """Give batch norms statistics and weights other than 0 and 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)


def checkpoint_of(
    model: nn.Module,
    shape: tuple[int, int, int],
    num_classes: int,
    *,
    preprocess: Preprocess | str | None = "fitting",
    architecture: str = "memory:test",
) -> Checkpoint:
    """Return a checkpoint around a module in memory."""
    fitting = GREY if shape[0] == 1 else COLOUR
    return Checkpoint(
        model=model,
        architecture=architecture,
        input_shape=shape,
        num_classes=num_classes,
        preprocess=fitting if preprocess == "fitting" else preprocess,
        labels=tuple(f"class {index}" for index in range(num_classes)),
        sha256=sha256_of_weights(model.state_dict()),
    )


def small_resnet() -> Checkpoint:
    """Return a CIFAR ResNet of 8 layers on 8x8 grey images: padded shortcuts, three widths."""
    model = CifarResNet(8, num_classes=10, in_channels=1, width=5).eval()
    with torch.no_grad():
        unsettle(model)
    return checkpoint_of(model, (1, 8, 8), num_classes=10, architecture="cifar:resnet8")
