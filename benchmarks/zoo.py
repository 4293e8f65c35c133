"""Which networks the coverage table is about, and weights for them that make every layer matter."""

from typing import Any

import torch
import torchvision
from torch import nn

from compressor.load import build

SEED = 0
SMALL_SIDE = 96
"""Side of the noise images that set the statistics of norms, where a network takes it."""

TIMM = (
    "convnextv2_atto", "mobilenetv4_conv_small", "ghostnet_100", "edgenext_xx_small", "tinynet_e", "mixnet_s",
    "fbnetc_100", "levit_128s", "pit_ti_224", "deit_tiny_patch16_224", "repvgg_a0", "tf_efficientnetv2_b0",
    "rexnet_100", "cait_xxs24_224", "poolformer_s12", "efficientformer_l1", "resmlp_12_224", "coatnet_nano_rw_224",
    "maxxvit_rmlp_nano_rw_256", "mvitv2_tiny", "resnetv2_50", "regnetz_b16", "mixer_s32_224", "dla34",
    "hrnet_w18_small", "seresnext26t_32x4d", "cspresnet50", "res2net50_26w_4s", "nfnet_l0",
    "swinv2_cr_tiny_ns_224", "xception41", "inception_resnet_v2", "beit_base_patch16_224",
)  # fmt: skip
"""Diverse families of timm, roughly small to large: convolutions, attention, mixers and what lies between."""


def torchvision_zoo() -> tuple[str, ...]:
    """Return every classifier of torchvision as `--arch` takes it, small to large."""
    names = torchvision.models.list_models(module=torchvision.models)
    return tuple(f"torchvision:{name}" for name in sorted(names, key=published_params))


def published_params(name: str) -> int:
    """Return the number of parameters that torchvision publishes for a classifier."""
    return min(int(weights.meta["num_params"]) for weights in torchvision.models.get_model_weights(name))


def with_random_weights(architecture: str) -> nn.Module:
    """Return a network in which every layer matters, as in a trained one.

    Fresh networks hold zeros, ones and layer scales of 1e-6, behind which a mistake would not show. Those become
    random, and batch normalisation gets the statistics of two noise images, so that numbers stay moderate at any depth.
    """
    torch.manual_seed(SEED)
    model = build(architecture)
    with torch.no_grad():
        for parameter in model.parameters():
            _vary(parameter)
        norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if norms:
            _set_statistics(model, norms)
    return model.eval()


def _vary(parameter: nn.Parameter) -> None:
    """Replace a constant by random numbers around it."""
    first = parameter.flatten()[0]
    if parameter.numel() == 1 or not bool((parameter == first).all()):
        return
    if first == 0:
        parameter.normal_(0.0, 0.1 if parameter.ndim == 1 else 0.02)
    else:
        middle = float(first) if abs(first) > 0.1 else 0.3
        parameter.uniform_(0.5, 1.5).mul_(middle)


def _set_statistics(model: nn.Module, norms: list[nn.modules.batchnorm._BatchNorm]) -> None:
    """Give norms the mean and variance of noise; those that only training uses get random ones."""
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_(0.0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
        norm.momentum = 1.0
        norm.train()
    try:
        model(torch.randn(2, 3, SMALL_SIDE, SMALL_SIDE))
    except (RuntimeError, AssertionError):
        # timm says in default_cfg which size a network insists on.
        known: Any = getattr(model, "default_cfg", {"input_size": (3, 224, 224)})
        side: int = known["input_size"][-1]
        model(torch.randn(2, 3, side, side))
    for norm in norms:
        assert norm.running_var is not None
        # A channel that two images leave nearly constant would be scaled up a hundredfold.
        norm.running_var.clamp_(min=float(norm.running_var.mean()) / 4)
        norm.momentum = 0.1
