"""JPEG straight from libjpeg-turbo: Pillow's pixels to the bit, or left to Pillow."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from czsl.images.decode import decode
from czsl.images.jpeg import decode_plain, plain_header
from czsl.images.prepare import prepare, prepare_square
from czsl.sections import ImagesSettings

NOISE = np.random.default_rng(0).integers(0, 256, (61, 37, 3), dtype=np.uint8)
SLOPES = (np.mgrid[:61, :37].sum(axis=0)[..., None] * np.array([1, 2, 0.5])).astype(np.uint8)


def jpeg(pixels: np.ndarray, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = turn
    return found


PLAIN = {
    "colour": jpeg(SLOPES),
    "noise": jpeg(NOISE, quality=95),
    "progressive": jpeg(NOISE, progressive=True),
    "no subsampling": jpeg(SLOPES, subsampling=0),
    "horizontal subsampling": jpeg(NOISE, subsampling=1),
    "own tables": jpeg(NOISE, optimize=True, quality=30),
    "restarts": jpeg(NOISE, restart_marker_blocks=2),
    "comment": jpeg(SLOPES, comment=b"a galaxy"),
    "grey": jpeg(SLOPES[..., 0]),
    "progressive grey": jpeg(NOISE[..., 0], progressive=True),
}

OTHERS = {
    "to be turned": jpeg(SLOPES, exif=exif(6)),
    "with a profile": jpeg(SLOPES, icc_profile=b"some profile"),
    "CMYK": jpeg(SLOPES, "CMYK"),
    "colours kept as they are": jpeg(SLOPES, keep_rgb=True),
    "no JFIF header": jpeg(SLOPES).replace(b"JFIF", b"JFXX"),
    "arithmetic coding": jpeg(SLOPES).replace(b"\xff\xc0", b"\xff\xc9", 1),
    "two frames": jpeg(SLOPES).replace(b"\xff\xdb", b"\xff\xc0" + jpeg(SLOPES)[160:177], 1),
    "12 bits": jpeg(SLOPES).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "no rows": jpeg(SLOPES).replace(b"\0\x11\x08\0\x3d", b"\0\x11\x08\0\0"),
    "header cut short": jpeg(SLOPES)[:100],
    "PNG": b"\x89PNG\r\n\x1a\n",
}


def by_pillow(raw: bytes, factor: int, grey: bool) -> np.ndarray:
    with Image.open(io.BytesIO(raw), formats=("JPEG",)) as image:
        luma = "L" if grey and image.mode == "RGB" else None
        image.draft(luma, (image.width // factor, image.height // factor))
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("name", PLAIN)
def test_pixels_are_pillows_to_the_bit(name, factor, grey):
    header = plain_header(PLAIN[name])
    assert header == (61, 37, 1 if "grey" in name else 3)
    found = decode_plain(PLAIN[name], header, factor=factor, grey=grey)
    np.testing.assert_array_equal(found, by_pillow(PLAIN[name], factor, grey))


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_plain_is_left_to_pillow(name):
    assert plain_header(OTHERS[name]) is None


def damaged(raw: bytearray, data: st.DataObject) -> bytes:
    """Cut a file short, or change or put in some of its bytes, half of them in its header."""
    if data.draw(st.booleans()):
        return bytes(raw[: data.draw(st.integers(0, len(raw)))])
    for _ in range(data.draw(st.integers(1, 4))):
        end = data.draw(st.sampled_from([min(640, len(raw)), len(raw)]))
        at = data.draw(st.integers(0, end - 1))
        kept = data.draw(st.integers(0, 2))  # 0: bytes are put in
        raw[at : at + kept] = data.draw(st.binary(max_size=3))
    return bytes(raw)


@given(name=st.sampled_from(sorted(PLAIN)), factor=st.sampled_from([1, 2, 4]), data=st.data())
@settings(max_examples=600, deadline=None)
def test_a_damaged_file_is_left_to_pillow_or_as_pillow_reads_it(name, factor, data):
    raw = damaged(bytearray(PLAIN[name]), data)
    header = plain_header(raw)
    if header is None or max(header) > 1000:
        return
    found = decode_plain(raw, header, factor=factor, grey=False)
    if found is not None:  # then Pillow reads it as well, and nothing else
        np.testing.assert_array_equal(found, by_pillow(raw, factor, False))


@pytest.mark.parametrize("name", PLAIN)
def test_every_cut_within_the_image_is_left_to_pillow(name):
    raw = PLAIN[name]
    header = plain_header(raw)
    assert header is not None
    cuts = range(200, len(raw) - 1, 7)
    assert all(decode_plain(raw[:cut], header, factor=1, grey=False) is None for cut in cuts)


@pytest.mark.parametrize("crop", [None, 128, 192, 300])
def test_galaxies_decoded_small_differ_little_from_all_pixels(crop, shared_data):
    files = sorted((shared_data / "gz1/images").iterdir())[::300]
    chosen = ImagesSettings(crop=crop, size=64)
    differences = []
    for file in files:
        raw = file.read_bytes()
        small = decode(raw, settings=chosen)
        found = prepare_square(small.pixels, chosen, 3, span=small.span)
        with Image.open(file) as image:
            whole = prepare(np.asarray(image), chosen, 3)
        differences.append(np.abs(found.astype(int) - whole).mean())
    assert np.mean(differences) < 0.7
    assert np.max(differences) < 2
