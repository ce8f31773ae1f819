"""Crop, grey levels, channels and size, against Pillow and against plain arithmetic."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from czsl.flags import Flag
from czsl.images.decode import decode
from czsl.images.prepare import central_box, prepare, prepare_square, reduction, viewable
from czsl.images.stretch import asinh_stretch
from czsl.images.unusable import UnfitImageError, UnusableImageError
from czsl.sections import ImagesSettings, StretchSettings

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)


def galaxy(side: int) -> np.ndarray:
    """A smooth picture with some noise, as cutouts are."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    light = 220 * np.exp(-30 * (x**2 + 2 * y**2)) + RNG.normal(12, 4, (side, side))
    return np.stack([light, light * 0.8, light * 0.5], -1).clip(0, 255).astype(np.uint8)


@given(
    height=st.integers(8, 500),
    width=st.integers(8, 500),
    crop=st.one_of(st.none(), st.floats(0.05, 1.0), st.integers(8, 500)),
)
def test_the_square_is_central_and_inside(height, width, crop):
    if isinstance(crop, int) and crop > min(height, width):
        with pytest.raises(UnfitImageError, match=f"smaller than the {crop} of"):
            central_box(height, width, crop)
        return
    top, left, side = central_box(height, width, crop)
    for start, length in ((top, height), (left, width)):
        assert 0 <= start <= length - side
        assert abs(start - (length - side - start)) <= 1
        assert (length - side) % 2 == 0 or start % 2 == 0


def test_resize_is_pillows_on_the_crop():
    settings = ImagesSettings(crop=40, size=16)
    crop = Image.fromarray(RGB[10:50, 20:60])
    expected = np.asarray(crop.resize((16, 16), Image.Resampling.LANCZOS))
    assert np.abs(prepare(RGB, settings, 3).astype(int) - expected).max() <= 2


def test_reduction_is_without_aliasing():
    stripes = np.zeros((128, 128, 1), np.uint8)
    stripes[:, ::2] = 200  # finer than the reduced image can show: it must be even
    stripes[64:] += 40
    small = prepare(stripes, ImagesSettings(size=16), 1)[..., 0].astype(int)
    assert np.ptp(small[:5, 2:-2]) <= 1
    assert abs(small[2, 8] - 100) <= 1
    assert abs(small[13, 8] - 140) <= 1


def test_enlarging_is_allowed():
    assert prepare(RGB[:10, :10], ImagesSettings(size=32), 3).shape == (32, 32, 3)


@pytest.mark.parametrize(("crop", "size"), [(128, 64), (211, 64), (256, 48), (None, 64), (0.5, 50)])
def test_jpeg_decoded_small_is_nearly_the_same(crop, size):
    settings = ImagesSettings(crop=crop, size=size)
    buffer = io.BytesIO()
    Image.fromarray(galaxy(423)).save(buffer, "JPEG", quality=92)
    small = decode(buffer.getvalue(), settings=settings)
    whole = decode(buffer.getvalue())
    assert len(small.pixels) < len(whole.pixels)
    found = prepare_square(small.pixels, settings, 3, span=small.span).astype(int)
    expected = prepare(whole.pixels, settings, 3).astype(int)
    assert np.abs(found - expected).mean() < 1
    # No shift: the differences have no slope against the picture's own.
    slope = np.gradient(expected[..., 0].astype(float), axis=1)
    error = found[..., 0] - expected[..., 0]
    assert abs((slope * error).sum() / (slope**2).sum()) < 0.05


@pytest.mark.parametrize(
    ("height", "width", "crop", "factor"),
    [
        (423, 423, 128, 2),
        (424, 424, 126, 1),  # begins at 149, amid a pixel of half the size
        (423, 423, 127, 1),
        (600, 600, 512, 4),
        (100, 100, None, 1),
        (129, 129, None, 2),
    ],
)
def test_reduced_decoding_needs_enough_pixels_and_their_edge(height, width, crop, factor):
    assert reduction(height, width, ImagesSettings(crop=crop, size=64)) == factor


def test_16_bits_become_8_by_257():
    deep = RNG.integers(0, 2**16, (8, 8, 1), dtype=np.uint16)
    found = prepare(deep, ImagesSettings(size=8), 1)
    np.testing.assert_array_equal(found, np.floor(deep / 257 + 0.5).astype(np.uint8))
    assert prepare(RGB[:8, :8].astype(np.uint16) * 257, ImagesSettings(size=8), 3).tolist() == (
        RGB[:8, :8].tolist()
    )


def test_grey_is_repeated_and_colour_becomes_luma():
    settings = ImagesSettings(size=8)
    grey = prepare(RGB[:8, :8, :1], settings, 3)
    np.testing.assert_array_equal(grey, np.repeat(RGB[:8, :8, :1], 3, axis=-1))
    luma = prepare(RGB[:8, :8], settings, 1)
    expected = RGB[:8, :8] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma[..., 0] - expected).max() <= 1


def test_fluxes_are_stretched_with_the_settings():
    fluxes = RNG.normal(10, 20, (8, 8, 3)).astype(np.float32)
    stretch = StretchSettings(scale=30.0, softening=3.0, minimum=-5.0)
    found = prepare(fluxes, ImagesSettings(size=8, stretch=stretch), 3)
    np.testing.assert_array_equal(found, asinh_stretch(fluxes, stretch))


@pytest.mark.parametrize(
    ("bands", "channels", "allowed"), [(2, 3, "1 or 3"), (5, 1, "1 or 3"), (1, 5, "5"), (3, 2, "2")]
)
def test_bands_that_cannot_become_the_channels(bands, channels, allowed):
    pixels = RNG.normal(size=(9, 9, bands)).astype(np.float32)
    words = rf"{bands} band\(s\), where {channels} channel\(s\) are made of {allowed};"
    with pytest.raises(UnfitImageError, match=words):
        prepare(pixels, ImagesSettings(size=8), channels)


def test_more_than_eight_bands():
    pixels = RNG.normal(size=(9, 9, 9)).astype(np.float32)
    with pytest.raises(UnfitImageError, match="9 bands, of which 8 at most can be used"):
        prepare(pixels, ImagesSettings(size=8), 8)


@pytest.mark.parametrize("bands", range(1, 9))
def test_each_band_is_resized_as_an_image_of_its_own(bands):
    pixels = RNG.integers(0, 256, (40, 40, bands), dtype=np.uint8)
    settings = ImagesSettings(crop=36, size=16)
    found = prepare(pixels, settings, bands)
    assert found.shape == (16, 16, bands)
    for band in range(bands):
        alone = prepare(pixels[..., band : band + 1], settings, 1)[..., 0]
        np.testing.assert_array_equal(found[..., band], alone)


def test_fluxes_of_five_bands_keep_their_ratios():
    light = np.linspace(0.1, 3, 64).reshape(8, 8, 1)
    fluxes = (light * np.array([1.0, 0.8, 0.6, 0.4, 0.2])).astype(np.float32)
    found = prepare(fluxes, ImagesSettings(size=8), 5).astype(float)
    np.testing.assert_allclose(found / found[..., :1], fluxes / fluxes[..., :1], atol=0.1)
    np.testing.assert_array_equal(found, asinh_stretch(fluxes, StretchSettings()))


def test_what_can_be_looked_at_keeps_colour_and_goes_from_red_to_blue():
    np.testing.assert_array_equal(viewable(RGB), RGB)
    np.testing.assert_array_equal(viewable(RGB[..., :1]), RGB[..., 0])
    five = RNG.integers(0, 256, (6, 6, 5), dtype=np.uint8)
    np.testing.assert_array_equal(viewable(five), five[..., [0, 2, 4]])
    two = np.dstack([np.full((4, 4), 10), np.full((4, 4), 30)]).astype(np.uint8)
    np.testing.assert_array_equal(viewable(two), np.full((4, 4), 20))


BLANK = {
    "black": np.zeros((20, 20, 3), np.uint8),
    "one colour": np.full((20, 20, 3), 9, np.uint8) * np.array([1, 2, 3], np.uint8),
    "no number": np.full((20, 20, 1), np.nan, np.float32),
    "infinite": np.full((20, 20, 1), np.inf, np.float32),
    "one value among none": np.where(np.eye(20)[..., None] > 0, 3.0, np.nan).astype(np.float32),
    "all below black": RNG.uniform(-9, -5, (20, 20, 1)).astype(np.float32),
}


@pytest.mark.parametrize("name", BLANK)
def test_blank(name):
    before = BLANK[name].copy()
    with pytest.raises(UnusableImageError, match="every pixel has the same value") as caught:
        prepare(BLANK[name], ImagesSettings(size=8), 1)
    assert caught.value.flag == Flag.IMAGE_BLANK
    np.testing.assert_array_equal(BLANK[name], before)


def test_blank_where_the_crop_is():
    pixels = RGB.copy()
    pixels[15:45, 25:55] = 0
    with pytest.raises(UnusableImageError, match="every pixel"):
        prepare(pixels, ImagesSettings(crop=20, size=8), 3)
    assert prepare(pixels, ImagesSettings(crop=50, size=8), 3).any()
