"""Interval bounds: every step answers with the box that holds all it can answer."""

from dataclasses import dataclass

from torch import Tensor

from compressor.prove.program import Map, Node, Sum
from compressor.prove.region import ROUNDING, Region


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Box:
    """Bounds on the values of one node: (*shape) float64 each."""

    low: Tensor
    high: Tensor

    def cut(self, low: Tensor, high: Tensor) -> "Box":
        """Return the common part with other bounds on the same values."""
        return Box(low=self.low.maximum(low), high=self.high.minimum(high))


def pixels(region: Region) -> Box:
    """Return the bounds of the image itself."""
    return Box(low=region.low, high=region.high)


def through(node: Node, given: list[Box]) -> Box:
    """Return the bounds behind one step.

    Args:
        node: not the image.
        given: the bounds of its inputs.

    Source: interval bound propagation as in arXiv 1810.12715, widened by `ROUNDING`.
    """
    step = node.step
    match step:
        case Map():
            middle, half = (given[0].high + given[0].low) / 2, (given[0].high - given[0].low) / 2
            half = half + ROUNDING * (middle.abs() + half)
            centre, width = step.forward(middle[None])[0], step.spread(half[None])[0]
            if step.offset is not None:
                width = width + ROUNDING * step.offset.abs()
            return Box(low=centre - width, high=centre + width)
        case Sum():
            first, second = given
            low, high = (second.low, second.high) if step.sign > 0 else (-second.high, -second.low)
            slack = ROUNDING * (first.high.abs().maximum(first.low.abs()) + high.abs().maximum(low.abs()))
            return Box(low=first.low + low - slack, high=first.high + high + slack)
        case _:
            return Box(low=given[0].low.clamp_min(0), high=given[0].high.clamp_min(0))
