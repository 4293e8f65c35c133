"""Feature maps of units, caught while the model runs.

A filter's map is followed from the layer that makes it through normalisation, the addition to a residual stream, and
activation, for as long as each directly takes what the step before gave. Where layers are modules or functions makes no
difference, nor do operations in place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compressor.data.images import ImageSet
from compressor.evaluate import chunk_size
from compressor.prune.coupling import Group
from compressor.prune.criteria.contract import Material, Scores
from compressor.types import Skipped


class Stage(IntEnum):
    """How far a map has come."""

    MADE = 0
    NORMALISED = 1
    ADDED = 2
    ACTIVATED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A function that makes maps."""

    place: int
    """Of the weight among its arguments."""
    keyword: str
    """Of the weight where it is given by name."""
    axes: tuple[int, int]
    """Of images and of channels in what the function gives."""


LAYERS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), Layer(place=1, keyword="weight", axes=(0, 1))),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), Layer(place=1, keyword="weight", axes=(0, 1))
    ),
    "linear": Layer(place=1, keyword="weight", axes=(0, -1)),
    # What attention gives is made by its last layer, with the tokens first. Its inner maps nobody sees.
    "multi_head_attention_forward": Layer(place=11, keyword="out_proj_weight", axes=(1, -1)),
}
"""Functions that make maps."""

STEPS = {
    **dict.fromkeys(("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"), Stage.NORMALISED),
    **dict.fromkeys(("add", "add_", "__add__", "__iadd__", "__radd__"), Stage.ADDED),
    **dict.fromkeys(("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu"), Stage.ACTIVATED),
    **dict.fromkeys(("elu", "elu_", "celu", "selu", "gelu", "silu", "mish", "softplus", "softsign"), Stage.ACTIVATED),
    **dict.fromkeys(("hardtanh", "hardtanh_", "hardswish", "hardsigmoid"), Stage.ACTIVATED),
    **dict.fromkeys(("sigmoid", "sigmoid_", "tanh", "tanh_"), Stage.ACTIVATED),
}
"""Functions that a map is followed through."""


@dataclass(slots=True)
class Trail:
    """A map on its way."""

    maker: str
    """Name of the weight."""
    axes: tuple[int, int]
    """Of images and of channels."""
    stage: Stage
    map: Tensor
    """As it is now; nobody else writes to it."""
    passed_on: Tensor
    """What the model goes on with: the same values."""

    def channels_first(self, tensor: Tensor) -> Tensor:
        """Return a tensor of the map's shape as (images, channels, ...)."""
        return tensor.movedim(self.axes, (0, 1))


class Watch(TorchFunctionMode):
    """While active, follows the maps of some layers up to a stage; `trails` holds one for each time a layer ran."""

    def __init__(self, material: Material, groups: Sequence[Group], *, until: Stage) -> None:
        super().__init__()
        names = {maker.tensor for group in groups for maker in group.makers()}
        self._makers = {id(material.tensors[name]): name for name in sorted(names)}
        self._until = until
        self.trails: list[Trail] = []

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in LAYERS:
            layer = LAYERS[name]
            weight = args[layer.place] if len(args) > layer.place else (kwargs or {}).get(layer.keyword)
            maker = self._makers.get(id(weight))
            return output if maker is None else self._begin(maker, layer.axes, output)
        step = STEPS.get(name)
        if step is None or step > self._until or not isinstance(output, Tensor):
            return output
        followed = [
            trail
            for trail in self.trails
            if trail.stage < step
            and trail.map.shape == output.shape
            and any(given is trail.passed_on for given in args if isinstance(given, Tensor))
        ]
        if followed:
            # The model gets a copy: an operation in place, further on, would change the map.
            passed_on = output.clone()
            for trail in followed:
                trail.stage, trail.map, trail.passed_on = step, output, passed_on
            return passed_on
        return output

    def _begin(self, maker: str, axes: tuple[int, int], output: Any) -> Any:
        made, *others = output if isinstance(output, tuple) else (output,)
        passed_on = made.clone()
        self.trails.append(Trail(maker=maker, axes=axes, stage=Stage.MADE, map=made, passed_on=passed_on))
        return (passed_on, *others) if isinstance(output, tuple) else passed_on


def each_map(
    groups: Sequence[Group],
    material: Material,
    classifier: nn.Module,
    images: ImageSet,
    *,
    until: Stage,
    note: Callable[[str, int, Tensor], None],
) -> None:
    """Run the classifier on images and hand over the maps of all layers that make units.

    Args:
        groups: whose makers are watched.
        material: whose model is looked at.
        classifier: around that model, at rest.
        images: to run on, in chunks of a size that is theirs.
        until: how far maps are followed.
        note: takes the name of the weight, how often the layer ran before on these images, and the map
            (N, channels, ...).
    """
    size = chunk_size(images.shape)
    with material.progress.stage("score filters", total=len(images), unit="image") as step:
        for start in range(0, len(images), size):
            chosen = range(start, min(start + size, len(images)))
            with torch.no_grad(), Watch(material, groups, until=until) as watch:
                classifier(images.read(chosen))
            runs: dict[str, int] = {}
            for trail in watch.trails:
                runs[trail.maker] = runs.get(trail.maker, -1) + 1
                note(trail.maker, runs[trail.maker], trail.channels_first(trail.map))
            step.advance(len(chosen))


def over_maps(
    groups: Sequence[Group], channels: Mapping[str, Scores], *, reason: str, relative: bool = True
) -> tuple[Scores | Skipped, ...]:
    """Score units by numbers of the channels of the layers that make them.

    A unit's number in a layer is the mean over its channels, and its score the mean over the layers that have numbers:
    like `over_makers`, each layer's numbers are first divided by their mean.

    Args:
        groups: to score.
        channels: name of a weight to one number for each channel it makes, not negative.
        reason: why a group without any numbers is skipped.
        relative: whether each layer's numbers are divided by their mean.
    """
    found: list[Scores | Skipped] = []
    for group in groups:
        layers = [
            channels[maker.tensor][maker.index].mean(axis=1) for maker in group.makers() if maker.tensor in channels
        ]
        if relative:
            layers = [values / values.mean() if values.mean() > 0 else np.ones(len(values)) for values in layers]
        found.append(np.mean(layers, axis=0) if layers else Skipped(reason=reason))
    return tuple(found)
