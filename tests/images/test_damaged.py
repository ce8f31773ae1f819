"""Files that are cut short or damaged: flagged, never a crash, never taken for whole."""

import io
import struct
import warnings

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from czsl.flags import UNUSABLE_IMAGE, Flag
from czsl.images.decode import decode
from czsl.images.unusable import UnusableImageError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)
FLUX = RNG.normal(size=(3, 24, 24)).astype(np.float32)


def written(write) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def compressed() -> fits.HDUList:
    return fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(FLUX[0])])


FILES = {
    "jpeg": written(lambda file: Image.fromarray(RGB).save(file, "JPEG")),
    "progressive jpeg": written(
        lambda file: Image.fromarray(RGB).save(file, "JPEG", progressive=True)
    ),
    "png": written(lambda file: Image.fromarray(RGB).save(file, "PNG")),
    "palette png": written(lambda file: Image.fromarray(RGB).quantize(64).save(file, "PNG")),
    "tiff": written(lambda file: tifffile.imwrite(file, RGB, photometric="rgb")),
    "packed tiff": written(lambda file: tifffile.imwrite(file, RGB, compression="zlib")),
    "lzw tiff": written(
        lambda file: Image.fromarray(RGB).save(file, "TIFF", compression="tiff_lzw")
    ),
    "fits": written(fits.PrimaryHDU(FLUX).writeto),
    "tiled fits": written(lambda file: compressed().writeto(file)),
}


GREYS = [Image.fromarray(RGB[..., band]) for band in range(3)]
PAGES = written(
    lambda file: GREYS[0].save(
        file, "TIFF", compression="tiff_lzw", save_all=True, append_images=GREYS[1:]
    )
)


def decoded_or_flagged(raw: bytes) -> np.ndarray | None:
    """Decode; whatever else than a flag comes up, a warning included, fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return decode(raw).pixels
        except UnusableImageError as error:
            known = error
    assert known.flag & UNUSABLE_IMAGE
    assert known.reason
    return None


@pytest.mark.parametrize("name", [*FILES, "pages of lzw tiff"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_are_decoded_or_flagged(name, data):
    raw = bytearray(FILES.get(name, PAGES))
    for _ in range(data.draw(st.integers(1, 6))):
        # Headers are short: half of the damage goes there.
        end = data.draw(st.sampled_from([min(400, len(raw)), len(raw)]))
        raw[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    pixels = decoded_or_flagged(bytes(raw))
    again = decoded_or_flagged(bytes(raw))
    assert (pixels is None) == (again is None)
    if pixels is not None:
        assert pixels.ndim == 3  # (row, column, band), whatever the damaged header states
        assert min(pixels.shape) > 0
        assert pixels.dtype in (np.uint8, np.uint16, np.float32)
        np.testing.assert_array_equal(pixels, again)


@pytest.mark.parametrize("name", FILES)
@given(share=st.floats(0, 0.98))
@settings(max_examples=40, deadline=None)
def test_a_file_cut_short_is_flagged_or_whole(name, share):
    whole = decode(FILES[name]).pixels
    pixels = decoded_or_flagged(FILES[name][: int(share * len(FILES[name]))])
    if pixels is not None:  # what was cut off were only the last, empty blocks
        np.testing.assert_array_equal(pixels, whole)


@given(raw=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_are_flagged(raw):
    assert decoded_or_flagged(raw) is None


def test_nothing_is_printed(capfd):
    for raw in FILES.values():
        for place in range(8, len(raw), len(raw) // 40):
            decoded_or_flagged(raw[:place])
            decoded_or_flagged(raw[:place] + b"~~~" + raw[place + 3 :])
    assert capfd.readouterr() == ("", "")


def test_tiff_that_lacks_strips_is_flagged():
    raw = written(lambda file: tifffile.imwrite(file, RGB, photometric="rgb", rowsperstrip=8))
    counts = struct.pack("<3H", 576, 576, 576)
    assert raw.count(counts) == 1
    with pytest.raises(UnusableImageError, match="cut short: holds 2 of its 3 strips"):
        decode(raw.replace(counts, struct.pack("<3H", 576, 0, 576)))


def test_tiff_that_states_too_many_bands_is_flagged():
    raw = written(lambda file: tifffile.imwrite(file, np.zeros((7001, 7003), np.bool_)))
    per_pixel = struct.pack("<HHII", 277, 3, 1, 1)
    assert raw.count(per_pixel) == 1
    with pytest.raises(UnusableImageError, match="numbers, of which 400000000 at most") as caught:
        decode(raw.replace(per_pixel, struct.pack("<HHII", 277, 3, 1, 60_000)))
    assert caught.value.flag == Flag.IMAGE_TOO_LARGE


def test_a_tiff_that_lays_out_its_samples_in_no_known_way_is_flagged():
    raw = bytearray(FILES["packed tiff"])
    tag = (284).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    place = raw.index(tag) + len(tag)
    assert raw[place] == 1
    raw[place] = 3  # what then was shown was memory that nobody had written to
    assert decoded_or_flagged(bytes(raw)) is None
