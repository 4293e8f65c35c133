"""Linear bounds, carried backwards from an answer to the image: CROWN, and slopes made better for each answer.

Legend: R rows, each a linear function of some node's values that is bounded from below. A ReLU that may be on or off is
held between two lines: above, the chord from (low, 0) to (high, high); below, a line through zero with a slope in
[0, 1]. Any slope gives a true bound, which is why slopes may be searched for.
Source: Zhang et al., arXiv 1811.00866 (bounds, the default slope); Xu et al., arXiv 2011.13824 (optimised slopes). What
differs: one image at a time, so that its bounds depend on no other; Adam for a fixed number of steps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from compressor.prove.interval import Box
from compressor.prove.program import Map, Program, Rectifier, Sum
from compressor.prove.region import ROUNDING, Region, lowest

NUM_STEPS = 20
"""Of the search for slopes behind an answer."""
STEP_SIZE = 0.25
"""Of Adam, on slopes in [0, 1]; it shrinks to zero along a cosine."""

Slopes = dict[int, Tensor]
"""Per ReLU node: (R, *shape) or (*shape), the slope of the lower line where the ReLU may be on or off."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What is known of a network around one image."""

    program: Program
    region: Region
    boxes: list[Box]
    """Bounds on the values of the first nodes, or of all."""


def default_slopes(known: Known, place: int) -> Slopes:
    """Return slopes of the ReLUs before a node: one where a ReLU is on over the larger part of its interval, else zero.

    That line leaves the smaller triangle below the chord.
    """
    slopes = {}
    for here in known.program.before(place):
        node = known.program.nodes[here]
        if isinstance(node.step, Rectifier):
            read = known.boxes[node.inputs[0]]
            slopes[here] = (read.high > -read.low).to(read.low.dtype)
    return slopes


def bound(known: Known, place: int, rows: Tensor, slopes: Slopes) -> Tensor:
    """Return lower bounds on linear functions of a node's values: (R,), rounded down.

    Args:
        known: at least the bounds of all nodes before it.
        place: the node.
        rows: (R, *shape) float64, the functions.
        slopes: in [0, 1], for every ReLU before it.
    """
    pending: dict[int, Tensor] = {place: rows}
    total = rows.new_zeros(len(rows))
    size = rows.new_zeros(len(rows))
    for here in range(place, 0, -1):
        row = pending.pop(here, None)
        if row is None:
            continue
        node = known.program.nodes[here]
        match node.step:
            case Map():
                if node.step.offset is not None:
                    offset = node.step.offset.flatten()
                    total = total + row.flatten(1) @ offset
                    size = size + row.detach().flatten(1).abs() @ offset.abs()
                before = [node.step.back(row)]
            case Sum():
                before = [row, row * node.step.sign]
            case _:
                row, shift = _relaxed(row, known.boxes[node.inputs[0]], slopes[here])
                total, size = total + shift, size + shift.detach().abs()
                before = [row]
        for given, coefficients in zip(node.inputs, before, strict=True):
            pending[given] = pending[given] + coefficients if given in pending else coefficients
    image = pending.get(0)
    if image is None:
        return total - ROUNDING * size
    size = size + image.detach().flatten(1).abs().sum(1)
    return total + lowest(image, known.region) - ROUNDING * size


def _relaxed(row: Tensor, read: Box, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows on what a ReLU reads that lie below rows on what it answers, and constants (R,) to add."""
    is_on, is_open = read.low >= 0, (read.low < 0) & (read.high > 0)
    chord = torch.where(is_open, read.high / (read.high - read.low).clamp_min(1e-300), is_on.to(row.dtype))
    below = torch.where(is_open, slope, is_on.to(row.dtype))
    negative = row.clamp_max(0)
    lift = torch.where(is_open, -chord * read.low, 0.0).flatten()
    return row.clamp_min(0) * below + negative * chord, negative.flatten(1) @ lift


def best_bound(known: Known, rows: Tensor, *, enough: float | None, num_steps: int) -> Tensor:
    """Return lower bounds on linear functions of the answer, with slopes searched for: (R,).

    Args:
        known: the bounds of all nodes.
        rows: (R, K) float64.
        enough: rows above it are left alone; None: every row is made as large as can be.
        num_steps: of the search; 0 for none.
    """
    last = len(known.program.nodes) - 1
    slopes, answer = default_slopes(known, last), known.boxes[last]
    plain = rows.clamp_min(0) @ answer.low + rows.clamp_max(0) @ answer.high
    plain = plain - ROUNDING * (rows.abs() @ answer.low.abs().maximum(answer.high.abs()))
    found = bound(known, last, rows, slopes).maximum(plain)
    todo = torch.arange(len(rows)) if enough is None else (found <= enough).nonzero()[:, 0]
    if len(todo) and num_steps and slopes:
        found[todo] = searched(known, last, rows[todo], found[todo], slopes=slopes, num_steps=num_steps, enough=enough)
    return found


def searched(
    known: Known,
    place: int,
    rows: Tensor,
    found: Tensor,
    *,
    slopes: Slopes,
    num_steps: int,
    enough: float | None = None,
) -> Tensor:
    """Return bounds (R,) that are at least `found`, from slopes of their own for every row, climbed by Adam.

    Args:
        known: at least the bounds of all nodes before it.
        place: the node.
        rows: (R, *shape) float64.
        found: (R,) true lower bounds.
        slopes: where the search begins.
        num_steps: of Adam.
        enough: the search ends when all are above it; None: never early.
    """
    with torch.enable_grad():
        moving = {
            here: slope.expand(len(rows), *slope.shape).clone().requires_grad_() for here, slope in slopes.items()
        }
        leaves = list(moving.values())
        adam = torch.optim.Adam(leaves, betas=(0.5, 0.9))
        for number in range(num_steps + 1):
            values = bound(known, place, rows, moving)
            found = found.maximum(values.detach())
            if number == num_steps or (enough is not None and bool((found > enough).all())):
                break
            gradients = torch.autograd.grad(-values.sum(), leaves, allow_unused=True)
            for slope, gradient in zip(leaves, gradients, strict=True):
                slope.grad = gradient
            adam.param_groups[0]["lr"] = STEP_SIZE * (1 + math.cos(math.pi * number / num_steps)) / 2
            adam.step()
            with torch.no_grad():
                for slope in leaves:
                    slope.clamp_(0, 1)
    return found
