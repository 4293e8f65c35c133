"""The shortest step from an image to a hyperplane that stays inside [0, 1], for linf and l2.

Legend: n images of D values; w the normal of a hyperplane, g the gap: a step d reaches it when w . d = g.
The shortest step moves every value towards the plane by min(t, f): up to a common length t, or until it is full at f
(linf: f is the room left in the box; l2: f is that room over |w|, and the step is |w| times it). What is gained grows
with t along a concave line of D pieces, so Newton's method from t = 0 never overshoots, and ends exactly.
"""

import torch
from torch import Tensor

from compressor.attacks.ball import row_sums
from compressor.types import Norm


def step_to_plane(images: Tensor, normal: Tensor, gap: Tensor, norm: Norm) -> Tensor:
    """Return the shortest step onto a hyperplane, inside the box.

    Args:
        images: (n, C, H, W) float32 in [0, 1].
        normal: (n, C, H, W) float32, finite; where it is zero nothing moves.
        gap: (n,) float32, what normal . step shall come to; one that is no number counts as zero.
        norm: which steps are short.

    Returns:
        (n, C, H, W) float32; where the box does not reach the plane, the step to the corner nearest to it.

    Source: arXiv 1907.02044, section 2.2; there by sorting, here by Newton's method, with the same answer.
    """
    # Scaled first: squares of a saturated model's gradient would vanish in float32.
    scale = normal.flatten(1).abs().amax(1, keepdim=True).clamp_min(1e-38)
    weights, gap = normal.flatten(1) / scale, gap.nan_to_num(0.0)[:, None] / scale
    towards, size, pixels = weights.sign() * gap.sign(), weights.abs(), images.flatten(1)
    room = torch.where(towards > 0, 1 - pixels, pixels)
    if norm is Norm.LINF:
        gain, full = size, room
    else:
        gain, full = size.square(), torch.where(size > 0, room / size, 0.0)
    length = _length(gain, full, size * room, gap.abs())
    moved = length.minimum(full) if norm is Norm.LINF else (length.minimum(full) * size).minimum(room)
    return (towards * moved).reshape(images.shape)


def _length(gain: Tensor, full: Tensor, most: Tensor, gap: Tensor) -> Tensor:
    """Return the smallest t at which sum(min(gain * t, most)) is the gap: (n, 1); infinite where there is none.

    Args:
        gain: (n, D) what each value gains per length.
        full: (n, D) the length at which it is full.
        most: (n, D) what it has gained then.
        gap: (n, 1) not negative.
    """
    length = torch.zeros_like(gap)
    while True:
        is_full = full <= length
        rest = gap - row_sums(torch.where(is_full, most, 0.0))[:, None]
        pace = row_sums(torch.where(is_full, 0.0, gain))[:, None]
        longer = length.maximum(torch.where(pace > 0, rest / pace, torch.inf))
        if torch.equal(longer, length):
            return length
        length = longer
