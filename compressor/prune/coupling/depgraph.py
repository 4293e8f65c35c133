"""torch-pruning's DependencyGraph, read once: which channels it holds to be coupled.

The library hangs, raises or errs on some models (channel shuffle, windowed attention, zero-padded shortcuts; see the
tests), so it is asked only about networks made of what it is at home with. It is never asked to prune.

Source: DepGraph, arXiv 2301.12900.
"""

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

from compressor.prune.coupling.labels import Channels, Labels
from compressor.prune.coupling.layer_rules import IMAGE
from compressor.prune.coupling.trace import HEAD

MAX_LAYERS = 400
"""Layers with parameters beyond which the library takes longer than all the rest."""


def read_depgraph(labels: Labels, model: nn.Module, input_shape: tuple[int, int, int]) -> str | None:
    """Add the ties that torch-pruning finds to those of the trace.

    Args:
        labels: of the trace; learns the ties.
        model: the skeleton that was traced.
        input_shape: (C, H, W).

    Returns:
        Name and version of the source, None where the library is not at home.
    """
    if not _is_at_home(labels, model):
        return None
    required = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.eval()
    try:
        # Without gradients the library finds nothing, and says nothing.
        model.requires_grad_(requires_grad=True)
        with warnings.catch_warnings(), torch.device("meta"), torch.enable_grad():
            warnings.simplefilter("ignore")
            graph = torch_pruning.DependencyGraph().build_dependency(model, torch.empty(1, *input_shape))
            places = _ties(graph, model)
        ties = [(_channels(labels, model, one), _channels(labels, model, other)) for one, other in places]
    except Exception:  # noqa: BLE001 - it raises whatever its index arithmetic runs into; the trace stands by itself
        return None
    finally:
        for parameter, wanted in required.items():
            parameter.requires_grad = wanted
    for left, right in ties:
        if left is not None and right is not None:
            labels.unite(left, right)
    return f"torch-pruning {version('torch-pruning')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Channels of one axis of a weight."""

    weight: str
    dim: int
    index: list[int]


def _channels(labels: Labels, model: nn.Module, place: _Place) -> Channels | None:
    weight = model.get_parameter(place.weight)
    found = labels.of(labels.name_of(weight) or place.weight, weight, place.dim)  # two layers may share one
    return None if found is None else found[np.array(place.index, dtype=np.int64)]


def _ties(graph: Any, model: nn.Module) -> list[tuple[_Place, _Place]]:
    """Ask for the group of every layer, whole, and list each of its members with the filters it follows."""
    names = {module: name for name, module in model.named_modules()}
    ties = []
    for name, module in model.named_modules():
        if module not in graph.module2node or not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        prune_out = graph.get_pruner_of_module(module).prune_out_channels
        group = graph.get_pruning_group(module, prune_out, list(range(module.weight.shape[0])))
        for item in group:
            target = item.dep.target.module
            if target not in names:
                continue
            reads = isinstance(target, nn.Conv2d | nn.Linear) and graph.is_in_channel_pruning_fn(item.dep.handler)
            is_depthwise = isinstance(target, nn.Conv2d) and target.groups > 1
            there = _Place(
                weight=f"{names[target]}.weight", dim=1 if reads and not is_depthwise else 0, index=list(item.idxs)
            )
            ties.append((_Place(weight=f"{name}.weight", dim=0, index=list(item.root_idxs)), there))
    return ties


def _is_at_home(labels: Labels, model: nn.Module) -> bool:
    """Plain networks only: known layers, and nothing in the trace that mixes or fixes channels."""
    if not labels.is_plain or {reason for _, reason in labels.fixed} - {HEAD, IMAGE}:
        return False
    owners = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    return len(owners) <= MAX_LAYERS and all(_is_plain(module) for module in owners)


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.groups in (1, module.in_channels) and module.weight.shape[0] == module.out_channels
    return isinstance(module, nn.Linear) or (isinstance(module, nn.BatchNorm2d) and module.affine)
