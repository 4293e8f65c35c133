"""Every form of `--arch`: from a name to a network.

- `torchvision:resnet18`, `timm:NAME` (with the extra `timm`), `cifar:resnet56`
- `slim:FILE`: the architecture, removed blocks and sizes of that slim checkpoint
- `package.module:factory`, `path/to/file.py:factory`
"""

import functools
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compressor.errors import CompressorError, LoadError, UntrustedPickle
from compressor.load.checkpoint import Arguments
from compressor.load.factories import call_factory
from compressor.load.families import (
    CIFAR_DEPTHS,
    FORMS,
    build_cifar,
    build_timm,
    build_torchvision,
    check_known,
    import_timm,
    torchvision_names,
)
from compressor.load.manifest import MAX_SIZE, reshape
from compressor.load.slim_header import read_structure

MAX_CLASSES = 100_000
MAX_CHANNELS = 1024


class Family(StrEnum):
    """Where an architecture comes from."""

    TORCHVISION = "torchvision"
    TIMM = "timm"
    CIFAR = "cifar"
    SLIM = "slim"
    MEMORY = "memory"
    MODULE = "package.module"
    FILE = "file.py"


CODE = (Family.MODULE, Family.FILE)
"""Families whose building runs code that compress does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """An `--arch` value, taken apart."""

    family: Family
    place: str
    """Module or file of a factory; otherwise the family's name."""
    name: str
    """What stands behind the last colon, or the file of `slim:`."""


def parse_architecture(text: str) -> Architecture:
    """Take an `--arch` value apart.

    Raises:
        LoadError: not one of the forms.
    """
    family, colon, name = text.partition(":")
    if colon and name and family in ("torchvision", "timm", "cifar", "slim", "memory"):
        return Architecture(family=Family(family), place=family, name=name)
    place, colon, name = text.rpartition(":")
    if colon and name.isidentifier() and place.endswith(".py"):
        return Architecture(family=Family.FILE, place=place, name=name)
    if colon and name.isidentifier() and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", place):
        return Architecture(family=Family.MODULE, place=place, name=name)
    guesses = [known for known in known_names() if known.endswith(f":{text}")]
    guess = f"did you mean {' or '.join(guesses)}? " if guesses else ""
    raise LoadError(f"--arch {text!r} is not an architecture", advice=guess + FORMS)


def build(architecture: str, **arguments: int | str) -> nn.Module:
    """Return the network of that name, freshly initialised, in eval mode.

    Args:
        architecture: a form of `--arch`.
        **arguments: num_classes, in_channels and others that the family knows; none is required.

    Raises:
        LoadError: an unknown name or argument, or a factory that fails.
    """
    return construct(architecture, arguments)


def construct(
    architecture: str, arguments: Arguments, *, initialise: bool = True, trust_code: bool = True
) -> nn.Module:
    """Return the network of that name, in eval mode.

    Args:
        architecture: a form of `--arch`.
        arguments: as for `build`; may come from an untrusted file.
        initialise: False gives weights without memory (on the meta device), for `load_strictly`; fast at any size.
            Factories always initialise.
        trust_code: False refuses factories, for names that come from a file.

    Raises:
        UntrustedPickle: it is a factory and `trust_code` is False.
        LoadError: an unknown name or argument, or a factory that fails.
    """
    parsed = parse_architecture(architecture)
    _check_limits(architecture, arguments)
    if parsed.family in CODE:
        if not trust_code:
            raise UntrustedPickle(
                f"the file names the architecture {architecture}, and building that would run code",
                advice=f"say --arch {architecture} yourself, or --trust-pickle, if you trust it",
            )
        return call_factory(parsed.place, parsed.name, arguments).eval()
    builders: dict[Family, Callable[[str, dict[str, Any]], nn.Module]] = {
        Family.TORCHVISION: build_torchvision,
        Family.TIMM: build_timm,
        Family.CIFAR: build_cifar,
        Family.MEMORY: _memory,
        Family.SLIM: functools.partial(_slim, trust_code=trust_code),
    }
    # timm computes constants in ways that only real memory survives
    cheap = not initialise and parsed.family is not Family.TIMM
    with _WithoutMemory() if cheap else nullcontext(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return builders[parsed.family](parsed.name, dict(arguments)).eval()
        except CompressorError:
            raise
        except Exception as error:
            raise LoadError(
                f"{architecture} cannot be built with {arguments}: {error}", advice="check the arguments"
            ) from error


def known_names() -> tuple[str, ...]:
    """Return names that people may mean, for suggestions."""
    cifar = (f"cifar:resnet{depth}" for depth in CIFAR_DEPTHS)
    return (*cifar, *(f"torchvision:{name}" for name in torchvision_names()))


def default_size(architecture: str, arguments: Arguments) -> tuple[int, int] | None:
    """Return height and width of the images that the architecture was made for; None where nobody can know."""
    parsed = parse_architecture(architecture)
    if parsed.family is Family.CIFAR:
        return (32, 32)
    if parsed.family is Family.TORCHVISION:
        import torchvision

        weights = torchvision.models.get_model_weights(parsed.name)
        crops = [each.transforms.keywords["crop_size"] for each in weights]
        side = int(arguments.get("image_size", min(crops, default=224)))
        return (side, side)
    if parsed.family is Family.TIMM:
        config = import_timm().get_pretrained_cfg(parsed.name)
        return tuple(config.input_size[1:]) if config else None
    return None


def _memory(name: str, arguments: dict[str, Any]) -> nn.Module:  # noqa: ARG001 - one signature for all builders
    raise LoadError(
        f"memory:{name} was given as a model in memory, and nobody can build it anew",
        advice="write it as a factory and say --arch path/to/file.py:factory",
    )


def _slim(name: str, arguments: dict[str, Any], *, trust_code: bool) -> nn.Module:
    path = Path(name)
    if not path.is_file():
        raise LoadError(f"--arch slim:{name}: there is no such file", advice="slim:FILE needs a slim checkpoint")
    check_known(f"slim:{name}", arguments, set())
    header, shapes = read_structure(path)
    model = construct(header.architecture, header.arguments, trust_code=trust_code)
    reshape(model, header.removed_blocks, header.manifest, shapes)
    return model


class _WithoutMemory(TorchFunctionMode):
    """Let layers create their weights on the meta device: no memory, no random numbers. Constants stay real.

    `torch.device("meta")` would not do: RegNets compute their widths with tensors. Draws are skipped because on the
    meta device they import torch's compiler, which takes seconds.
    """

    DRAWS = frozenset({Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        if func in self.DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


def _check_limits(architecture: str, arguments: Arguments) -> None:
    """Refuse sizes that no network has, before anything is allocated."""
    limits = {"num_classes": (1, MAX_CLASSES), "in_channels": (1, MAX_CHANNELS), "image_size": (1, 4096)}
    for name, value in arguments.items():
        low, high = limits.get(name, (0, MAX_SIZE))
        if name in limits and not isinstance(value, int):
            raise LoadError(f"{architecture}: {name} {value!r} is not a number", advice=f"give {low} to {high}")
        if isinstance(value, int) and not low <= value <= high:
            raise LoadError(f"{architecture}: {name} {value} is out of range", advice=f"give {low} to {high}")
