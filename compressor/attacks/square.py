"""Random search with squares, without gradients (Andriushchenko et al., arXiv 1912.00049).

The schedule and the margin loss are those of the reference in AutoAttack; ours draws places and signs per image, so
that an image's search does not depend on the others.
Legend: n images of C channels, H rows, W columns; s the side of a square.
"""

import math

import torch
from torch import Tensor

from compressor.attacks.ball import Ball
from compressor.attacks.draws import signs, uniform
from compressor.attacks.losses import margin
from compressor.attacks.model import Answering
from compressor.attacks.square_l2 import propose_l2, start_l2
from compressor.attacks.standing import Standing, kept
from compressor.attacks.threat import Threat
from compressor.types import Norm

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After each of these queries the share of pixels that a square covers halves."""


def square(
    model: Answering,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    num_queries: int = 5000,
    p_init: float = 0.8,
    rescale: bool = False,
) -> Tensor:
    """Change random squares and keep what lowers the margin.

    Args:
        model: to attack; only its answers are used.
        images: (n, C, H, W) float32 in [0, 1], n >= 1.
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; they give the squares.
        num_queries: proposals per image, after the start.
        p_init: share of the pixels that the first squares cover.
        rescale: run through the whole schedule, made for 10,000 queries, however few there are.

    Returns:
        (n, C, H, W) float32 within the threat: the image that broke it, or the nearest to it.

    Source: arXiv 1912.00049, algorithms 1 to 3.
    """
    standing = Standing(images, labels, seeds, threat)
    now = _start(standing.ball, seeds)
    logits = model.logits(now, seeds)
    nearness = margin(logits, labels)
    now, nearness = kept(standing.judge(now, logits), now, nearness)
    for query in range(num_queries):
        if not len(standing):
            break
        share = p_init * share_covered(int(query / num_queries * 10_000) if rescale else query)
        proposal = _propose(standing.ball, now, standing.seeds, share, query)
        logits = model.logits(proposal, standing.seeds)
        proposed = margin(logits, standing.labels)
        stands = standing.judge(proposal, logits)
        now, nearness, proposal, proposed = kept(stands, now, nearness, proposal, proposed)
        better = proposed > nearness
        now = torch.where(better.reshape(-1, 1, 1, 1), proposal, now)
        nearness = torch.where(better, proposed, nearness)
    return standing.best


def share_covered(query: int) -> float:
    """Return by what `p_init` is multiplied at a query: a half for each step of the schedule gone by."""
    return 0.5 ** sum(query > bound for bound in HALVINGS)


def _start(ball: Ball, seeds: Tensor) -> Tensor:
    if ball.threat.norm is Norm.L2:
        return start_l2(ball, seeds)
    num, channels, _, width = ball.clean.shape
    stripes = signs(seeds, "square start", channels * width).reshape(num, channels, 1, width)
    return ball.project(ball.clean + ball.threat.radius * stripes)


def _propose(ball: Ball, now: Tensor, seeds: Tensor, share: float, query: int) -> Tensor:
    if ball.threat.norm is Norm.L2:
        return propose_l2(ball, now, seeds, share, query)
    num, channels, height, width = now.shape
    side = min(max(round(math.sqrt(share * height * width)), 1), height, width)
    place = uniform(seeds, "square place", 2, step=query)
    top, left = (place[:, 0] * (height - side)).long(), (place[:, 1] * (width - side)).long()
    inside_rows = _inside(top, side, height).reshape(num, 1, height, 1)
    inside_columns = _inside(left, side, width).reshape(num, 1, 1, width)
    sign = signs(seeds, "square sign", channels, step=query).reshape(num, channels, 1, 1)
    change = 2 * ball.threat.radius * sign * (inside_rows & inside_columns)
    return ball.project(now + change)


def _inside(first: Tensor, side: int, size: int) -> Tensor:
    """Return a mask (n, size) of the places from `first` on, `side` many."""
    places = torch.arange(size, device=first.device)
    return (places >= first[:, None]) & (places < first[:, None] + side)
