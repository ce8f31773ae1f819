"""The asinh stretch against astropy's."""

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from czsl.images.picture import plain
from czsl.images.stretch import asinh_stretch
from czsl.sections import StretchSettings

SKY = np.random.default_rng(0).normal(0, 2, (40, 50, 3))
GALAXY = SKY + 300 * np.exp(-(np.linspace(-4, 4, 50) ** 2))[:, None] * [1.0, 0.6, 0.2]


@pytest.mark.parametrize("minimum", [-1.0, 0.0, 2.5])
@pytest.mark.parametrize("softening", [0.5, 8.0, 20.0])
@pytest.mark.parametrize("scale", [0.3, 5.0, 100.0])
def test_three_bands_are_as_astropy_shows_them(scale, softening, minimum):
    settings = StretchSettings(scale=scale, softening=softening, minimum=minimum)
    bands = np.moveaxis(GALAXY, -1, 0)
    expected = make_lupton_rgb(*bands, minimum=minimum, stretch=scale, Q=softening)
    found = asinh_stretch(GALAXY, settings)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert expected.max() > 40  # something is to be seen


def test_one_band_is_three_equal_ones():
    settings = StretchSettings(scale=2.0)
    grey = GALAXY[..., :1]
    colour = asinh_stretch(np.repeat(grey, 3, axis=-1), settings)
    found = asinh_stretch(grey, settings)
    assert np.abs(found.astype(int) - colour[..., :1]).max() <= 1


def test_pixels_that_are_not_finite_are_black():
    fluxes = GALAXY.copy()
    fluxes[3, 4, 1] = np.nan
    fluxes[5, 6, 0] = np.inf
    found = asinh_stretch(fluxes, StretchSettings())
    assert found[3, 4].tolist() == found[5, 6].tolist() == [0, 0, 0]
    fluxes[3, 4] = fluxes[5, 6] = 0
    others = asinh_stretch(fluxes, StretchSettings())
    assert np.abs(found.astype(int) - others).max() <= 1


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e12, 1e36])
def test_the_unit_of_fluxes_does_not_matter(unit):
    small = asinh_stretch(GALAXY.astype(np.float32), StretchSettings(scale=5.0))
    fluxes = (GALAXY * unit).astype(np.float32)
    found = asinh_stretch(fluxes, StretchSettings(scale=5.0 * unit))
    assert np.abs(found.astype(int) - small).max() <= 1


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2"])
def test_grey_levels_are_no_fluxes_in_any_order_of_bytes(kind):
    levels = np.array([[0, 7], [200, 255]]).astype(kind)
    found = plain(levels)
    assert found.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(found, levels)


def test_fluxes_are_left_alone():
    for fluxes in (GALAXY.astype(np.float32), GALAXY.copy(), GALAXY[..., :1].copy()):
        before = fluxes.copy()
        asinh_stretch(fluxes, StretchSettings(minimum=3.0))
        np.testing.assert_array_equal(fluxes, before)


FLUXES = st.one_of(st.floats(-(2.0**100), 2.0**100, width=32), st.just(np.nan), st.just(-np.inf))


@given(fluxes=arrays.arrays(np.float32, (3, 4, 3), elements=FLUXES))
def test_the_order_of_bands_is_kept_whatever_the_fluxes(fluxes):
    levels = asinh_stretch(fluxes, StretchSettings())
    finite = np.isfinite(fluxes).all(-1)
    assert not levels[~finite].any()
    brighter = finite & (fluxes[..., 0] >= fluxes[..., 1])
    assert (levels[..., 0] >= levels[..., 1])[brighter].all()
