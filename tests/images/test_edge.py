"""Cutouts that run over the edge of the frame: by their pixels, and as files."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from czsl.flags import UNUSABLE_IMAGE, Flag
from czsl.images.build import build_store
from czsl.images.decoder import Decoder
from czsl.images.edge import SIDES, empty_sides
from czsl.images.inspect import summary
from czsl.images.source import open_source
from czsl.sections import ImagesSettings

EDGE = int(Flag.EDGE_OF_FRAME)


def sky(side: int = 64, bands: int = 3, seed: int = 0) -> np.ndarray:
    """Draw noisy sky, uint8, with a bright blob."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    light = 150 * np.exp(-(rows**2 + columns**2) / side)
    noise = np.random.default_rng(seed).normal(20, 6, (side, side, bands))
    return (light[..., None] + noise).clip(0, 255).astype(np.uint8)


def cut(square: np.ndarray, side: str, deep: int, value: float) -> np.ndarray:
    """Give a copy without sky at one side, so many rows or columns deep."""
    made = square.copy()
    turned = {"top": made, "bottom": made[::-1], "left": made.swapaxes(0, 1)}
    turned["right"] = made[:, ::-1].swapaxes(0, 1)
    turned[side][:deep] = value
    return made


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("length", "least"), [(64, 2), (100, 2), (200, 4), (424, 8)])
def test_two_rows_or_two_percent_at_one_side(side, length, least):
    square = sky(length)
    assert empty_sides(square) == []
    assert empty_sides(cut(square, side, least - 1, 0)) == []
    assert empty_sides(cut(square, side, least, 0)) == [side]
    assert empty_sides(cut(square, side, length // 3, 255)) == [side]


def test_up_to_three_sides_are_an_edge_and_four_are_an_object_on_black():
    square = sky()
    for number, side in enumerate(SIDES, 1):
        square = cut(square, side, 3, 0)
        assert len(empty_sides(square)) == number % 4


def test_two_grey_levels_are_one_value_and_three_are_not():
    for spread, expected in ((2, ["left"]), (3, [])):
        square = cut(sky(), "left", 5, 10)
        square[7, 1, 2] = 10 + spread
        assert empty_sides(square) == expected


def test_every_band_has_to_be_empty():
    square = sky()
    square[:4, :, 0] = 0
    assert empty_sides(square) == []
    square[:4] = [3, 200, 90]  # each with a value of its own
    assert empty_sides(square) == ["top"]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -3.5])
def test_fluxes_are_the_same_exactly(value):
    flux = np.random.default_rng(0).normal(0, 1, (50, 50, 1)).astype(np.float32)
    assert empty_sides(flux) == []
    square = cut(flux, "right", 2, value)
    assert empty_sides(square) == ["right"]
    square[3, -2:] = 1e-6  # faint, but something
    square[4, -2:] = 2e-6
    assert empty_sides(square) == []


def test_numbers_of_16_bits_are_the_same_exactly():
    square = cut(sky().astype(np.uint16) * 257, "top", 2, 1000)
    assert empty_sides(square) == ["top"]
    square[0, 5, 0] += 1
    assert empty_sides(square) == []


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Files with and without an edge; of those that are cropped only one keeps it."""
    folder = tmp_path_factory.mktemp("edges")
    whole = sky(96)
    Image.fromarray(whole).save(folder / "sky.png")
    Image.fromarray(whole).save(folder / "sky.jpg", quality=90)
    Image.fromarray(cut(whole, "left", 30, 0)).save(folder / "left.png")
    Image.fromarray(cut(whole, "bottom", 32, 0)).save(folder / "bottom.jpg", quality=90)
    Image.fromarray(cut(whole, "left", 10, 0)).save(folder / "outside.png")
    Image.fromarray(np.full_like(whole, 9)).save(folder / "blank.png")
    flux = np.random.default_rng(1).normal(0, 1, (96, 96)).astype(np.float32)
    fits.PrimaryHDU(flux).writeto(folder / "sky.fits")
    flux[76:] = np.nan  # the last rows of FITS are the top ones
    flux[:, :24] = 0
    fits.PrimaryHDU(flux).writeto(folder / "corner.fits")
    return folder


NAMES = [
    "sky.png",
    "sky.jpg",
    "left.png",
    "bottom.jpg",
    "outside.png",
    "blank.png",
    "sky.fits",
    "corner.fits",
    "none.png",
]
SETTINGS = ImagesSettings(crop=64, size=16)


def test_the_decoder_flags_files_within_the_crop(survey):
    source = open_source("{id}", folder=survey)
    with Decoder(source, settings=SETTINGS, channels=3, processes=1) as decoder:
        batch = decoder.decode(NAMES, NAMES)
    edges = [0, 0, EDGE, EDGE, 0, int(Flag.IMAGE_BLANK), 0, EDGE, int(Flag.IMAGE_MISSING)]
    assert batch.flags.tolist() == edges
    assert batch.reasons[2:5] == [
        "no sky at its left",
        "no sky at its bottom",
        "",
    ]
    assert batch.reasons[7].endswith("its top and left")
    assert batch.pixels[2].any()


def test_a_store_keeps_the_flag_and_uses_the_image(survey, tmp_path):
    source = open_source("{id}", folder=survey)
    store = build_store(
        tmp_path / "store", NAMES, NAMES, settings=SETTINGS, source=source, processes=1
    )
    assert np.flatnonzero(store.flags & EDGE).tolist() == [2, 3, 7]
    np.testing.assert_array_equal(store.usable, (store.flags & int(UNUSABLE_IMAGE)) == 0)
    assert store.usable.tolist() == [True] * 5 + [False, True, True, False]
    told = summary(store)
    assert (told["usable"], told["flags"]["edge_of_frame"]["count"]) == (7, 3)


def test_what_stages_keep_does_not_depend_on_the_flag(survey, tmp_path):
    source = open_source("{id}", folder=survey)
    store = build_store(
        tmp_path / "store", NAMES, NAMES, settings=SETTINGS, source=source, processes=1
    )
    before = store.fingerprint
    del store.__dict__["fingerprint"]
    store.flags[0] |= np.uint32(EDGE)
    assert store.fingerprint == before
    del store.__dict__["fingerprint"]
    store.flags[0] |= np.uint32(Flag.IMAGE_UNREADABLE)
    assert store.fingerprint != before
