"""Each corruption against a hand-computed case, and the building blocks against scipy."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from compressor.corruptions import blur, digital, noise, pixels, weather

IDENTITIES = [
    (noise.gaussian_noise, {"sigma": 0.0}),
    (noise.impulse_noise, {"share": 0.0}),
    (blur.defocus_blur, {"radius": 0.3, "edge": 0.01}),
    (blur.glass_blur, {"sigma": 0.05, "reach": 1, "num_rounds": 0}),
    (blur.motion_blur, {"radius": 0.0, "sigma": 1.0}),
    (blur.zoom_blur, {"end": 1.001, "step": 0.01}),
    (
        weather.snow,
        {"mean": 0.0, "spread": 0.0, "flake": 1.0, "threshold": 0.5, "radius": 3.0, "sigma": 1.0, "keep": 1.0},
    ),
    (weather.fog, {"strength": 0.0, "decay": 2.0}),
    (digital.brightness, {"amount": 0.0}),
    (digital.contrast, {"share": 1.0}),
    (digital.elastic_transform, {"strength": 0.0, "sigma": 0.0, "jitter": 0.0}),
    (digital.pixelate, {"share": 1.0}),
]
"""Strengths at which nothing happens."""


def generator(seed: int = 0) -> torch.Generator:
    """Return random numbers."""
    return torch.Generator().manual_seed(seed)


def picture(*shape: int, seed: int = 3) -> torch.Tensor:
    """Return a random image whose values are multiples of 1/255."""
    levels = torch.randint(0, 256, shape or (3, 13, 18), generator=generator(seed))
    return levels.to(torch.float64) / 255


@pytest.mark.parametrize(("make", "settings"), IDENTITIES, ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize("shape", [(3, 13, 18), (1, 32, 32)])
def test_no_strength_changes_nothing(make, settings, shape):
    """At the strength that is none, an image stays as it is."""
    image = picture(*shape)
    assert torch.allclose(make(image, generator(), **settings), image, atol=1e-9)


def test_gaussian_noise_has_its_mean_and_variance():
    """On a grey image, mean and deviation are those asked for."""
    noisy = noise.gaussian_noise(torch.full((3, 96, 96), 0.5, dtype=torch.float64), generator(), sigma=0.1)
    assert abs(float(noisy.mean()) - 0.5) < 4 * 0.1 / math.sqrt(3 * 96 * 96)
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.03)


def test_shot_noise_grows_with_light():
    """Counts of packets: the mean is the value, the variance the value over the rate, and all are whole packets."""
    for value in (0.1, 0.8):
        image = torch.full((3, 96, 96), value, dtype=torch.float64)
        noisy = noise.shot_noise(image, generator(), rate=60)
        assert torch.allclose((noisy * 60).round(), noisy * 60, atol=1e-9)
        assert float(noisy.mean()) == pytest.approx(value, abs=4 * math.sqrt(value / 60 / 27648))
        assert float(noisy.var()) == pytest.approx(value / 60, rel=0.06)


def test_impulse_noise_hits_its_share_with_equal_odds():
    """A share of the values is 0 or 1, the others stay."""
    noisy = noise.impulse_noise(torch.full((3, 96, 96), 0.5, dtype=torch.float64), generator(), share=0.2)
    hit = noisy != 0.5
    assert set(noisy[hit].unique().tolist()) == {0.0, 1.0}
    assert float(hit.double().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(noisy[hit].mean()) == pytest.approx(0.5, abs=0.03)


def test_a_point_out_of_focus_becomes_the_disk():
    """The answer to an impulse is the kernel, which sums to 1 and is as broad as the radius."""
    image = torch.zeros((1, 21, 21), dtype=torch.float64)
    image[0, 10, 10] = 1
    spread = blur.defocus_blur(image, generator(), radius=3.0, edge=0.01)[0]
    inside = np.add.outer(np.arange(-10, 11) ** 2, np.arange(-10, 11) ** 2) <= 9
    assert np.allclose(spread.numpy(), inside / inside.sum(), atol=1e-12)
    soft = blur.disk(3.0, 0.5)
    assert float(soft.sum()) == pytest.approx(1)
    assert np.allclose(soft.numpy(), ndimage.gaussian_filter(blur.disk(3.0, 0.01).numpy(), 0.5, radius=1), atol=1e-12)


def test_a_point_in_motion_leaves_half_a_bell_behind():
    """Along a horizontal line the weights are those of half a Gaussian."""
    image = torch.zeros((1, 5, 21), dtype=torch.float64)
    image[0, 2, 15] = 1
    smeared = blur.smeared(image, 2.0, 1.5, 0.0)[0]
    weights = np.exp(-(np.arange(5) ** 2) / (2 * 1.5**2))
    assert np.allclose(smeared[2, 11:16].flip(0).numpy(), weights / weights.sum())
    assert float(smeared.sum()) == pytest.approx(1)
    down = blur.smeared(image.transpose(1, 2), 2.0, 1.5, 90.0)[0]
    assert torch.allclose(down, smeared.T)


def test_frosted_glass_takes_every_pixel_from_near():
    """Each pixel shows one of its neighbours, and the border stays."""
    image = (torch.arange(256, dtype=torch.float64) / 255).reshape(1, 16, 16)
    moved = (blur.glass_blur(image, generator(), sigma=0.05, reach=1, num_rounds=1) * 255).round().long()[0]
    steps = torch.arange(256).reshape(16, 16) - moved
    assert set(steps.unique().tolist()) == {0, 1, 16, 17}
    assert (steps[:2] == 0).all()
    assert (steps[:, :2] == 0).all()


def test_zooming_averages_what_it_sees():
    """By hand: the image and one magnified image, averaged with the image itself."""
    image = picture()
    found = blur.zoom_blur(image, generator(), end=1.3, step=0.25)
    assert torch.allclose(found, (image + pixels.magnified(image, 1.0) + pixels.magnified(image, 1.25)) / 3)


def test_snow_whitens_and_falls():
    """By hand, where every number is a flake or none is."""
    settings = {"spread": 0.0, "flake": 1.0, "threshold": 0.5, "radius": 2.0, "sigma": 1.0, "keep": 0.8}
    image = torch.tensor([0.2, 0.4, 0.6], dtype=torch.float64)[:, None, None].expand(3, 8, 8)
    grey = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    bare = weather.snow(image, generator(), mean=0.4, **settings)
    assert torch.allclose(bare, 0.8 * image + 0.2 * torch.full((1, 8, 8), 1.5 * grey + 0.5, dtype=torch.float64))
    assert torch.allclose(weather.snow(image, generator(), mean=0.7, **settings), bare + 1.4)


def test_fog_keeps_what_was_brightest_as_bright():
    """No value rises above the brightest one, and a bright image under thick fog is the fog."""
    image = picture(3, 20, 33)
    found = weather.fog(image, generator(), strength=1.5, decay=2.0)
    assert float(found.min()) >= 0
    assert float(found.max()) <= float(image.max()) + 1e-12
    cloud = weather.plasma(33, 2.0, generator())[:20, :33]
    assert torch.allclose(found, (image + 1.5 * cloud) / (image.max() + 1.5) * image.max())


@pytest.mark.parametrize(("least", "size"), [(1, 2), (8, 8), (28, 32), (224, 256)])
def test_a_cloud_is_rougher_the_less_it_decays(least, size):
    """A cloud fills a power of two and [0, 1]; neighbours differ less where octaves fade fast."""
    rough, smooth = (weather.plasma(least, decay, generator()) for decay in (1.4, 3.0))
    assert rough.shape == (size, size)
    assert (float(rough.min()), float(rough.max())) == (0, 1)
    if least > 8:
        assert float(rough.diff(dim=0).abs().mean()) > 3 * float(smooth.diff(dim=0).abs().mean())


def test_brightness_raises_the_value_and_keeps_the_hue():
    """(0.2, 0.4, 0.6) and 0.3 more is (0.3, 0.6, 0.9); black becomes grey; what would be above 1 stops there."""
    image = torch.tensor([[0.2, 0.0, 0.5], [0.4, 0.0, 0.25], [0.6, 0.0, 0.9]], dtype=torch.float64)[:, None]
    found = digital.brightness(image, generator(), amount=0.3)[:, 0]
    assert torch.allclose(found[:, 0], torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64))
    assert torch.allclose(found[:, 1], torch.tensor([0.3, 0.3, 0.3], dtype=torch.float64))
    assert torch.allclose(found[:, 2], image[:, 0, 2] / 0.9)


def test_contrast_draws_towards_the_mean_of_each_channel():
    """Values 0.2 and 0.6 with mean 0.4 come within a quarter of their distance."""
    image = torch.tensor([[[0.2, 0.6]], [[0.0, 1.0]]], dtype=torch.float64)
    found = digital.contrast(image, generator(), share=0.25)
    assert torch.allclose(found, torch.tensor([[[0.35, 0.45]], [[0.375, 0.625]]], dtype=torch.float64))


def test_stretching_leaves_one_colour_alone_and_moves_within_bounds():
    """A constant image stays; a ramp moves by no more than stretching and shearing can."""
    still = torch.full((3, 17, 24), 0.3, dtype=torch.float64)
    settings = {"strength": 3.2, "sigma": 1.28, "jitter": 1.6}
    assert torch.allclose(digital.elastic_transform(still, generator(), **settings), still)
    ramp = torch.arange(24, dtype=torch.float64).expand(1, 24, 24)
    moved = digital.elastic_transform(ramp, generator(), strength=3.2, sigma=1.28, jitter=0.0) - ramp
    assert 0 < float(moved.abs().max()) <= 3.2


def test_coarse_pixels_are_those_of_pillow():
    """Shrinking and blowing up by boxes gives what the published script's library gives, within two levels."""
    for side, share in ((32, 0.65), (32, 0.9), (24, 0.75)):
        image = picture(3, side, side)
        levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        small = Image.fromarray(levels).resize((int(side * share), int(side * share)), Image.Resampling.BOX)
        wanted = np.asarray(small.resize((side, side), Image.Resampling.BOX), dtype=np.float64) / 255
        found = digital.pixelate(image, generator(), share=share).permute(1, 2, 0).numpy()
        assert np.abs(found - wanted).max() <= 2 / 255 + 1e-9
    still = torch.full((1, 9, 9), 0.4, dtype=torch.float64)
    assert torch.allclose(digital.pixelate(still, generator(), share=0.5), torch.full_like(still, 102 / 255))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_one_colour_and_loses_detail_with_quality(channels):
    """A constant image comes back within a level; noise comes back worse at lower quality."""
    still = torch.full((channels, 16, 24), 0.4, dtype=torch.float64)
    found = digital.jpeg_compression(still, generator(), quality=40)
    assert found.shape == still.shape
    assert float((found - still).abs().max()) <= 1.001 / 255
    image = picture(channels, 16, 24)
    losses = [
        float((digital.jpeg_compression(image, generator(), quality=q) - image).abs().mean()) for q in (90, 40, 7)
    ]
    assert losses == sorted(losses)
    content = io.BytesIO()
    levels = (image * 255).round().to(torch.uint8)
    Image.fromarray((levels[0] if channels == 1 else levels.permute(1, 2, 0)).numpy()).save(content, "JPEG", quality=40)
    wanted = np.asarray(Image.open(content)).reshape(16, 24, channels).transpose(2, 0, 1)
    assert np.array_equal((digital.jpeg_compression(image, generator(), quality=40) * 255).round().numpy(), wanted)


@pytest.mark.parametrize(
    ("border", "mode"), [(pixels.clamped, "nearest"), (pixels.mirrored, "mirror"), (pixels.doubled, "reflect")]
)
def test_filters_are_those_of_scipy(border, mode):
    """Smoothing, filtering and sampling agree with scipy.ndimage under each border, however far outside it reaches."""
    image = picture(2, 7, 9)
    for sigma in (0.4, 1.3, 5.0):
        wanted = ndimage.gaussian_filter(image.numpy(), (0, sigma, sigma), mode=mode)
        assert np.allclose(pixels.smoothed(image, sigma, border=border).numpy(), wanted, atol=1e-12)
    kernel = picture(5, 3, seed=1)
    wanted = np.stack([ndimage.correlate(channel.numpy(), kernel.numpy(), mode=mode) for channel in image])
    assert np.allclose(pixels.filtered(image, kernel, border).numpy(), wanted, atol=1e-12)
    rows, columns = 20 * picture(6, 5, seed=2) - 6, 20 * picture(6, 5, seed=4) - 6
    wanted = np.stack(
        [ndimage.map_coordinates(each.numpy(), [rows.numpy(), columns.numpy()], order=1, mode=mode) for each in image]
    )
    assert np.allclose(pixels.sampled(image, rows, columns, border).numpy(), wanted, atol=1e-12)


def test_black_comes_in_where_nothing_is():
    """Sampling without a border is scipy's constant one."""
    image = picture(1, 6, 6)
    rows, columns = 10 * picture(4, 4, seed=2) - 2, 10 * picture(4, 4, seed=4) - 2
    wanted = ndimage.map_coordinates(image[0].numpy(), [rows.numpy(), columns.numpy()], order=1, mode="grid-constant")
    assert np.allclose(pixels.sampled(image, rows, columns, None)[0].numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.06, 1.25, 1.75, 4.5])
def test_magnifying_is_the_zoom_of_scipy(factor):
    """The middle is cut out, zoomed by scipy's rule, and trimmed."""
    image = picture(1, 32, 32)
    cut = math.ceil(32 / factor)
    top = (32 - cut) // 2
    large = ndimage.zoom(image[0].numpy()[top : top + cut, top : top + cut], factor, order=1)
    trim = (len(large) - 32) // 2
    wanted = large[trim : trim + 32, trim : trim + 32]
    assert np.allclose(pixels.magnified(image, factor)[0].numpy(), wanted, atol=1e-9)


def test_pictures_are_stored_in_eight_bits_cut_off():
    """Levels stay levels, what lies between falls to the lower one, and nothing leaves [0, 1]."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    assert torch.equal(pixels.stored(levels), torch.arange(256).float() / 255)
    assert torch.equal(pixels.stored(levels.float().double()), torch.arange(256).float() / 255)
    between = pixels.stored(torch.tensor([0.9 / 255, -0.3, 1.7], dtype=torch.float64))
    assert between.tolist() == [0.0, 0.0, 1.0]
