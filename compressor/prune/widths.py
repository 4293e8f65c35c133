"""How many units stay in a group, and which: a share of them, at widths that kernels like."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from math import gcd

import numpy as np

from compressor.prune.coupling import Group
from compressor.prune.criteria import Scores

STEPS = (16, 8, 4, 2, 1)
"""Widths are multiples of the first that fits. Odd widths are slow: they tripled a latency (torch-pruning issue 38).
onnxruntime computes convolutions in blocks of 8 channels, of 16 where there is AVX-512; tensor cores want 8 or 16."""
NUM_STEPS = 8
"""A step fits where the group has so many: rounding then misses what was asked for by at most a sixteenth."""


@cache
def widths(num_units: int, *, channels: int, round_to: int | None) -> tuple[int, ...]:
    """Return how many units a group may keep, ascending; the last is all of them.

    With `round_to`: its multiples. Without: multiples of the coarsest of 16, 8, 4, 2, 1 that is at most an eighth of
    the layer, so 64 wide layers stay multiples of 8 and a 16 wide one stays even; and the halves of one step, so that
    nearly all of a layer can leave.

    Args:
        num_units: in the group.
        channels: of a layer, per unit (more than one in grouped convolutions).
        round_to: number of channels that widths are multiples of; None: as fits.
    """
    if round_to is not None:
        step = round_to // gcd(round_to, channels)
        small: list[int] = []
    else:
        units = [step // gcd(step, channels) for step in STEPS]
        step = next((each for each in units if each * NUM_STEPS <= num_units), 1)
        small = [each for each in (1, 2, 4, 8) if each < step]
    return (*small, *range(step, num_units, step), num_units)


def num_kept(num_units: int, *, channels: int, exact: float, round_to: int | None) -> int:
    """Return how many units stay: the width next to what was asked for, the wider one of two that are equally near.

    Args:
        num_units: in the group.
        channels: of a layer, per unit.
        exact: the wanted number of units that stay, in [0, num_units].
        round_to: see `widths`.

    Returns:
        1 to `num_units`.
    """
    grid = widths(num_units, channels=channels, round_to=round_to)
    place = min(bisect_left(grid, exact), len(grid) - 1)
    near = grid[max(place - 1, 0) : place + 1]
    kept: int = min(reversed(near), key=lambda width: abs(width - exact))
    return kept


def next_width(group: Group, kept: int, *, round_to: int | None) -> int:
    """Return the next width above `kept`, which is less than all units."""
    grid = widths(group.num_units, channels=channels_of(group), round_to=round_to)
    return next(width for width in grid if width > kept)


def channels_of(group: Group) -> int:
    """Return how many channels of the first layer that makes them each unit has."""
    return int(group.makers()[0].index.shape[1])


def choose_units(
    scored: Sequence[tuple[Group, Scores]], ratios: Sequence[float], *, round_to: int | None
) -> dict[str, tuple[int, ...]]:
    """Take the lowest units out of each group.

    Args:
        scored: groups and the scores of their units; ties leave in order of their number.
        ratios: share of the units that leaves each group, in [0, 1].
        round_to: see `widths`.

    Returns:
        Group name to the units that leave, ascending; nothing for groups that stay whole.
    """
    chosen = {}
    for (group, scores), ratio in zip(scored, ratios, strict=True):
        exact = group.num_units * (1 - ratio)
        kept = num_kept(group.num_units, channels=channels_of(group), exact=exact, round_to=round_to) if ratio else None
        if kept is not None and kept < group.num_units:
            chosen[group.name] = lowest(scores, group.num_units - kept)
    return chosen


def global_ratios(scored: Sequence[tuple[Group, Scores]], ratio: float) -> dict[str, float]:
    """Rank the units of all groups together and return the share of each group among the lowest.

    Args:
        scored: groups and scores that are comparable between groups.
        ratio: share of all units that is to leave, in (0, 1).
    """
    if not scored:
        return {}
    order = np.argsort(np.concatenate([scores for _, scores in scored]), kind="stable")
    leaves = np.zeros(len(order), dtype=bool)
    leaves[order[: int(ratio * len(order) + 0.5)]] = True
    shares, start = {}, 0
    for group, _ in scored:
        shares[group.name] = float(leaves[start : start + group.num_units].mean())
        start += group.num_units
    return shares


def isomorphic_ratios(
    scored: Sequence[tuple[Group, Scores]], kinds: Mapping[str, str], ratio: float
) -> dict[str, float]:
    """Rank the units of all groups of one structure together; every structure loses the same share.

    Args:
        scored: groups and scores that are comparable between groups of one structure.
        kinds: module to the kind of layer it is.
        ratio: share of the units of each structure that is to leave, in (0, 1).

    Source:
        Fang et al., Isomorphic Pruning for Vision Models, arXiv 2407.04616: sub-structures are compared where their
        graphs are the same. As there, widths do not matter.
    """

    def structure(pair: tuple[Group, Scores]) -> str:
        members = pair[0].members
        return " ".join(f"{kinds[each.module]}.{each.tensor.rpartition('.')[2]}:{each.role}" for each in members)

    shares: dict[str, float] = {}
    for _, alike in groupby(sorted(scored, key=structure), structure):
        shares |= global_ratios(list(alike), ratio)
    return shares


def lowest(values: Scores, num: int) -> tuple[int, ...]:
    """Return the places of the `num` lowest values, ascending; ties go to the first."""
    return tuple(sorted(np.argsort(values, kind="stable")[:num].tolist()))


def counts(chosen: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return how many units leave each group."""
    return {name: len(units) for name, units in chosen.items()}
