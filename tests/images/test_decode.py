"""Every format that is read, against pixels that are known."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from PIL import Image

from czsl.flags import Flag
from czsl.images import picture
from czsl.images.decode import decode
from czsl.images.unusable import UnusableImageError
from czsl.sections import ImagesSettings

GREY = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40)
RGB = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
SMOOTH = np.stack([GREY // 5, GREY // 6, GREY // 7], axis=-1).astype(np.uint8)


def pillow(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def fits_bytes(*units) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(units)).writeto(buffer)
    return buffer.getvalue()


def test_png_colour_is_exact():
    found = decode(pillow(Image.fromarray(RGB), "PNG"))
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found[1:5] == ("RGB", 30, 40, 3)


def test_png_grey_has_one_band():
    found = decode(pillow(Image.fromarray(SMOOTH[..., 0]), "PNG"))
    np.testing.assert_array_equal(found.pixels, SMOOTH[..., :1])
    assert (found.mode, found.bands) == ("L", 1)


def test_png_of_16_bits_is_exact():
    found = decode(pillow(Image.fromarray(GREY * 50), "PNG"))
    assert found.pixels.dtype == np.uint16
    np.testing.assert_array_equal(found.pixels[..., 0], GREY * 50)


def test_png_of_one_bit_is_black_and_white():
    found = decode(pillow(Image.fromarray(RGB[..., 0] > 99), "PNG"))
    np.testing.assert_array_equal(found.pixels[..., 0], np.where(RGB[..., 0] > 99, 255, 0))
    assert found.mode == "1"


def test_alpha_is_laid_over_black_and_recorded():
    alpha = np.random.default_rng(1).integers(0, 256, (30, 40, 1), dtype=np.uint8)
    rgba = np.concatenate([RGB, alpha], axis=-1)
    found = decode(pillow(Image.fromarray(rgba), "PNG"))
    black = Image.new("RGBA", (40, 30), (0, 0, 0, 255))
    expected = Image.alpha_composite(black, Image.fromarray(rgba)).convert("RGB")
    assert np.abs(found.pixels.astype(int) - np.asarray(expected)).max() <= 1
    assert (found.mode, found.bands) == ("RGBA", 4)


def test_grey_with_alpha_becomes_colour_over_black():
    pixels = np.stack([np.full((4, 4), 200), np.full((4, 4), 51)], axis=-1).astype(np.uint8)
    found = decode(pillow(Image.fromarray(pixels, "LA"), "PNG"))
    assert (found.pixels == 40).all()  # 200 * 51 / 255
    assert found.mode == "LA"


def test_palette_becomes_its_colours():
    image = Image.fromarray(SMOOTH).quantize(200)
    found = decode(pillow(image, "PNG"))
    np.testing.assert_array_equal(found.pixels, np.asarray(image.convert("RGB")))
    assert (found.mode, found.bands) == ("P", 1)


def test_palette_with_a_transparent_colour_is_black_there():
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([250, 0, 0, 0, 250, 0])
    found = decode(pillow(image, "PNG", transparency=0))
    assert found.pixels[0].tolist() == [[0, 0, 0], [0, 250, 0]]


def test_jpeg_is_as_pillow_decodes_it():
    raw = pillow(Image.fromarray(SMOOTH), "JPEG")
    np.testing.assert_array_equal(decode(raw).pixels, np.asarray(Image.open(io.BytesIO(raw))))


def test_jpeg_of_cmyk_becomes_colour():
    raw = pillow(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95)
    found = decode(raw)
    assert np.abs(found.pixels.astype(int) - SMOOTH).mean() < 3
    assert (found.mode, found.bands) == ("CMYK", 4)


def test_jpeg_of_which_only_the_luma_is_wanted():
    raw = pillow(Image.fromarray(SMOOTH), "JPEG", quality=95)
    found = decode(raw, settings=ImagesSettings(size=30), grey=True)
    luma = np.asarray(Image.open(io.BytesIO(raw)).convert("L"))
    assert np.abs(found.pixels[..., 0].astype(int) - luma[:, 5:35]).max() <= 1
    assert (found.mode, found.bands) == ("RGB", 3)


def turned(pixels: np.ndarray, turn: int) -> np.ndarray:
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels),
    }[turn]


@pytest.mark.parametrize("turn", range(1, 9))
def test_picture_is_turned_as_exif_says(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    found = decode(pillow(Image.fromarray(SMOOTH), "PNG", exif=exif))
    expected = turned(SMOOTH, turn)
    np.testing.assert_array_equal(found.pixels, expected)
    assert (found.height, found.width) == expected.shape[:2]


def exif_behind(raw: bytes) -> bytes:
    """Move the EXIF of a PNG file from before its pixels to the end."""
    start = raw.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(raw[start : start + 4], "big")
    end = raw.index(b"IEND") - 4
    assert stop < raw.index(b"IDAT")
    return raw[:start] + raw[stop:end] + raw[start:stop] + raw[end:]


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_png_is_cropped_alike_wherever_its_exif_stands(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    raw = pillow(Image.fromarray(SMOOTH), "PNG", exif=exif)
    for crop in (20, None):
        settings = ImagesSettings(crop=crop, size=8)
        before, behind = (decode(one, settings=settings) for one in (raw, exif_behind(raw)))
        side = crop or 30
        top, left = (30 - side) // 2, (40 - side) // 2
        middle = SMOOTH[top : top + side, left : left + side]
        for found in (before, behind):
            np.testing.assert_array_equal(found.pixels, turned(middle, turn))
            assert found[2:5] == (*turned(SMOOTH, turn).shape[:2], 3)
            assert found.span == side


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_tiff_is_turned_as_its_tag_says_however_it_is_packed(turn, packing):
    raw = pillow(Image.fromarray(SMOOTH), "TIFF", compression=packing, tiffinfo={0x0112: turn})
    found = decode(raw)
    expected = turned(SMOOTH, turn)
    np.testing.assert_array_equal(found.pixels, expected)
    assert (found.height, found.width) == expected.shape[:2]
    middle = decode(raw, settings=ImagesSettings(crop=20, size=8)).pixels
    np.testing.assert_array_equal(middle, turned(SMOOTH[5:25, 10:30], turn))


def test_pages_and_planes_of_a_tiff_are_turned():
    tag = [(0x0112, "H", 1, 6, False)]  # in every page
    pages = tiff(np.stack([GREY, GREY + 1]), photometric="minisblack", extratags=tag)
    found = decode(pages)
    np.testing.assert_array_equal(found.pixels[..., 1], np.rot90(GREY + 1, -1))
    planes = np.moveaxis(RGB, -1, 0)
    raw = tiff(planes, photometric="rgb", planarconfig="separate", extratags=tag)
    np.testing.assert_array_equal(decode(raw).pixels, np.rot90(RGB, -1))


def test_an_orientation_that_there_is_not_turns_nothing():
    for value in (0, 9):
        raw = tiff(GREY, extratags=[(0x0112, "H", 1, value, True)])
        np.testing.assert_array_equal(decode(raw).pixels[..., 0], GREY)


def test_large_jpeg_is_decoded_at_a_quarter():
    raw = pillow(Image.fromarray(SMOOTH).resize((405, 301)), "JPEG")
    found = decode(raw, settings=ImagesSettings(size=8))
    assert found.pixels.shape == (76, 76, 3)
    assert (found.height, found.width, found.span) == (301, 405, 75.25)


def test_jpeg_that_is_to_be_turned_is_not_decoded_small():
    exif = Image.Exif()
    exif[0x0112] = 2
    whole = Image.fromarray(SMOOTH).resize((405, 301))
    found = decode(pillow(whole, "JPEG", exif=exif), settings=ImagesSettings(size=8))
    assert found.pixels.shape == (301, 301, 3)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "FITS", "array"])
def test_central_square_of_every_format(form):
    raw = {
        "PNG": pillow(Image.fromarray(RGB), "PNG"),
        "TIFF": tiff(RGB, photometric="rgb"),
        "FITS": fits_bytes(fits.PrimaryHDU(np.moveaxis(RGB, -1, 0)[:, ::-1])),
        "array": RGB,
    }[form]
    found = decode(raw, settings=ImagesSettings(crop=20, size=8))
    np.testing.assert_array_equal(found.pixels, RGB[5:25, 10:30])
    assert (found.height, found.width, found.span) == (30, 40, 20)


@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_tiff_is_exact(kind, compression):
    pixels = (SMOOTH.astype(kind) * 3).astype(kind)
    found = decode(tiff(pixels, photometric="rgb", compression=compression))
    assert found.pixels.dtype == kind
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.mode == {"uint8": "RGB"}.get(pixels.dtype.name, f"RGB;{pixels.dtype.name}")


def test_tiff_with_planes_is_exact():
    raw = tiff(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decode(raw).pixels, RGB)


def test_tiff_of_big_endian_numbers_is_native():
    found = decode(tiff(GREY, byteorder=">"))
    assert found.pixels.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(found.pixels[..., 0], GREY)


def test_pages_of_a_tiff_are_bands():
    found = decode(tiff(np.stack([GREY, GREY + 1, GREY + 2]), photometric="minisblack"))
    np.testing.assert_array_equal(found.pixels[..., 2], GREY + 2)


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_pages_of_a_tiff_are_bands_however_it_is_packed(kind, packing):
    bands = np.stack([GREY, GREY * 2, GREY * 3, GREY * 4], axis=-1).astype(kind)
    first, *others = [Image.fromarray(bands[..., band]) for band in range(4)]
    more = {"save_all": True, "append_images": others, "compression": packing}
    raw = pillow(first, "TIFF", **more)
    found = decode(raw)
    np.testing.assert_array_equal(found.pixels, bands)
    assert found.pixels.dtype == kind
    assert found.mode == {"uint8": "RGBA"}.get(bands.dtype.name, f"RGBA;{bands.dtype.name}")
    assert found[2:5] == (30, 40, 4)
    middle = decode(raw, settings=ImagesSettings(crop=20, size=8))
    np.testing.assert_array_equal(middle.pixels, bands[5:25, 10:30])
    turned_too = decode(pillow(first, "TIFF", tiffinfo={0x0112: 8}, **more))
    np.testing.assert_array_equal(turned_too.pixels, np.rot90(bands))


def test_packed_pages_that_are_no_bands():
    """A smaller page, a page in colour, colours of a palette."""
    grey, small = Image.fromarray(SMOOTH[..., 0]), Image.fromarray(SMOOTH[::2, ::2, 0])
    colour, palette = Image.fromarray(SMOOTH), Image.fromarray(SMOOTH).quantize(200)
    for first, others, expected in (
        (grey, [small], SMOOTH[..., :1]),
        (grey, [grey, colour, grey], SMOOTH[..., [0, 0]]),
        (colour, [colour], SMOOTH),
        (palette, [palette], np.asarray(palette.convert("RGB"))),
    ):
        raw = pillow(first, "TIFF", save_all=True, append_images=others, compression="tiff_lzw")
        np.testing.assert_array_equal(decode(raw).pixels, expected)
    raw = pillow(grey, "TIFF", save_all=True, append_images=[palette], compression="tiff_lzw")
    with pytest.raises(UnusableImageError, match="its pages are bands, and differ in size or are"):
        decode(raw)


def test_a_damaged_page_of_a_packed_tiff_is_told():
    grey = Image.fromarray(RGB[..., 0])
    raw = pillow(grey, "TIFF", save_all=True, append_images=[grey], compression="tiff_lzw")
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        at = file.pages[1].dataoffsets[0]
    with pytest.raises(UnusableImageError, match="cannot be decoded"):
        decode(raw[:at] + b"\xff" * 100 + raw[at + 100 :])


def test_samples_without_a_name_are_bands():
    raw = tiff(SMOOTH.astype(np.float32), photometric="minisblack", planarconfig="contig")
    found = decode(raw)
    np.testing.assert_array_equal(found.pixels, SMOOTH)
    assert found.mode == "RGB;float32"


def test_a_page_of_another_size_is_no_band(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, subfiletype=0)
        file.write(GREY[::4, ::4], subfiletype=1)
    np.testing.assert_array_equal(decode((tmp_path / "a.tif").read_bytes()).pixels[..., 0], GREY)


def test_tiff_with_white_as_zero_is_turned_round():
    found = decode(tiff(GREY, photometric="miniswhite"))
    np.testing.assert_array_equal(found.pixels[..., 0], 65535 - GREY)


def test_tiff_with_alpha_of_16_bits_is_laid_over_black():
    pixels = np.full((4, 4, 4), 60000, np.uint16)
    pixels[..., 3] = 13107  # a fifth
    found = decode(tiff(pixels, photometric="rgb", extrasamples=["unassalpha"]))
    assert (found.pixels == 12000).all()
    assert (found.mode, found.bands) == ("RGBA;uint16", 4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_tiff_that_only_pillow_reads(compression):
    raw = pillow(Image.fromarray(SMOOTH), "TIFF", compression=compression)
    assert np.abs(decode(raw).pixels.astype(int) - SMOOTH).mean() < 3


def test_tiff_of_signed_numbers_becomes_fluxes():
    found = decode(tiff(GREY.astype(np.int16) - 5))
    assert found.pixels.dtype == np.float32
    assert found.pixels.min() == -5


def test_fits_image_is_turned_over():
    flux = GREY.astype(np.float32)
    found = decode(fits_bytes(fits.PrimaryHDU(flux)))
    np.testing.assert_array_equal(found.pixels[..., 0], flux[::-1])
    assert found[1:5] == ("FITS", 30, 40, 1)
    assert found.pixels.dtype == np.dtype("=f4")


def test_fits_cube_has_its_bands_last():
    cube = np.stack([GREY, GREY * 2, GREY * 3]).astype(np.float64)
    found = decode(fits_bytes(fits.PrimaryHDU(), fits.ImageHDU(cube[None])))
    assert found.bands == 3
    np.testing.assert_array_equal(found.pixels[..., 1], cube[1, ::-1])


def test_fits_numbers_are_scaled_and_blanks_are_nan():
    unit = fits.PrimaryHDU(np.array([[1, 2], [3, -9]], np.int16))
    unit.header["BLANK"] = -9
    unit.header["BSCALE"] = 0.5
    unit.header["BZERO"] = 10.0
    found = decode(fits_bytes(unit)).pixels[::-1, :, 0]
    np.testing.assert_array_equal(found, [[10.5, 11.0], [11.5, np.nan]])


def test_fits_skips_tables_and_reads_tiles():
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
    tiles = fits.CompImageHDU(GREY.astype(np.int32))
    found = decode(fits_bytes(fits.PrimaryHDU(), table, tiles))
    np.testing.assert_array_equal(found.pixels[::-1, :, 0], GREY)


def test_fits_packed_by_gzip(tmp_path):
    fits.PrimaryHDU(GREY.astype(np.float32)).writeto(tmp_path / "a.fits.gz")
    found = decode((tmp_path / "a.fits.gz").read_bytes())
    np.testing.assert_array_equal(found.pixels[::-1, :, 0], GREY)


def test_arrays_of_a_data_set():
    assert decode(RGB).pixels is RGB
    assert decode(RGB[..., 0] > 99).pixels.max() == 255
    assert decode(GREY.astype(np.float64)).pixels.dtype == np.float32


UNREADABLE = {
    "empty": (b"", Flag.IMAGE_EMPTY, "has no bytes"),
    "text": (b"<html>not found</html>", Flag.IMAGE_UNREADABLE, "not an image in a format"),
    "gif": (
        pillow(Image.fromarray(RGB), "GIF"),
        Flag.IMAGE_UNREADABLE,
        r"\(JPEG, PNG, TIFF, FITS\)",
    ),
    "half a JPEG": (
        pillow(Image.fromarray(RGB), "JPEG")[:900],
        Flag.IMAGE_UNREADABLE,
        "truncated",
    ),
    "half a PNG": (
        pillow(Image.fromarray(RGB), "PNG")[:900],
        Flag.IMAGE_UNREADABLE,
        "truncated",
    ),
    "half a TIFF": (tiff(RGB)[:900], Flag.IMAGE_UNREADABLE, "cannot be decoded"),
    "half a FITS": (
        fits_bytes(fits.PrimaryHDU(GREY))[:4000],
        Flag.IMAGE_UNREADABLE,
        "cannot be decoded",
    ),
    "FITS without an image": (
        fits_bytes(fits.PrimaryHDU()),
        Flag.IMAGE_UNREADABLE,
        "a FITS file without an image",
    ),
    "FITS of four axes": (
        fits_bytes(fits.PrimaryHDU(np.zeros((2, 3, 4, 5)))),
        Flag.IMAGE_UNREADABLE,
        r"of shape \(2, 3, 4, 5\)",
    ),
    "half a gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", Flag.IMAGE_UNREADABLE, "truncated gzip"),
    "complex numbers": (np.zeros((3, 3), complex), Flag.IMAGE_UNREADABLE, "no real number"),
    "no pixels": (np.zeros((0, 4, 3)), Flag.IMAGE_UNREADABLE, "holds no pixels"),
    "five axes": (np.zeros((1, 1, 1, 1, 1)), Flag.IMAGE_UNREADABLE, "an array of shape"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(name):
    raw, flag, words = UNREADABLE[name]
    with pytest.raises(UnusableImageError, match=words) as caught:
        decode(raw)
    assert caught.value.flag == flag


def stating(form: str) -> bytes:
    """A small file whose header states 60,000 x 60,000 pixels."""
    if form == "TIFF":
        raw = bytearray(tiff(np.zeros((7001, 7003), np.bool_)))
        for side in (7001, 7003):
            raw = raw.replace(struct.pack("<H", side), struct.pack("<H", 60_000))
        return bytes(raw)
    raw = bytearray(pillow(Image.new("L", (16, 16)), form))
    if form == "PNG":
        raw[16:24] = struct.pack(">II", 60_000, 60_000)
        raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    else:
        at = raw.index(b"\xff\xc0") + 5
        raw[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    return bytes(raw)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_bomb_is_not_decoded(form, monkeypatch):
    raw = stating(form)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("was decoded"))
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda page: pytest.fail("was decoded"))
    with pytest.raises(
        UnusableImageError, match=r"60000 x 60000 pixels|3600000000 pixels"
    ) as caught:
        decode(raw)
    assert caught.value.flag == Flag.IMAGE_TOO_LARGE


def test_fits_that_states_too_many_pixels():
    raw = bytearray(fits_bytes(fits.PrimaryHDU(np.zeros((2, 2), np.uint8))))
    for axis in (b"NAXIS1", b"NAXIS2"):
        at = raw.index(axis)
        raw[at + 10 : at + 30] = b"               50000"
    with pytest.raises(UnusableImageError, match="2500000000 numbers, of which") as caught:
        decode(bytes(raw))
    assert caught.value.flag == Flag.IMAGE_TOO_LARGE


def test_laying_over_black_keeps_what_is_opaque():
    opaque = np.concatenate([RGB, np.full((30, 40, 1), 255, np.uint8)], axis=-1)
    np.testing.assert_array_equal(picture.over_black(opaque), RGB)


def test_a_global_setting_of_pillow_does_not_let_truncated_files_pass(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnusableImageError, match="truncated"):
        decode(pillow(Image.fromarray(RGB), "JPEG")[:900])
