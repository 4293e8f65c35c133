"""The images that broke the file: as PNG, with what was answered, and not more of them than there is room for."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from compressor.bundle.replay_images import Replay
from compressor.report.pictures import picture, samples
from compressor.report.png import png
from compressor.report.strip import strip


def pixels(content: bytes) -> np.ndarray:
    """Return what another reader makes of a PNG file."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_reads_back(channels: int) -> None:
    """Grey and colours, odd sides, by a reader that is not ours."""
    made = np.random.default_rng(0).integers(0, 256, (5, 3, channels), dtype=np.uint8)
    assert np.array_equal(pixels(png(made.tobytes(), height=5, width=3)), made[..., 0] if channels == 1 else made)


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (5, 3)])
def test_what_is_shown_of_many_channels(channels: int, shown: int) -> None:
    """The first three as colours, or the first one as grey; values outside of [0, 1] are cut off."""
    image = np.full((channels, 2, 2), 0.2, np.float32)
    image[0] = [[-1, 2], [0, 1]]
    found = pixels(picture(image))
    assert found.shape == ((2, 2) if shown == 1 else (2, 2, 3))
    assert found.reshape(4, -1)[:, 0].tolist() == [0, 255, 0, 255]


@pytest.fixture
def replay() -> Replay:
    """Return two adversarial images of which the second is shown; one pixel is a fifth of the range brighter."""
    clean = np.full((1, 1, 2, 2), 51, np.uint8)
    perturbed = np.full((2, 1, 2, 2), 0.2, np.float32)
    perturbed[1, 0, 0, 1] = 0.4
    none = np.zeros(0, np.int64)
    return Replay(
        artefact_sha256="f" * 64,
        probe_images=clean[:0],
        probe_labels=none,
        probe_logits=np.zeros((0, 3), np.float32),
        adversarial_images=perturbed,
        adversarial_labels=np.array([1, 1]),
        adversarial_threats=("linf:1/5", "linf:1/5"),
        adversarial_logits=np.array([[0, 1, 0], [0, 1, 2]], np.float32),
        clean_rows=np.array([1]),
        clean_images=clean,
        clean_logits=np.array([[0, 3, 0]], np.float32),
    )


def test_a_sample_shows_what_was_done_and_answered(replay: Replay) -> None:
    """The largest change is white in the picture of the difference, 2.5 times as large, and grey is none."""
    (found,) = samples(replay, ["plane", "cat"])
    assert (found.threat, found.label, found.clean_answer, found.answer) == ("linf:1/5", "cat", "cat", "2")
    assert found.gain == pytest.approx(2.5)
    assert pixels(found.clean).tolist() == [[51, 51], [51, 51]]
    assert pixels(found.perturbed).tolist() == [[51, 102], [51, 51]]
    assert pixels(found.difference).tolist() == [[128, 255], [128, 128]]


def test_images_that_find_no_room_are_left_out(replay: Replay) -> None:
    """A page must stay a page."""
    assert samples(replay, ["plane", "cat", "dog"], max_bytes=50) == ()
    assert samples(replace(replay, clean_rows=replay.clean_rows[:0]), []) == ()


def test_small_images_are_shown_pixel_by_pixel(replay: Replay) -> None:
    """Blurred, nobody could see which pixel was changed; a photo must not look like bricks."""
    (found,) = samples(replay, ["plane", "cat"])
    assert strip((found,)).count('class="small"') == 3
    assert 'class="small"' not in strip((replace(found, width=224),))
