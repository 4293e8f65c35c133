"""Networks by family and name: torchvision, `cifar:*`, timm."""

import difflib
import functools
import importlib
import re
from collections.abc import Collection
from typing import Any

from torch import nn

from compressor.errors import LoadError
from compressor.load.cifar_resnet import CifarResNet

CIFAR_DEPTHS = (8, 14, 20, 32, 44, 56, 110)
FORMS = (
    "write --arch as torchvision:resnet18, timm:NAME, cifar:resnet20, slim:FILE, package.module:factory "
    "or path/to/file.py:factory"
)


@functools.cache
def torchvision_names() -> tuple[str, ...]:
    """Return the classifiers of the installed torchvision."""
    import torchvision

    return tuple(torchvision.models.list_models(module=torchvision.models))


def build_torchvision(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a classifier of torchvision; `in_channels` other than 3 replaces its first convolution."""
    import torchvision

    check_name("torchvision", name, torchvision_names())
    in_channels = arguments.pop("in_channels", 3)
    known = {"num_classes"}
    if name.startswith("vit_"):
        known |= {"image_size"}
    if name in ("googlenet", "inception_v3"):
        known |= {"aux_logits", "transform_input"}
        arguments |= {key: bool(arguments[key]) for key in ("aux_logits", "transform_input") if key in arguments}
    check_known(f"torchvision:{name}", arguments, known | {"in_channels"})
    if name in ("googlenet", "inception_v3"):
        arguments["init_weights"] = False
    model: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    if in_channels != 3:
        _replace_stem(model, in_channels)
    return model


def _replace_stem(model: nn.Module, in_channels: int) -> None:
    """Let the first convolution take another number of channels, in place."""
    name, stem = next((name, each) for name, each in model.named_modules() if isinstance(each, nn.Conv2d))
    settings: Any = {"stride": stem.stride, "padding": stem.padding, "bias": stem.bias is not None}
    kernel: Any = stem.kernel_size
    other = nn.Conv2d(in_channels, stem.out_channels, kernel, **settings)
    parent, _, child = name.rpartition(".")
    model.get_submodule(parent)._modules[child] = other


def build_cifar(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a CIFAR ResNet."""
    matched = re.fullmatch(r"resnet(\d{1,5})", name)
    if not matched:
        check_name("cifar", name, [f"resnet{depth}" for depth in CIFAR_DEPTHS])
    check_known(f"cifar:{name}", arguments, {"num_classes", "in_channels", "width"})
    return CifarResNet(int(matched.group(1)) if matched else 0, **arguments)


def import_timm() -> Any:
    """Return the package, which is an extra.

    Raises:
        LoadError: it is not installed.
    """
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise LoadError("timm is not installed", advice="install it with: pip install timm") from error


def build_timm(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a network of timm, if that is installed."""
    timm = import_timm()
    if not timm.is_model(name):
        check_name("timm", name, timm.list_models())
    check_known(f"timm:{name}", arguments, {"num_classes", "in_channels"})
    if "in_channels" in arguments:
        arguments["in_chans"] = arguments.pop("in_channels")
    model: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    return model


def check_name(family: str, name: str, known: Collection[str]) -> None:
    """Refuse an unknown name, with close matches.

    Raises:
        LoadError: it is unknown.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        advice = f"did you mean {', '.join(f'{family}:{each}' for each in close)}?" if close else FORMS
        raise LoadError(f"there is no architecture {family}:{name}", advice=advice)


def check_known(text: str, arguments: dict[str, Any], known: set[str]) -> None:
    """Refuse arguments that a network does not take.

    Raises:
        LoadError: there is one.
    """
    for name in arguments:
        if name not in known:
            raise LoadError(
                f"{text} does not take {name}", advice=f"it takes {', '.join(sorted(known)) or 'no arguments'}"
            )
