"""From labels to groups: units that live on the same axes of the same tensors belong together."""

from collections import defaultdict

import numpy as np
from torch import nn

from compressor.prune.coupling.graph import Group, LeftOut, Member, Product, Role
from compressor.prune.coupling.labels import STAYS, Channels, Labels

WITH_FILTERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
COMPUTED = "computes its weight from other parameters: take weight_norm, spectral_norm or the like off first"

Axis = tuple[str, int, Role]
"""Tensor, dimension, role."""


def gather(
    labels: Labels, products: dict[str, Product], model: nn.Module
) -> tuple[tuple[Group, ...], tuple[LeftOut, ...]]:
    """Sort all units into groups, in the order of the model.

    Args:
        labels: after the trace.
        products: the weights that were multiplied with activations, in the order of the model.
        model: the skeleton that was traced.

    Returns:
        The groups, and the filters that cannot leave.
    """
    classes = labels.classes()
    reasons = _reasons(labels, classes)
    axes = _axes(labels, products, classes, model)
    homes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, channels in enumerate(axes.values()):
        for unit, count in zip(*np.unique(channels, return_counts=True), strict=True):
            homes[int(unit)].append((number, int(count)))
    kinds: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for unit in sorted(homes):
        if unit not in reasons:
            kinds[tuple(homes[unit])].append(unit)
    groups: list[Group] = []
    left_out = [*_stuck(axes, reasons), *_single(products, model), *_computed(model)]
    keys = list(axes)
    used: set[str] = set()
    for home, units in sorted(kinds.items()):
        members = tuple(
            Member(
                tensor=keys[number][0],
                dim=keys[number][1],
                role=keys[number][2],
                index=_index(axes[keys[number]], np.array(units), count),
            )
            for number, count in home
        )
        makers = [member for member in members if member.role is Role.OUT]
        if not makers:
            continue
        if len(units) == 1:
            num = makers[0].index.shape[1]
            reason = f"its {num} channels are tied into one" if num > 1 else "a single channel is alone of its kind"
            left_out.append(LeftOut(name=makers[0].module, num_units=1, reason=reason))
            continue
        groups.append(Group(name=_name(makers[0].module, used), num_units=len(units), members=members))
    return tuple(groups), tuple(left_out)


def _axes(labels: Labels, products: dict[str, Product], classes: Channels, model: nn.Module) -> dict[Axis, Channels]:
    """Return the unit of every channel of every labelled axis; filters first, in the order of the model."""
    order = {name: number for number, (name, _) in enumerate([*model.named_parameters(), *model.named_buffers()])}
    found: dict[Axis, Channels] = {}
    for name, dim in sorted(labels.owned, key=lambda key: (order[key[0]], key[1])):
        product = products.get(name)
        role = Role.ALONG
        if product is not None and dim in (product.out_dim, product.in_dim):
            role = Role.OUT if dim == product.out_dim else Role.IN
        found[name, dim, role] = classes[labels.owned[name, dim]]
    for name, zeros in labels.pads.items():
        found[name, 0, Role.PAD] = classes[zeros]
    return dict(sorted(found.items(), key=lambda item: item[0][2] is not Role.OUT))


def _reasons(labels: Labels, classes: Channels) -> dict[int, str]:
    """Return, for each unit that stays, the first reason."""
    reasons: dict[int, str] = {}
    for channels, reason in labels.fixed:
        for unit in np.unique(classes[channels]):
            reasons.setdefault(int(unit), reason)
    reasons.setdefault(int(classes[STAYS]), "is joined with channels that the code fixes")
    return reasons


def _stuck(axes: dict[Axis, Channels], reasons: dict[int, str]) -> list[LeftOut]:
    """List the filters that stay, one entry per layer and reason."""
    found = []
    for (tensor, _, role), channels in axes.items():
        if role is not Role.OUT:
            continue
        counts: dict[str, int] = defaultdict(int)
        for unit in channels.tolist():
            if unit in reasons:
                counts[reasons[unit]] += 1
        found += [
            LeftOut(name=tensor.rpartition(".")[0], num_units=num, reason=reason) for reason, num in counts.items()
        ]
    return found


def _single(products: dict[str, Product], model: nn.Module) -> list[LeftOut]:
    """List the layers with one filter, whose channel has no label: without it nothing would pass through them."""
    return [
        LeftOut(name=name.rpartition(".")[0], num_units=1, reason="has a single filter")
        for name, product in products.items()
        if model.get_parameter(name).shape[product.out_dim] == 1
    ]


def _computed(model: nn.Module) -> list[LeftOut]:
    """List the layers whose weight is no parameter: what leaves it would have to leave all that it is made of."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, WITH_FILTERS)}
    return [
        LeftOut(name=name, num_units=len(module.weight), reason=COMPUTED)
        for name, module in layers.items()
        if "weight" not in module._parameters
    ]


def _index(channels: Channels, units: Channels, count: int) -> Channels:
    """Return (num_units, count): where each unit lives on an axis."""
    order = np.argsort(channels, kind="stable")
    starts = np.searchsorted(channels[order], units)
    found: Channels = np.sort(order[starts[:, None] + np.arange(count)], axis=1)
    return found


def _name(module: str, used: set[str]) -> str:
    """Return a name nobody has yet; several kinds of units may begin in one module."""
    name, number = module, 1
    while name in used:
        number += 1
        name = f"{module}#{number}"
    used.add(name)
    return name
