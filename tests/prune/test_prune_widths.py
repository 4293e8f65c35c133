"""How many units stay: a table of known answers, and what holds for all."""

import pytest

from compressor.prune.widths import num_kept

TABLE = [
    # units, channels per unit, ratio, round_to, kept
    (16, 1, 0.5, None, 8),
    (16, 1, 0.3, None, 12),
    (16, 1, 0.7, None, 4),
    (32, 1, 0.3, None, 24),
    (64, 1, 0.3, None, 48),
    (512, 1, 0.3, None, 360),
    (64, 1, 0.7, None, 16),
    (10, 1, 0.5, None, 5),
    (2, 1, 0.5, None, 1),
    (2, 1, 0.9, None, 1),
    (3, 1, 0.1, None, 3),
    (64, 1, 0.05, None, 60),
    (64, 1, 0.99, None, 1),
    (32, 4, 0.5, None, 16),
    (32, 4, 0.3, None, 22),
    (16, 1, 0.3, 8, 8),
    (64, 1, 0.99, 8, 8),
    (8, 1, 0.5, 16, 8),
    (24, 1, 0.5, 16, 16),
    (64, 1, 0.5, 1, 32),
]


@pytest.mark.parametrize(("num_units", "channels", "ratio", "round_to", "kept"), TABLE)
def test_known_widths(num_units, channels, ratio, round_to, kept):
    """Wide layers keep multiples of 8, narrow ones come close to the ratio."""
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
