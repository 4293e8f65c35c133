"""From weights or a module to a network that is understood: what it is called, what it takes, how to build it anew."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel

from compressor.errors import LoadError
from compressor.files import sha256_of_file
from compressor.load.architectures import CODE, Family, default_size, parse_architecture
from compressor.load.checkpoint import Arguments
from compressor.load.fit import Weights, fit, is_counter, modern_names
from compressor.load.identify import identify
from compressor.load.input_shape import Probed, ask, probe
from compressor.load.match import match
from compressor.load.slim_file import rebuild
from compressor.load.slim_header import SlimHeader, read_structure

OWN_SCALING = ("googlenet", "inception_v3")
"""Networks whose published torchvision weights expect images scaled to [-1, 1]."""

QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")
"""Packages of layers that compute in integers."""
FLOATS = "give the network before it was quantised: export writes int8 with --precision int8"

MAX_TRIED_NUMBERS = 3 * 512 * 512
"""Larger images are not tried while loading: a false size must not exhaust the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A network with what its source says about it."""

    model: nn.Module
    architecture: str
    arguments: Arguments
    takes: Probed
    header: SlimHeader | None = None
    """Where the structure came from a slim checkpoint."""
    history: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def from_slim(
    header: SlimHeader, weights: Weights, *, arch: str | None, size: tuple[int, int] | None, trust_code: bool
) -> Origin:
    """Rebuild a slim checkpoint.

    Raises:
        LoadError: see `rebuild`.
    """
    model = rebuild(header, weights, architecture=arch, trust_code=trust_code or arch is not None)
    return Origin(
        model=model,
        architecture=arch or header.architecture,
        arguments=dict(header.arguments),
        takes=_slim_takes(header, model, size),
        header=header,
        history=header.history,
        parents=header.parents,
    )


def from_weights(
    weights: Weights,
    *,
    arch: str | None,
    given: Arguments,
    size: tuple[int, int] | None,
    hint: str | None = None,
    name: str = "a module in memory",
    trust_code: bool = False,
) -> Origin:
    """Build the network of a state dict: the one that is named, or the one that is recognised.

    Args:
        weights: everything in the file, under today's names.
        arch: a form of `--arch`; None: recognise it.
        given: arguments that somebody said.
        size: height and width that somebody said.
        hint: a model name that the file mentions.
        name: of the source, for the history.
        trust_code: whether a factory that a slim checkpoint names may run.

    Raises:
        LoadError: nothing fits, or not the one that is named.
    """
    if arch is not None and parse_architecture(arch).family is Family.SLIM:
        return _like_slim(weights, Path(arch.partition(":")[2]), size=size, name=name, trust_code=trust_code)
    why: tuple[str, ...] = ()
    if arch is None:
        found = identify(weights, hint=hint)
        arch, given, why = found.architecture, {**found.arguments, **given}, (found.why,)
    matched = match(weights, arch, given)
    model = matched.loaded(arch).eval()
    notes = (*why, *matched.fitted.notes())
    if arch.removeprefix("torchvision:") in OWN_SCALING:
        notes += ("the weights that torchvision publishes for it expect mean=0.5,0.5,0.5;std=0.5,0.5,0.5",)
    takes = _takes(model, arch, matched.arguments, size)
    return Origin(model=model, architecture=arch, arguments=matched.arguments, takes=takes, notes=notes)


def from_module(module: nn.Module, *, arch: str | None, size: tuple[int, int] | None) -> Origin:
    """Understand a module: a copy of it, or the same network built anew where that answers the same.

    Args:
        module: stays as it is.
        arch: a form of `--arch`; None: recognise it.
        size: height and width that somebody said.

    Raises:
        LoadError: it is no classifier of images, cannot be copied, or is not the architecture that is named.
    """
    inner = _unwrap(module)
    model = _own_copy(inner)
    takes = probe(model, size=size)
    answers = ask(model, takes.shape, seed=0)
    for candidate, given in _candidates(inner, arch):
        try:
            origin = from_weights(modern_names(model.state_dict()), arch=candidate, given=given, size=takes.shape[1:])
            same = torch.allclose(ask(origin.model, takes.shape, seed=0), answers, rtol=1e-4, atol=1e-5)
        except LoadError:
            if arch is not None:
                raise
            continue
        if same:
            if not takes.known:
                made_for = _takes(origin.model, origin.architecture, origin.arguments, None)
                takes = made_for if origin.header is None else origin.takes
            return replace(origin, takes=takes, model=_as_given(model, origin.model))
        if arch is not None:
            raise LoadError(
                f"the module has the weights of {arch} but answers differently",
                advice="its code differs: say the --arch that builds it",
            )
    name = type(inner).__name__
    note = f"{name} is known in memory only: to save it as a slim checkpoint, say --arch path/to/file.py:factory"
    return Origin(model=model, architecture=f"memory:{name}", arguments={}, takes=takes, notes=(note,))


def _as_given(own: nn.Module, anew: nn.Module) -> nn.Module:
    """Return the user's own network where its code builds it anew: dropout and what is frozen are not in the weights.

    Args:
        own: a copy of what was given.
        anew: the same network as its architecture builds it.
    """
    if type(own) is type(anew) and _weight_names(own) == _weight_names(anew):
        return own
    frozen = {name for name, parameter in own.named_parameters() if not parameter.requires_grad}
    for name, parameter in anew.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return anew


def _weight_names(model: nn.Module) -> set[str]:
    return {name for name in model.state_dict() if not is_counter(name)}


def _candidates(module: nn.Module, arch: str | None) -> Iterator[tuple[str, Arguments]]:
    """Yield architectures that a module may be, with arguments: the named one, or the recognised one and its class."""
    if arch is not None:
        yield arch, {}
        return
    with suppress(LoadError):
        config = getattr(module, "pretrained_cfg", None)  # timm leaves the name there
        hint = config.get("architecture") if isinstance(config, dict) else None
        found = identify(modern_names(module.state_dict()), hint=hint)
        scaled = getattr(module, "transform_input", False) is True
        yield found.architecture, {**found.arguments, **({"transform_input": 1} if scaled else {})}
    kind = type(module)
    if kind.__module__ != "__main__" and kind.__qualname__.isidentifier():
        yield f"{kind.__module__}:{kind.__qualname__}", {}


def _unwrap(module: nn.Module) -> nn.Module:
    """Take off what training puts around a network.

    Raises:
        LoadError: TorchScript, whose layers cannot be changed.
    """
    while True:
        if isinstance(module, torch.jit.ScriptModule):
            raise LoadError("a TorchScript module cannot be pruned", advice="give the original nn.Module")
        wrapped = isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel | AveragedModel)
        inner = module._modules.get("module" if wrapped else "_orig_mod")
        if inner is None:
            return module
        module = inner


def _own_copy(module: nn.Module) -> nn.Module:
    """Return a copy in eval mode, float32, on the CPU.

    Raises:
        LoadError: it cannot be copied, or has no weights.
    """
    if not any(True for _ in module.parameters()):
        raise LoadError(f"{type(module).__name__} has no parameters", advice="give a trained network")
    if any(is_lazy(parameter) for parameter in module.parameters()):
        raise LoadError(f"{type(module).__name__} has lazy layers, whose sizes are unknown", advice="run it once first")
    if any(type(each).__module__.startswith(QUANTISED) for each in module.modules()):
        raise LoadError(f"{type(module).__name__} has quantised layers, which cannot be pruned", advice=FLOATS)
    if any(isinstance(tensor, Tensor) and tensor.is_meta for tensor in module.state_dict().values()):
        raise LoadError(f"{type(module).__name__} has weights without values", advice="load its weights first")
    try:
        return copy.deepcopy(module).cpu().float().eval()
    except Exception as error:
        raise LoadError(
            f"{type(module).__name__} cannot be copied: {error}", advice="save its state dict and say --arch"
        ) from error


def _like_slim(weights: Weights, path: Path, *, size: tuple[int, int] | None, name: str, trust_code: bool) -> Origin:
    """Put weights into the structure of a slim checkpoint."""
    if not path.is_file():
        raise LoadError(f"--arch slim:{path}: there is no such file", advice="slim:FILE needs a slim checkpoint")
    header, shapes = read_structure(path)
    fitted, difference = fit(weights, {key: shape for key, shape in shapes.items() if not is_counter(key)})
    if difference:
        raise LoadError(
            f"the file does not fit slim:{path}: {difference.text()}",
            advice="name the slim checkpoint that these weights were trained from",
        )
    origin = from_slim(header, fitted.weights, arch=None, size=size, trust_code=trust_code)
    return replace(
        origin,
        history=(*origin.history, f"weights of {name}"),
        parents=(*origin.parents, sha256_of_file(path)),
        notes=fitted.notes(),
    )


def _slim_takes(header: SlimHeader, model: nn.Module, size: tuple[int, int] | None) -> Probed:
    """Say what a slim network takes, after trying: the integers of a file may be false."""
    shape = (header.input_shape[0], *(size or header.input_shape[1:]))
    if prod(shape) <= MAX_TRIED_NUMBERS:
        classes = ask(model, shape).shape[1]
        if classes != header.num_classes:
            raise LoadError(
                f"the slim checkpoint says {header.num_classes} classes, its network answers {classes}",
                advice="write the slim checkpoint anew with compress prune",
            )
    return Probed(shape=shape, known=header.input_known or size is not None, num_classes=header.num_classes)


def _takes(model: nn.Module, arch: str, arguments: Arguments, size: tuple[int, int] | None) -> Probed:
    """Say what a network takes: what the user said, or the size that the architecture was made for."""
    default = default_size(arch, arguments)
    if size or default is None or parse_architecture(arch).family in CODE:
        return probe(model, size=size)
    channels, classes = int(arguments.get("in_channels", 3)), int(arguments["num_classes"])
    return Probed(shape=(channels, *default), known=False, num_classes=classes)
