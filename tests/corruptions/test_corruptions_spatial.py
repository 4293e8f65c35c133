"""Shifts in the worst place: the grids, and what stands at each place of them."""

import pytest
import torch

from compressor.corruptions.spatial import occluded, rotated, translated, worst_cases


def images(*shape: int) -> torch.Tensor:
    """Return random images."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


def test_at_32_pixels_the_grids_are_those_of_the_papers():
    """A patch of 16 at all its 289 places, translations by up to 4, 31 rotations by up to 30 degrees."""
    (patch, shift, turn), skipped = worst_cases((3, 32, 32))
    assert skipped == ()
    assert patch.settings == {"patch": 16, "fill": 0.0, "stride": 1.0, "num_positions": 289}
    assert set(patch.positions) == {(row, column) for row in range(17) for column in range(17)}
    assert shift.settings["most_pixels"] == 4
    assert set(shift.positions) == {(down, right) for down in range(-4, 5) for right in range(-4, 5)}
    assert [angle for (angle,) in turn.positions] == pytest.approx(range(-30, 31, 2))


def test_sizes_scale_with_the_side():
    """At 224 pixels seven times as far with as many places; a rectangle is covered to its ends; tiny ones are not."""
    patch, shift, _ = worst_cases((3, 224, 224))[0]
    assert (patch.settings["patch"], patch.settings["stride"], len(patch.positions)) == (112, 7.0, 289)
    assert (shift.settings["most_pixels"], shift.settings["stride"]) == (28, 7.0)
    wide = worst_cases((1, 10, 20))[0][0]
    assert (wide.settings["patch"], wide.positions[-1]) == (5, (5, 15))
    assert len(worst_cases((1, 8, 8))[0][1].positions) == 9
    cases, skipped = worst_cases((1, 7, 9))
    assert cases == ()
    assert [name for name, _ in skipped] == ["occlusion", "translation", "rotation"]
    assert "8 pixels" in skipped[0][1].reason


def test_a_patch_covers_its_square_only():
    """Inside black, outside untouched, and the image given stays as it was."""
    clean = images(2, 3, 9, 11) + 0.1
    before = clean.clone()
    covered = occluded(clean, 2, 5, 4)
    assert (covered[..., 2:6, 5:9] == 0).all()
    is_covered = torch.zeros(9, 11, dtype=torch.bool)
    is_covered[2:6, 5:9] = True
    assert torch.equal(covered[..., ~is_covered], clean[..., ~is_covered])
    assert torch.equal(clean, before)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 4), (-2, -2)])
def test_a_translation_moves_whole_pixels(down, right):
    """Pixel (r, c) comes from (r - down, c - right), and from outside comes black."""
    clean = images(2, 1, 7, 9)
    moved = translated(clean, down, right)
    for row in range(7):
        for column in range(9):
            above, left = row - down, column - right
            inside = 0 <= above < 7 and 0 <= left < 9
            wanted = clean[..., above, left] if inside else torch.zeros(2, 1)
            assert torch.equal(moved[..., row, column], wanted)


def test_a_rotation_turns_about_the_middle():
    """By nothing it changes nothing, by a right angle it is exact, and there and back leaves the middle."""
    clean = images(2, 3, 12, 12)
    assert torch.equal(rotated(clean, 0.0), clean)
    assert torch.allclose(rotated(clean, 90.0), clean.rot90(1, (2, 3)), atol=1e-6)
    ramp = (torch.arange(15.0) / 14).expand(1, 1, 15, 15)
    back = rotated(rotated(ramp, 20.0), -20.0)
    assert torch.allclose(back[..., 5:10, 5:10], ramp[..., 5:10, 5:10], atol=0.02)
    assert rotated(torch.ones(1, 1, 12, 12), 30.0)[0, 0, 0, 0] == 0


def test_every_place_keeps_to_the_box():
    """At each place of each grid the images are images, as many as before."""
    clean = images(2, 1, 16, 16)
    for case in worst_cases((1, 16, 16))[0]:
        for position in case.positions:
            found = case.at(clean, position)
            assert found.shape == clean.shape
            assert 0 <= found.min() <= found.max() <= 1
