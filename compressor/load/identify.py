"""Recognise the architecture of a state dict by its names and shapes. Nothing but the one match is built."""

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from compressor.errors import LoadError
from compressor.load.checkpoint import Arguments
from compressor.load.families import import_timm, torchvision_names
from compressor.load.fingerprints import digest_of_names, digest_of_shapes, resemblance, table
from compressor.load.fit import PLAIN_PREFIXES, Shape, Weights, is_counter
from compressor.load.match import match
from compressor.load.timm_table import timm_models

NEAR = 1.0
"""A resemblance (0 to 2) that is worth building the candidate for: most names agree, or many names and shapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What a state dict was recognised as."""

    architecture: str
    """A form of `--arch`."""
    arguments: Arguments
    """Constructor arguments: num_classes, and in_channels and others where they differ from the default."""
    why: str
    """One sentence for a person."""


def identify(weights: Weights, *, hint: str | None = None) -> Identified:
    """Recognise a state dict: torchvision's classifiers and `cifar:*`; timm only where none of them fits.

    Args:
        weights: name -> tensor, under today's names (`fit.modern_names`); a common prefix does not matter.
        hint: the name of a model that the file mentions, if any.

    Raises:
        LoadError: nothing fits; names the nearest candidates and the first difference.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    candidates = [found for prefix, part in _parts(shapes).items() for found in _recognise(prefix, part)]
    exact = _by_preference(candidates)
    near = [] if exact else _nearest(shapes)
    for architecture in exact or near:
        matched = match(weights, architecture, {})
        if not matched.difference:
            return _identified(weights, architecture, matched.arguments)
    for name in _of_timm(shapes, hint):
        with suppress(LoadError):
            matched = match(weights, f"timm:{name}", {})
            if not matched.difference:
                return _identified(weights, f"timm:{name}", matched.arguments)
    raise _nothing_fits(weights, near or exact)


def _of_timm(shapes: Mapping[str, Shape], hint: str | None) -> list[str]:
    """Return the timm network that a file names, and one with its names and shapes.

    Raises:
        LoadError: there is one, and timm is not installed.
    """
    found = [models[0] for part in _parts(shapes).values() if (models := timm_models(part))]
    if found and not hint:
        try:
            import_timm()
        except LoadError as error:
            raise LoadError(f"the file looks like timm:{found[0]}, and {error}", advice=error.advice) from error
    return list(dict.fromkeys([*([hint] if hint else []), *found[:1]]))


def _parts(shapes: Mapping[str, Shape]) -> dict[str, dict[str, Shape]]:
    """Return every part of a state dict that has a prefix of its own, the whole first."""
    parts: dict[str, dict[str, Shape]] = defaultdict(dict)
    for name, shape in shapes.items():
        pieces = name.split(".")
        for start in range(len(pieces)):
            parts["".join(f"{piece}." for piece in pieces[:start])][".".join(pieces[start:])] = shape
    return parts


def _recognise(prefix: str, shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Return (prefix, architecture) of everything that has exactly these names and shapes."""
    found = []
    depth = _cifar_depth(shapes)
    if depth is not None:
        found.append((prefix, f"cifar:resnet{depth}"))
    names = digest_of_names(shapes)
    for each in table():
        if each.names == names and each.shapes == digest_of_shapes(each.free(shapes)):
            found.append((prefix, f"torchvision:{each.name}"))
    return found


def _cifar_depth(shapes: Mapping[str, Shape]) -> int | None:
    """Return the depth of the CIFAR ResNet that has these names; None where none has."""
    if not {"conv1.weight", "linear.weight", "layer3.0.conv1.weight"} <= shapes.keys():
        return None
    stages = [{name.split(".")[1] for name in shapes if name.startswith(f"layer{stage}.")} for stage in (1, 2, 3)]
    num_blocks = len(stages[0])
    if any(stage != {str(number) for number in range(num_blocks)} for stage in stages):
        return None
    inside = [name for name in shapes if name.startswith("layer")]
    plain = all(re.match(r"layer[123]\.\d+\.(conv|bn)[12]\.", name) or is_counter(name) for name in inside)
    return 6 * num_blocks + 2 if plain else None


def _by_preference(candidates: list[tuple[str, str]]) -> list[str]:
    """Return the architectures found, those of the plain parts of the file first.

    Raises:
        LoadError: several parts of the file hold different networks, and none is plainly the one.
    """
    order = ("", *PLAIN_PREFIXES)
    plain = sorted((each for each in candidates if each[0] in order), key=lambda each: order.index(each[0]))
    if not plain and len({architecture for _, architecture in candidates}) > 1:
        parts = ", ".join(f"{architecture} under {prefix!r}" for prefix, architecture in candidates)
        raise LoadError(f"the file holds several networks: {parts}", advice="say which with --arch")
    return [architecture for _, architecture in plain or candidates]


def _nearest(shapes: Mapping[str, Shape]) -> list[str]:
    """Return up to three architectures that resemble the main part of a file, nearest first."""
    large = [part for part in _parts(shapes).values() if 2 * len(part) >= len(shapes)]
    depths = [depth for depth in map(_cifar_depth, large) if depth is not None]
    scored = [(max(resemblance(each, part) for part in large), each.name) for each in table()]
    scored.sort(key=lambda each: -each[0])
    near = [f"torchvision:{name}" for score, name in scored if score >= NEAR and name in torchvision_names()]
    return list(dict.fromkeys([*(f"cifar:resnet{depth}" for depth in depths), *near]))[:3]


def _identified(weights: Weights, architecture: str, arguments: Arguments) -> Identified:
    num = sum(not is_counter(name) for name in weights)
    others = [f"{name} {value}" for name, value in arguments.items() if name != "num_classes"]
    classes = arguments["num_classes"]
    text = f"recognised as {architecture} by the names and shapes of its {num} tensors, {classes} classes"
    return Identified(architecture=architecture, arguments=arguments, why=", ".join([text, *others]))


def _nothing_fits(weights: Weights, near: list[str]) -> LoadError:
    """Name the nearest candidates and where the nearest one differs."""
    message = f"the {len(weights)} tensors of the file fit no architecture known here"
    if near:
        difference = match(weights, near[0], {}).difference
        message += f"; nearest: {', '.join(near)}; but for {near[0]} {difference.text()}"
    else:
        name, tensor = next(iter(weights.items()))
        message += f"; the first is {name}, {tuple(tensor.shape)}"
    return LoadError(
        message,
        advice="say --arch, for example timm:NAME or path/to/file.py:factory; a pruned network needs --arch slim:FILE",
    )
