"""Objects that come twice, against astropy and against a plain loop."""

import tracemalloc

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky
from hypothesis import given
from hypothesis import strategies as st

from czsl.catalogue.duplicates import (
    Seen,
    _near_any,
    _Runs,
    duplicates_within,
    pixel_hashes,
    place_numbers,
)

ARCSECOND = 1 / 3600


def crowded(seed: int = 0, centres: int = 300) -> np.ndarray:
    """Draw places in clumps, some at the poles and some where right ascension starts anew."""
    random = np.random.default_rng(seed)
    middle = np.stack([random.uniform(0, 360, centres), random.uniform(-89, 89, centres)], axis=1)
    middle[:20, 0] = 0.0
    middle[20:40, 1] = 90 - random.uniform(0, 3, 20) * ARCSECOND
    middle[40:60, 1] = -90 + random.uniform(0, 3, 20) * ARCSECOND
    places = np.repeat(middle, 3, axis=0)
    nudge = random.normal(0, 0.7 * ARCSECOND, places.shape)
    nudge[:, 0] /= np.maximum(np.cos(np.radians(places[:, 1])), 1e-6)
    places += nudge
    places[:, 1] = np.clip(places[:, 1], -90, 90)
    return places[random.permutation(len(places))]


def by_astropy(places: np.ndarray) -> np.ndarray:
    """Give the first row within 1 arcsecond, -1 where it is the row itself."""
    sky = SkyCoord(places[:, 0] * u.deg, places[:, 1] * u.deg)
    one, other, _, _ = search_around_sky(sky, sky, 1 * u.arcsec)
    first = np.arange(len(places))
    np.minimum.at(first, one, other)
    return np.where(first < np.arange(len(places)), first, -1)


def test_the_first_row_within_an_arcsecond_is_that_of_astropy():
    places = crowded()
    expected = by_astropy(places)
    assert 100 < (expected >= 0).sum() < 700
    np.testing.assert_array_equal(duplicates_within(places), expected)


def test_parts_of_any_length_find_what_the_whole_table_holds():
    places = crowded(1)
    expected = by_astropy(places) >= 0
    for length in (1, 7, 100, 900):
        seen = Seen()
        nothing = np.zeros(length, np.uint64)
        parts = [
            seen.add(nothing[: len(part)], part)
            for part in np.split(places, range(length, len(places), length))
        ]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("spread", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("centre", [(10.0, 20.0), (0.0, -70.0), (80.0, 90.0)])
def test_in_crowds_too_the_first_row_is_that_of_astropy(centre, spread):
    random = np.random.default_rng(int(10 * spread))
    around = random.normal(0, spread, (400, 2)) * ARCSECOND
    sky = SkyCoord(centre[0] * u.deg, centre[1] * u.deg).spherical_offsets_by(*(around.T * u.deg))
    places = np.stack([sky.ra.deg, sky.dec.deg], axis=1)
    expected = by_astropy(places)
    np.testing.assert_array_equal(duplicates_within(places), expected)
    seen = Seen()
    nothing = np.zeros(50, np.uint64)
    told = np.concatenate([seen.add(nothing, part) for part in np.split(places, 8)])
    np.testing.assert_array_equal(told, expected >= 0)


def peak(work) -> float:
    """Give the most memory that is taken at once, in megabytes."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return most


def test_crowds_take_no_more_memory_than_others():
    """Listed, the pairs of 6,000 rows within an arcsecond would take 290 MB and more."""
    random = np.random.default_rng(0)
    right = 10 + random.normal(0, 0.2, 6000) * ARCSECOND
    places = np.stack([right, np.full(6000, 20.0)], axis=1)
    assert peak(lambda: duplicates_within(places)) < 10
    known = _Runs()
    known.add(place_numbers(places[:3000]))
    others = place_numbers(places[3000:] + np.array([0, 1.9 * ARCSECOND]))
    assert peak(lambda: _near_any(others, known)) < 40
    assert not _near_any(others, known).any()
    assert _near_any(place_numbers(places[3000:]), known).all()


@pytest.mark.parametrize("declination", [0.0, 60.0, -89.9, 89.9999])
@pytest.mark.parametrize("right", [0.0, 180.0, 359.9999])
def test_both_sides_of_one_arcsecond(right, declination):
    centre = SkyCoord(right * u.deg, declination * u.deg)
    around = centre.directional_offset_by(np.arange(0, 360, 45) * u.deg, 0.99 * u.arcsec)
    beyond = centre.directional_offset_by(np.arange(0, 360, 45) * u.deg, 1.01 * u.arcsec)
    for places, expected in ((around, True), (beyond, False)):
        for place in np.stack([places.ra.deg, places.dec.deg], axis=1):
            pair = np.array([[right, declination], place])
            assert (duplicates_within(pair) == 0).tolist() == [False, expected]
            seen = Seen()
            seen.add(np.zeros(1, np.uint64), pair[:1])
            assert seen.add(np.zeros(1, np.uint64), pair[1:]).tolist() == [expected]


def test_negative_right_ascension_is_that_of_a_turn_more():
    places = np.array([[-10.0, 5.0], [350.0, 5.0], [360.0, 1.0], [0.0, 1.0]])
    assert duplicates_within(places).tolist() == [-1, 0, -1, 2]


def test_what_stands_nowhere_is_no_duplicate():
    places = np.array([[np.nan, 5.0], [np.nan, 5.0], [1.0, np.nan], [np.nan, np.nan], [1.0, 5.0]])
    assert (duplicates_within(places) == -1).all()
    assert (duplicates_within(np.zeros((0, 2))) == -1).all()
    seen = Seen()
    for _ in range(2):
        assert not seen.add(np.zeros(4, np.uint64), places[:4]).any()
    assert seen.add(np.zeros(0, np.uint64), np.zeros((0, 2))).tolist() == []


@given(
    st.lists(
        st.lists(st.integers(0, 12), max_size=20).map(lambda part: np.array(part, np.uint64)),
        max_size=12,
    )
)
def test_hashes_that_came_before_are_told_as_a_set_tells_them(parts):
    seen, known = Seen(), set()
    for part in parts:
        expected = []
        for value in part.tolist():
            expected.append(value in known and value > 0)
            known.add(value)
        assert seen.add(part, None).tolist() == expected


def test_place_or_image_is_enough_and_objects_without_a_place_keep_their_image():
    seen = Seen()
    first = np.array([[10.0, 0.0], [20.0, 0.0]])
    assert not seen.add(np.array([1, 2], np.uint64), first).any()
    then = np.array([[10.0, 0.0], [30.0, 0.0], [np.nan, np.nan], [40.0, 0.0]])
    hashes = np.array([3, 2, 1, 4], np.uint64)
    assert seen.add(hashes, then).tolist() == [True, True, True, False]
    assert seen.add(np.array([4, 5], np.uint64), None).tolist() == [True, False]


def test_thousands_at_one_place_take_no_room():
    seen = Seen()
    nowhere = np.full((5000, 2), -0.5)
    for turn in range(20):
        again = seen.add(np.zeros(5000, np.uint64), nowhere)
        assert again.sum() == 5000 - (turn == 0)
    assert seen.bytes == 8
    assert (duplicates_within(np.tile(nowhere, (40, 1)))[1:] == 0).all()


def test_an_object_takes_16_bytes():
    seen, random = Seen(), np.random.default_rng(0)
    for _ in range(30):
        hashes = random.integers(1, 2**63, 1000).astype(np.uint64)
        places = np.stack([random.uniform(0, 360, 1000), random.uniform(-80, 80, 1000)], axis=1)
        assert not seen.add(hashes, places).any()
    assert seen.bytes == 30_000 * 16


def test_equal_images_have_equal_hashes_and_others_have_others():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    changed = images.copy()
    changed[7, 3, 3, 1] ^= 1
    np.testing.assert_array_equal(pixel_hashes(images), pixel_hashes(images[:, :, :, :].copy()))
    assert np.flatnonzero(pixel_hashes(images) != pixel_hashes(changed)).tolist() == [7]
    assert len(set(pixel_hashes(images).tolist())) == 40
    assert pixel_hashes(images[:, :, ::-1]).tolist() != pixel_hashes(images).tolist()
    assert pixel_hashes(images[:0]).shape == (0,)
