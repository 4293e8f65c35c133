"""How many units stay in a group, and which: a share of them, at widths that kernels like."""

from collections.abc import Mapping, Sequence
from math import gcd

import numpy as np

from compressor.prune.coupling import Group
from compressor.prune.criteria import Scores

STEPS = (8, 4, 2, 1)
"""Widths are multiples of the first that fits. Odd widths are slow: they tripled a latency (torch-pruning issue 38)."""
TOLERANCE = 1 / 16
"""Share of a group by which rounding may miss the number that was asked for."""


def num_kept(num_units: int, *, channels: int, exact: float, round_to: int | None) -> int:
    """Return how many units stay.

    With `round_to` the nearest multiple is taken, at least one and at most all. Without it, the coarsest of 8, 4, 2, 1
    is used that misses the wanted number by at most a sixteenth of the group and still lets something leave: 64 wide
    layers stay multiples of 8, and a 16 wide layer at ratio 0.3 keeps 12.

    Args:
        num_units: in the group.
        channels: of a layer, per unit (more than one in grouped convolutions).
        exact: the wanted number of units that stay, in [0, num_units].
        round_to: number of channels that widths are multiples of; None: as fits.

    Returns:
        1 to `num_units`.
    """
    steps = [step // gcd(step, channels) for step in (STEPS if round_to is None else (round_to,))]
    for units in steps[:-1]:
        kept = int(exact / units + 0.5) * units
        if 0 < kept < num_units and abs(kept - exact) <= TOLERANCE * num_units:
            return kept
    return min(max(int(exact / steps[-1] + 0.5), 1) * steps[-1], num_units)


def choose_units(
    scored: Sequence[tuple[Group, Scores]], ratios: Sequence[float], *, round_to: int | None
) -> dict[str, tuple[int, ...]]:
    """Take the lowest units out of each group.

    Args:
        scored: groups and the scores of their units; ties leave in order of their number.
        ratios: share of the units that leaves each group, in [0, 1].
        round_to: see `num_kept`.

    Returns:
        Group name to the units that leave, ascending; nothing for groups that stay whole.
    """
    chosen = {}
    for (group, scores), ratio in zip(scored, ratios, strict=True):
        channels = group.makers()[0].index.shape[1]
        exact = group.num_units * (1 - ratio)
        kept = num_kept(group.num_units, channels=channels, exact=exact, round_to=round_to) if ratio else None
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


def lowest(values: Scores, num: int) -> tuple[int, ...]:
    """Return the places of the `num` lowest values, ascending; ties go to the first."""
    return tuple(sorted(np.argsort(values, kind="stable")[:num].tolist()))


def counts(chosen: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return how many units leave each group."""
    return {name: len(units) for name, units in chosen.items()}
