"""How many units stay: a table of known answers, and what holds for all."""

from itertools import pairwise

import numpy as np
import pytest

from compressor.prune.coupling import Group, Member, Role
from compressor.prune.widths import global_ratios, isomorphic_ratios, next_width, num_kept, widths

TABLE = [
    # units, channels per unit, ratio, round_to, kept
    (16, 1, 0.5, None, 8),
    (16, 1, 0.3, None, 12),
    (16, 1, 0.7, None, 4),
    (32, 1, 0.3, None, 24),
    (64, 1, 0.3, None, 48),
    (512, 1, 0.3, None, 352),
    (128, 1, 0.55, None, 64),
    (100, 1, 0.5, None, 48),
    (64, 1, 0.7, None, 16),
    (10, 1, 0.5, None, 5),
    (2, 1, 0.5, None, 1),
    (2, 1, 0.9, None, 1),
    (3, 1, 0.1, None, 3),
    (64, 1, 0.05, None, 64),
    (64, 1, 0.96, None, 2),
    (64, 1, 0.99, None, 1),
    (32, 4, 0.5, None, 16),
    (32, 4, 0.3, None, 24),
    (16, 1, 0.3, 8, 8),
    (64, 1, 0.99, 8, 8),
    (8, 1, 0.5, 16, 8),
    (24, 1, 0.5, 16, 16),
    (64, 1, 0.5, 1, 32),
]


@pytest.mark.parametrize(("num_units", "channels", "ratio", "round_to", "kept"), TABLE)
def test_known_widths(num_units, channels, ratio, round_to, kept):
    """Wide layers keep multiples of 16 or 8, narrow ones come close to the ratio."""
    assert num_kept(num_units, channels=channels, exact=num_units * (1 - ratio), round_to=round_to) == kept


@pytest.mark.parametrize("num_units", [2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 100, 256])
def test_more_asked_is_never_less_removed(num_units):
    """The number that stays falls as the ratio rises, and misses it by at most a sixteenth and half a unit."""
    before = num_units
    for percent in range(1, 100):
        exact = num_units * (1 - percent / 100)
        kept = num_kept(num_units, channels=1, exact=exact, round_to=None)
        assert 1 <= kept <= before
        assert abs(kept - exact) <= max(num_units / 16, 0.5) or kept == 1
        before = kept


@pytest.mark.parametrize(
    ("num_units", "channels", "round_to", "grid"),
    [
        (3, 1, None, (1, 2, 3)),
        (16, 1, None, (1, 2, 4, 6, 8, 10, 12, 14, 16)),
        (64, 1, None, (1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64)),
        (128, 1, None, (1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)),
        (16, 8, None, (1, 2, 4, 6, 8, 10, 12, 14, 16)),
        (8, 16, None, (1, 2, 3, 4, 5, 6, 7, 8)),
        (20, 1, 8, (8, 16, 20)),
        (8, 1, 16, (8,)),
        (8, 4, 16, (4, 8)),
    ],
)
def test_the_grid_of_widths(num_units, channels, round_to, grid):
    """Multiples of the step, halves of one step where nobody asked for a step, and all of the group."""
    assert widths(num_units, channels=channels, round_to=round_to) == grid
    for below, above in pairwise(grid):
        assert next_width(a_group("layer", num_units, channels), below, round_to=round_to) == above


@pytest.mark.parametrize("num_units", range(1, 130))
def test_what_stays_is_on_the_grid_and_nearest(num_units):
    """No width of the grid is nearer to what was asked for than the one that is taken."""
    grid = widths(num_units, channels=1, round_to=None)
    for exact in np.linspace(0, num_units, 97):
        kept = num_kept(num_units, channels=1, exact=exact, round_to=None)
        assert kept in grid
        assert abs(kept - exact) == min(abs(width - exact) for width in grid)


def a_group(name: str, num_units: int, channels: int = 1) -> Group:
    index = np.arange(num_units * channels).reshape(num_units, channels)
    member = Member(tensor=f"{name}.weight", dim=0, role=Role.OUT, index=index)
    return Group(name=name, num_units=num_units, members=(member,))


def test_structures_are_ranked_apart():
    """By hand: convolutions share one ranking whatever their width, the linear layer has its own; global has one."""
    groups = [a_group("one", 4), a_group("two", 2), a_group("head", 4)]
    scores = [np.array([1.0, 2, 3, 4]), np.array([5.0, 6]), np.array([7.0, 8, 9, 10])]
    scored = list(zip(groups, scores, strict=True))
    kinds = {"one": "Conv2d", "two": "Conv2d", "head": "Linear"}
    assert global_ratios(scored, 0.5) == {"one": 1.0, "two": 0.5, "head": 0.0}
    assert isomorphic_ratios(scored, kinds, 0.5) == {"one": 0.75, "two": 0.0, "head": 0.5}


def test_roles_make_a_structure():
    """A convolution that other layers read differently is no peer: equal kinds in other roles are ranked apart."""
    plain, read = a_group("one", 2), a_group("two", 2)
    reader = Member(tensor="head.weight", dim=1, role=Role.IN, index=np.arange(2)[:, None])
    read = Group(name="two", num_units=2, members=(*read.members, reader))
    scored = [(plain, np.array([1.0, 2])), (read, np.array([3.0, 4]))]
    kinds = {"one": "Conv2d", "two": "Conv2d", "head": "Linear"}
    assert isomorphic_ratios(scored, kinds, 0.5) == {"one": 0.5, "two": 0.5}
