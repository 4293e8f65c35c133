"""An architecture by name, held against the weights of a file: with which arguments does it fit, and what does not?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from compressor.errors import LoadError
from compressor.load.architectures import Family, construct, parse_architecture
from compressor.load.checkpoint import Arguments
from compressor.load.factories import ClassesNeeded
from compressor.load.fit import Difference, Fitted, Shape, Weights, fit, load_strictly, shapes_of

AUX_HEADS = ("aux1.", "aux2.", "AuxLogits.")
"""Where torchvision's networks keep heads that only training uses."""
POSITIONS = "encoder.pos_embedding"
GUESS = 10
"""Classes that a factory is tried with where it cannot be called without; the file then says the right number."""
DEFAULT_CLASSES = {Family.CIFAR: 10, Family.TORCHVISION: 1000, Family.TIMM: 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A network built for a file."""

    model: nn.Module
    """Not loaded yet; without memory unless a factory made it."""
    arguments: Arguments
    """What it was built with."""
    fitted: Fitted
    """The part of the file that belongs to it."""
    difference: Difference
    """Why it cannot be loaded; empty where it can."""

    def loaded(self, architecture: str) -> nn.Module:
        """Return the network with the weights of the file.

        Raises:
            LoadError: it does not fit; names the first parameters that do not.
        """
        if self.difference:
            raise LoadError(
                f"the file does not fit {architecture}: {self.difference.text()}",
                advice="say another --arch, or leave it out; a pruned network needs --arch slim:FILE",
            )
        load_strictly(self.model, self.fitted.weights)
        return self.model


def match(weights: Weights, architecture: str, given: Arguments) -> Match:
    """Build an architecture with the arguments that the file asks for.

    Args:
        weights: everything in the file, under today's names.
        architecture: a form of `--arch`.
        given: arguments that somebody said; they are not changed.

    Raises:
        LoadError: the architecture cannot be built, or several parts of the file fit.
    """
    said = given
    default = DEFAULT_CLASSES.get(parse_architecture(architecture).family)
    try:
        model = construct(architecture, given, initialise=False)
    except ClassesNeeded:
        default = GUESS
        model = construct(architecture, {**given, "num_classes": default}, initialise=False)
    given = given if default is None else {"num_classes": default, **given}
    wanted = shapes_of(model)
    fitted, difference = fit(weights, wanted)
    if difference:
        found = {name: tuple(tensor.shape) for name, tensor in fitted.weights.items()}
        arguments = {**given, **_infer(architecture, found, wanted, difference), **said}
        if arguments != given:
            model = construct(architecture, arguments, initialise=False)
            fitted, difference = fit(weights, shapes_of(model))
        return Match(model=model, arguments=arguments, fitted=fitted, difference=difference)
    return Match(model=model, arguments=given, fitted=fitted, difference=difference)


def _infer(
    architecture: str, found: Mapping[str, Shape], wanted: Mapping[str, Shape], difference: Difference
) -> Arguments:
    """Read the arguments off the differing shapes. A wrong guess does no harm: the result is compared again."""
    parsed = parse_architecture(architecture)
    arguments: Arguments = {}
    stem = next((name for name, shape in wanted.items() if len(shape) == 4), "")
    if parsed.family is Family.CIFAR and len(found.get("conv1.weight", ())) == 4:
        if found["conv1.weight"][0] != wanted["conv1.weight"][0]:
            arguments["width"] = found["conv1.weight"][0]
        if "linear.weight" in found:
            arguments["num_classes"] = found["linear.weight"][0]
    else:
        changed = [(mine, theirs) for _, mine, theirs in difference.reshaped if mine[1:] == theirs[1:] and mine]
        if changed and len({(mine[0], theirs[0]) for mine, theirs in changed}) == 1:
            arguments["num_classes"] = changed[0][0][0]
    takes_channels = parsed.family in (Family.CIFAR, Family.TORCHVISION, Family.TIMM)
    if takes_channels and len(found.get(stem, ())) == 4 and found[stem][1] != wanted[stem][1]:
        arguments["in_channels"] = found[stem][1]
    if parsed.family is Family.TORCHVISION:
        if difference.missing and all(name.startswith(AUX_HEADS) for name in difference.missing):
            arguments["aux_logits"] = 0
        positions = found.get(POSITIONS, ())
        if len(positions) == 3 and positions != wanted.get(POSITIONS) and len(found.get(stem, ())) == 4:
            arguments["image_size"] = math.isqrt(max(positions[1] - 1, 1)) * found[stem][2]
    return arguments
