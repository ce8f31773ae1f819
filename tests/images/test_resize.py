"""The resize, against sums in double precision and against Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

from czsl.images.resize import FINER, LARGE, UNIT, _weights, resize

RNG = np.random.default_rng(0)


def lanczos(x: float) -> float:
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def by_sums(levels: np.ndarray, size: int, span: float) -> np.ndarray:
    step = span / size
    kernel = np.array(
        [
            [lanczos((i + 0.5 - (o + 0.5) * step) / max(1, step)) for i in range(len(levels))]
            for o in range(size)
        ]
    )
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.einsum("ai,bj,ijc->abc", kernel, kernel, levels.astype(float)).clip(0, 255)


SHAPES = [(106, 105.75, 64), (64, 63.5, 64), (40, 40, 16), (20, 20, 48), (97, 96.5, 33)]


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize(("side", "span", "size"), SHAPES)
def test_resize_is_the_filter_to_a_rounding(side, span, size, bands):
    levels = RNG.integers(0, 256, (side, side, bands), dtype=np.uint8)
    found = resize(levels, size, span=span)
    assert found.flags.c_contiguous
    assert np.abs(found - by_sums(levels, size, span)).max() < 1


@pytest.mark.parametrize(("side", "span", "size"), SHAPES)
def test_resize_is_pillows_within_a_grey_level(side, span, size):
    """Pillow cuts off overshoots between rows and columns too, so none are made here."""
    levels = RNG.integers(60, 200, (side, side, 3), dtype=np.uint8)
    image = Image.fromarray(levels)
    box = (0, 0, span, span)
    expected = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box))
    difference = np.abs(resize(levels, size, span=span).astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.3


def by_whole_products(levels: np.ndarray, size: int, span: float) -> np.ndarray:
    """Two products with all weights, zero or not."""
    weights = _weights(len(levels), span, size).astype(np.float64)
    down = np.rint(np.tensordot(weights, levels, 1) * FINER / UNIT)
    across = np.rint(np.einsum("bj,ajc->abc", weights, down) / (FINER * UNIT))
    return across.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize(
    ("side", "span", "size"), [*SHAPES, (423, 422.4, 212), (9, 8.5, 1), (7, 7, 3), (50, 31.0, 17)]
)
def test_blocks_give_the_same_bits_as_whole_products(side, span, size, bands):
    levels = RNG.integers(0, 256, (side, side, bands), dtype=np.uint8)
    expected = by_whole_products(levels, size, span)
    np.testing.assert_array_equal(resize(levels, size, span=span), expected)


def test_even_sky_stays_even():
    for level in range(256):
        sky = np.full((71, 71, 1), level, np.uint8)
        assert (resize(sky, 64, span=70.25) == level).all()


@pytest.mark.parametrize("span", [8.0, 63.5, 64.0, 105.75, 423.0, 1024.0])
def test_sums_are_exact_in_single_precision(span):
    """The largest stays below 2**24, where float32 begins to skip whole numbers."""
    weights = _weights(math.ceil(span), span, 64)
    np.testing.assert_array_equal(weights, np.rint(weights))
    np.testing.assert_array_equal(weights.sum(axis=1), UNIT)
    gain = np.abs(weights).sum(axis=1).max() / UNIT
    assert 255 * FINER * gain * gain * UNIT < 2**24


def test_a_square_of_the_right_size_is_kept():
    levels = RNG.integers(0, 256, (70, 70, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(levels[2:66, 2:66], 64, span=64), levels[2:66, 2:66])


@pytest.mark.parametrize("bands", [1, 4])
def test_large_squares_are_nearly_the_same_by_pillow(bands, monkeypatch):
    levels = RNG.integers(60, 200, (200, 200, bands), dtype=np.uint8)
    found = resize(levels, 64, span=199.5)
    monkeypatch.setattr("czsl.images.resize.LARGE", 199)
    by_pillow = resize(levels, 64, span=199.5)
    assert LARGE > 423
    assert by_pillow.shape == found.shape == (64, 64, bands)
    assert np.abs(by_pillow.astype(int) - found).max() <= 1
