import sys
from dataclasses import replace

import galsim
import numpy as np
import pytest

from czsl.errors import ArgumentError, MissingExtraError
from czsl.simulate import draw_galaxies
from czsl.simulate.canvas import FINE, Canvas
from czsl.simulate.galaxies import draw_galaxy
from czsl.simulate.telescope import MARGIN, blur, photograph
from czsl.simulate.universe import CLASSES, Universe

QUIET = replace(Universe(), neighbours=0.0)


def draw(kind, seed, universe=QUIET):
    return draw_galaxy(kind, np.random.default_rng(seed), universe)


def make_canvas(**settings):
    given = {"radius": 6.0, "flux": 1.0, "angle": 0.0} | settings
    rng = np.random.default_rng(0)
    return Canvas(galsim=galsim, cells=FINE * (64 + 2 * MARGIN), rng=rng, **given)


def winding(light):
    """Power of arms that turn anticlockwise on their way out, minus the others', over both.

    By the transform in the azimuth and the logarithm of the distance, on which logarithmic
    arms are plane waves.
    """
    across = np.arange(64) - 31.5
    x, y = across[None, :], -across[:, None]
    distance, azimuth = np.hypot(x, y), np.arctan2(y, x)
    ring = (distance > 3) & (distance < 20)
    power = {+1: 0.0, -1: 0.0}
    for arms in (2, 3, 4):
        for wind in np.linspace(1, 5, 17):
            for sense in power:
                # On a crest the azimuth grows by sense * wind * log(distance).
                phase = arms * (azimuth - sense * wind * np.log(distance))
                weight = (light * distance**1.5)[ring]
                power[sense] += abs((weight * np.exp(1j * phase[ring])).sum()) ** 2
    return (power[1] - power[-1]) / (power[1] + power[-1])


@pytest.mark.parametrize("seed", range(4))
def test_the_senses_are_mirror_images(seed):
    clockwise = draw("clockwise", seed, Universe())
    anticlockwise = draw("anticlockwise", seed, Universe())
    np.testing.assert_array_equal(clockwise.light[:, :, ::-1], anticlockwise.light)
    assert clockwise.detail == anticlockwise.detail
    assert not np.allclose(clockwise.light, anticlockwise.light)


def test_arms_trail_the_rotation_that_the_name_says():
    clear = replace(QUIET, flattest_spiral=0.95, arm_contrast=(1.5, 0.1), seeing=(1.6, 0.0))
    for seed in range(6):
        # Trailing arms of a clockwise rotation turn anticlockwise on their way out.
        assert winding(draw("clockwise", seed, clear).light[1]) > 0.2
        assert winding(draw("anticlockwise", seed, clear).light[1]) < -0.2


def test_blur_agrees_with_galsim():
    canvas = make_canvas()
    drawn = canvas.blobs(np.array([3.0]), np.array([-5.0]), 1.5, 7.0)
    ours = blur(drawn[None], 2.5, galsim)[0]
    profile = galsim.Gaussian(sigma=1.5, flux=7.0).shift(3.0, -5.0)
    seen = galsim.Convolve(profile, galsim.Moffat(3.0, fwhm=2.5))
    theirs = seen.drawImage(nx=64, ny=64, scale=1.0).array[::-1]
    np.testing.assert_allclose(ours, theirs, atol=0.02 * theirs.max())
    assert ours.sum() == pytest.approx(7.0, rel=0.02)


def test_a_sersic_profile_lies_along_its_angle():
    angle = 0.6
    canvas = make_canvas(angle=angle)
    light = canvas.sersic(1.0, 5.0, 0.4, angle)
    major, minor = canvas.along()
    spread = (light * major**2).sum(), (light * minor**2).sum()
    assert (spread[1] / spread[0]) ** 0.5 == pytest.approx(0.4, abs=0.03)
    assert light.sum() == pytest.approx(1.0, abs=0.03)
    mixed = (light * major * minor).sum()
    assert abs(mixed) < 0.02 * spread[0]


def test_light_adds_up_to_the_brightness():
    known = replace(QUIET, brightness=(10.0, 0.0), radius=(5.0, 0.0))
    flux = 10.0 * 2 * np.pi * 5.0**2
    for kind in ("elliptical", "edge"):
        assert draw(kind, 3, known).light[1].sum() == pytest.approx(flux, rel=0.25)


@pytest.mark.parametrize("kind", CLASSES)
def test_twice_as_bright_shows_twice_the_detail(kind):
    dim, bright = (draw(kind, 5, replace(QUIET, brightness=(b, 0.0))) for b in (3.0, 6.0))
    assert bright.detail == pytest.approx(2 * dim.detail, rel=1e-6)
    assert bright.axis_ratio == dim.axis_ratio


def test_blur_hides_detail_and_makes_round():
    sharp, blurred = (
        draw("clockwise", 2, replace(QUIET, seeing=(fwhm, 0.0), flattest_spiral=0.2))
        for fwhm in (1.6, 4.5)
    )
    assert blurred.detail < 0.8 * sharp.detail
    assert sharp.axis_ratio < blurred.axis_ratio < 1


def test_edge_on_discs_are_flat_and_ellipticals_red(drawn):
    red = np.array([galaxy.light[2].sum() / galaxy.light[0].sum() for galaxy in drawn.galaxies])
    kind = np.array(CLASSES)[drawn.kind]
    spiral = np.isin(kind, ["clockwise", "anticlockwise"])
    assert np.median(red[kind == "elliptical"]) > np.median(red[spiral]) + 0.2
    assert drawn.axis_ratio[kind == "edge"].mean() < drawn.axis_ratio[spiral].mean() - 0.2


def test_images_are_colours_on_a_dark_noisy_sky():
    red = np.zeros((3, 64, 64))
    red[:, 20:40, 20:40] = np.array([2.0, 10.0, 30.0])[:, None, None]
    image = photograph(red, np.random.default_rng(0))
    assert image.dtype == np.uint8
    inside, sky = image[22:38, 22:38].mean(axis=(0, 1)), image[:15]
    assert inside[0] > inside[1] + 30 > inside[2] + 60
    assert sky.mean() < 50
    assert 3 < sky.std(axis=(0, 1)).mean() < 25


def test_bright_cores_keep_their_hue():
    bright = np.full((3, 64, 64), 1.0)
    bright[:] = np.array([500.0, 1000.0, 1500.0])[:, None, None]
    image = photograph(bright, np.random.default_rng(0))
    assert image[..., 0].mean() > image[..., 1].mean() > image[..., 2].mean()


def test_pictures_depend_on_seed_and_place_alone():
    three = draw_galaxies(["edge", "merger", "elliptical"], seed=1)
    assert three.shape == (3, 64, 64, 3)
    np.testing.assert_array_equal(three[:2], draw_galaxies(["edge", "merger"], seed=1))
    np.testing.assert_array_equal(three[2], draw_galaxies(["merger"] * 2 + ["elliptical"], 1)[2])
    assert (three != draw_galaxies(["edge", "merger", "elliptical"], seed=2)).any()
    assert draw_galaxies([]).shape == (0, 64, 64, 3)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ArgumentError, match="no galaxies of kind 'spiral'; kinds are elliptical"):
        draw_galaxies(["spiral"])


def test_without_galsim_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(MissingExtraError, match=r"'galsim'.*pip install \"czsl\[demo\]\""):
        draw_galaxies(["edge"])
