"""Bounds inside a network, node after node: intervals, and backward passes for what they leave undecided.

Only values that may have either sign and that a ReLU reads get a row: the others' ReLUs are linear already.
"""

import torch
from torch import Tensor

from compressor.prove.crown import Known, bound, default_slopes, searched
from compressor.prove.interval import Box, pixels, through
from compressor.prove.program import Program
from compressor.prove.region import ROUNDING, Region
from compressor.types import Norm

VALUES_AT_ONCE = 128
"""Two rows each: with 4,096 values behind them, 8 MB."""
NUM_INNER_STEPS = 5
"""Of the search for slopes behind bounds inside the network."""
MOST_SEARCHING_MACS = 4_000_000_000
"""Of that search, per image: layer after layer, those that still fit. About a second."""


def know(program: Program, region: Region, *, is_refined: bool) -> Known:
    """Bound the values of every node.

    Args:
        program: the network.
        region: what the image may become.
        is_refined: bound what ReLUs read by backward passes too, where intervals leave them undecided; else by
            intervals alone.
    """
    known = Known(program=program, region=region, boxes=[pixels(region)])
    rectified, budget = set(program.rectified), MOST_SEARCHING_MACS
    for place in range(1, len(program.nodes)):
        node = program.nodes[place]
        box = through(node, [known.boxes[given] for given in node.inputs])
        is_exact = region.norm is Norm.LINF and program.is_one_layer(place)
        if is_refined and place in rectified and not is_exact:
            low, high = box.low.flatten().clone(), box.high.flatten().clone()
            _refine(known, place, low, high)
            cost = _cost_of_search(program, place, low, high)
            if cost <= budget:
                _search(known, place, low, high)
                budget -= cost
            box = Box(low=low.reshape(box.low.shape), high=high.reshape(box.low.shape))
        known.boxes.append(box)
    return known


def _refine(known: Known, place: int, low: Tensor, high: Tensor) -> None:
    """Make a node's bounds better by backward passes, for the values that may have either sign."""
    slopes = default_slopes(known, place)
    for chosen in _undecided(low, high):
        start, rows, shift = _single_values(known.program, place, chosen)
        found = bound(known, start, torch.cat([rows, -rows]), slopes)
        _tighten(low, high, chosen, found, shift)


def _cost_of_search(program: Program, place: int, low: Tensor, high: Tensor) -> int:
    """Return the multiply-adds of `_search`: two rows each, forwards and backwards, and a last look."""
    num_values = int(((low < 0) & (high > 0)).sum())
    return 6 * (NUM_INNER_STEPS + 1) * num_values * program.num_macs_below(place)


def _search(known: Known, place: int, low: Tensor, high: Tensor) -> None:
    """Make a node's bounds better still, by a short search for slopes behind each of them."""
    slopes = default_slopes(known, place)
    for chosen in _undecided(low, high) if slopes else ():
        start, rows, shift = _single_values(known.program, place, chosen)
        before = torch.cat([low[chosen] - shift, shift - high[chosen]])
        found = searched(known, start, torch.cat([rows, -rows]), before, slopes=slopes, num_steps=NUM_INNER_STEPS)
        _tighten(low, high, chosen, found, shift)


def _undecided(low: Tensor, high: Tensor) -> list[Tensor]:
    """Return the values that may have either sign, a few at a time."""
    places = ((low < 0) & (high > 0)).nonzero()[:, 0]
    return [places[start : start + VALUES_AT_ONCE] for start in range(0, len(places), VALUES_AT_ONCE)]


def _tighten(low: Tensor, high: Tensor, chosen: Tensor, found: Tensor, shift: Tensor) -> None:
    """Write better bounds where they are better: lower bounds on values and on their negatives stand in `found`."""
    slack = ROUNDING * shift.abs()
    low[chosen] = low[chosen].maximum(found[: len(chosen)] + shift - slack)
    high[chosen] = high[chosen].minimum(shift - found[len(chosen) :] + slack)


def _single_values(program: Program, place: int, chosen: Tensor) -> tuple[int, Tensor, Tensor]:
    """Return single values of a node as linear functions of an earlier node, or of itself; see `Program.unit_rows`."""
    known = program.unit_rows(place, chosen)
    if known is not None:
        return known
    shape = program.nodes[place].shape
    rows = torch.zeros((len(chosen), torch.Size(shape).numel()), dtype=torch.float64)
    rows[torch.arange(len(chosen)), chosen] = 1.0
    return place, rows.reshape(-1, *shape), torch.zeros(len(chosen), dtype=torch.float64)
