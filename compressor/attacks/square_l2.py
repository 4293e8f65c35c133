"""The l2 part of Square: bumps of two halves with opposite signs, which take their length from elsewhere.

Legend: n images of C channels, H rows, W columns; s the side of a window.
Source: arXiv 1912.00049, algorithm 3, as in AutoAttack's reference; places and signs are drawn per image.
"""

import math

import torch
from torch import Tensor

from compressor.attacks.ball import Ball, l2_length, steepest
from compressor.attacks.draws import signs, uniform
from compressor.types import Norm

TILES = 5
"""The start puts this many bumps along each side."""

TINY = 1e-12


def start_l2(ball: Ball, seeds: Tensor) -> Tensor:
    """Return each image with a grid of bumps of random signs, as far away as the ball allows."""
    num, channels, height, width = ball.clean.shape
    side = max(min(height, width) // TILES, 1)
    delta = torch.zeros_like(ball.clean)
    offset = max((min(height, width) - side * TILES) // 2, 0)
    tile = 0
    for top in range(offset, height - side + 1, side):
        for left in range(offset, width - side + 1, side):
            sign = signs(seeds, "square start", channels, step=tile).reshape(num, channels, 1, 1)
            delta[:, :, top : top + side, left : left + side] = sign * _bumps(seeds, side, "square start turn", tile)
            tile += 1
    return ball.project(ball.clean + ball.threat.radius * steepest(delta, Norm.L2))


def propose_l2(ball: Ball, now: Tensor, seeds: Tensor, share: float, query: int) -> Tensor:
    """Return each image with a new bump in one window, paid for by another window and by what the ball leaves."""
    num, channels, height, width = now.shape
    delta = now - ball.clean
    side = _odd_side(share, height, width)
    place = uniform(seeds, "square place", 4, step=query)
    window = _window(place[:, 0], place[:, 1], side, height, width)
    source = _window(place[:, 2], place[:, 3], side, height, width)
    here = _index(num, channels, window, now.device)
    there = _index(num, channels, source, now.device)

    both = torch.zeros_like(delta)
    both[here], both[there] = 1.0, 1.0
    unused = (ball.threat.radius**2 - l2_length(delta) ** 2).clamp_min(0.0) / channels
    old = delta[here]
    sign = signs(seeds, "square sign", channels, step=query).reshape(num, channels, 1, 1)
    new = sign * _bumps(seeds, side, "square turn", query) + old / (_window_length(old) + TINY)
    new = new / (_window_length(new) + TINY) * (unused + l2_length(delta * both) ** 2).sqrt()
    delta[there] = 0.0
    delta[here] = new
    return ball.project(ball.clean + ball.threat.radius * steepest(delta, Norm.L2))


def _odd_side(share: float, height: int, width: int) -> int:
    side = max(round(math.sqrt(share * height * width)), 3)
    largest = min(height, width)
    side = min(side + 1 - side % 2, largest - 1 + largest % 2)
    return max(side, 1)


def _window(down: Tensor, right: Tensor, side: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the rows (n, s) and columns (n, s) of one window per image."""
    places = torch.arange(side, device=down.device)
    top, left = (down * (height - side)).long(), (right * (width - side)).long()
    return top[:, None] + places, left[:, None] + places


def _index(num: int, channels: int, window: tuple[Tensor, Tensor], device: torch.device) -> tuple[Tensor, ...]:
    """Return an index that picks the window (n, C, s, s) out of (n, C, H, W)."""
    rows, columns = window
    images = torch.arange(num, device=device)[:, None, None, None]
    planes = torch.arange(channels, device=device)[None, :, None, None]
    return images, planes, rows[:, None, :, None], columns[:, None, None, :]


def _bumps(seeds: Tensor, side: int, purpose: str, step: int) -> Tensor:
    """Return one bump of length one per image, half of them turned: (n, 1, s, s)."""
    bump = _bump(side).to(seeds.device)
    turned = uniform(seeds, purpose, 1, step=step)[:, 0] > 0.5
    return torch.where(turned[:, None, None], bump.T, bump)[:, None]


def _bump(side: int) -> Tensor:
    """Return two hills of opposite sign, one above the other: (s, s)."""
    upper = side // 2
    both = torch.cat([_hill(upper, side), -_hill(side - upper, side)])
    return both / both.square().sum().sqrt()


def _hill(height: int, width: int) -> Tensor:
    """Return rings around the middle, each smaller by one over its number squared, of length one: (height, width)."""
    hill = torch.zeros(height, width)
    top, left = height // 2, width // 2
    for ring in range(max(height // 2 + 1, width // 2 + 1)):
        rows = slice(max(top - ring, 0), min(top + ring + 1, height))
        columns = slice(max(left - ring, 0), min(left + ring + 1, width))
        hill[rows, columns] += 1.0 / (ring + 1) ** 2
    return hill / hill.square().sum().sqrt() if height else hill


def _window_length(values: Tensor) -> Tensor:
    """Return the l2 length of each channel's window: (n, C, 1, 1)."""
    return values.square().sum(dim=(-2, -1), keepdim=True).sqrt()
