"""FITS straight from its bytes: astropy's numbers to the bit, or left to astropy."""

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from czsl.images.decode import decode
from czsl.images.fits_plain import BLOCK, decode_plain

RNG = np.random.default_rng(0)
KINDS = ["u1", "i2", "i4", "i8", "f4", "f8"]


def numbers(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    if kind[0] == "f":
        found = RNG.normal(0, 1e3, shape)
        found.flat[0] = np.nan
        return found.astype(kind)
    top = np.iinfo(kind)
    return RNG.integers(top.min, top.max, shape, dtype=kind)


def written(*units) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(units)).writeto(buffer, output_verify="ignore")
    return buffer.getvalue()


def by_astropy(raw: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(raw), memmap=False) as units:
            return np.array(units[0].data)


def assert_same_or_left(raw: bytes) -> None:
    found = decode_plain(raw)
    if found is not None:
        expected = by_astropy(raw)
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        assert found.tobytes() == expected.astype(found.dtype).tobytes()
        assert found.shape == expected.shape


@pytest.mark.parametrize("shape", [(5, 7), (3, 40, 30), (1, 9, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_plain_files_are_read_as_astropy_reads_them(kind, shape):
    raw = written(fits.PrimaryHDU(numbers(kind, shape)))
    found = decode_plain(raw)
    assert found is not None
    assert found.tobytes() == by_astropy(raw).astype(found.dtype).tobytes()
    expected = by_astropy(raw).reshape(-1, *shape[-2:]).astype(np.float32)
    np.testing.assert_array_equal(decode(raw).pixels, np.moveaxis(expected, 0, -1)[::-1])


NAMES = ["OBJECT", "RA", "DEC", "CRVAL1", "BUNIT", "COMMENT", "HISTORY", "A-B_1", "NAXIS1X", "DATE"]
NAMES += ["BSCALE", "BZERO", "BLANK", "EXTEND", "CHECKSUM", "EXTNAME", "PCOUNT", "GCOUNT"]
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90)
CARDS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.one_of(TEXT, st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9), st.booleans()),
        TEXT,
    ),
    max_size=45,
)


@given(
    kind=st.sampled_from(KINDS),
    shape=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    cards=CARDS,
    more=st.booleans(),
    cut=st.one_of(st.none(), st.integers(1, 4000)),
)
@settings(max_examples=300, deadline=None)
def test_headers_of_all_kinds(kind, shape, cards, more, cut):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit = fits.PrimaryHDU(numbers(kind, tuple(shape)))
        for name, value, comment in cards:
            if name in ("PCOUNT", "GCOUNT", "BLANK") and type(value) is not int:
                continue
            if name in ("BSCALE", "BZERO") and type(value) not in (int, float):
                continue
            try:
                unit.header.append((name, value, comment), end=True)
            except ValueError:  # no header may hold this
                continue
        try:
            raw = written(unit, *([fits.ImageHDU(np.ones((3, 3)))] if more else []))
        except (ValueError, TypeError, OverflowError):
            return
    raw = raw[:-cut] if cut else raw
    assert_same_or_left(raw)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_headers(data):
    unit = fits.PrimaryHDU(np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    unit.header["OBJECT"] = ("it's 'M 31' / here", "with / strokes & quotes ''")
    unit.header["LONG"] = "x" * 100
    raw = bytearray(written(unit))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 900))
        raw[at] = data.draw(st.sampled_from(b"0123456789 -+=/.'TENDNAXISBZ\x00\xff"))
    assert_same_or_left(bytes(raw))


def left_alone() -> dict[str, bytes]:
    image = numbers("f4", (6, 6))
    scaled = fits.PrimaryHDU(np.ones((4, 4), np.int16))
    scaled.header["BZERO"] = 32768
    plain = written(fits.PrimaryHDU(image))
    return {
        "scaled": written(scaled),
        "one axis": written(fits.PrimaryHDU(np.ones(7))),
        "four axes": written(fits.PrimaryHDU(np.ones((1, 1, 2, 2)))),
        "no image first": written(fits.PrimaryHDU(), fits.ImageHDU(image)),
        "tiles": written(fits.PrimaryHDU(), fits.CompImageHDU(image)),
        "padding missing": plain[:-100],
        "numbers missing": plain[: BLOCK + 10],
        "header cut short": plain[:200],
        "no end": plain.replace(b"END  ", b"ENDE "),
    }


@pytest.mark.parametrize("name", left_alone())
def test_what_is_not_plain_is_left_to_astropy(name):
    assert decode_plain(left_alone()[name]) is None
