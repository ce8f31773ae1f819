"""From an image's bytes to its pixels, whatever its format."""

from __future__ import annotations

import logging
import lzma
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from czsl.flags import Flag
from czsl.images.fits import decode_fits
from czsl.images.jpeg import decode_plain, plain_header
from czsl.images.picture import ORIENTATION, Picture, over_black, plain, refuse_huge
from czsl.images.prepare import central_box, reduced_box, reduction
from czsl.images.tiff import decode_tiff, mode_of
from czsl.images.unusable import UnusableImageError
from czsl.sections import ImagesSettings

UPRIGHT = 1
"""Its orientation where a picture is held as it is to be seen."""

MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What decoders raise on bytes that are not what they say: all of it was met in tests
with damaged files, and none of it may stop the work."""


def decode(
    raw: bytes | NDArray[Any], *, settings: ImagesSettings | None = None, grey: bool = False
) -> Picture:
    """Decode an image.

    Alpha is laid over black; palettes, CMYK and other colour spaces become RGB; a
    picture is turned as its EXIF orientation says. Rows run downwards, so FITS images are
    turned over: they look as viewers of FITS show them.

    Parameters
    ----------
    raw
        A file's bytes (JPEG, PNG, TIFF, FITS), or pixels of shape (row, column) or
        (row, column, band).
    settings
        Where given, only the central square is kept; and a JPEG of which far more pixels
        are there than needed is decoded at a half or a quarter of its size
        (:func:`~czsl.images.prepare.reduction`).
    grey
        Whether only the luma is needed; it is all that is decoded of a JPEG then.

    Raises
    ------
    UnusableImageError
        Where the image is empty, absurdly large, truncated or not an image.
    UnfitImageError
        Where the crop of the settings is larger than the image.

    Examples
    --------
    >>> decode(np.zeros((4, 5), np.uint8)).pixels.shape
    (4, 5, 1)
    >>> decode(b"not an image")
    Traceback (most recent call last):
    czsl.images.unusable.UnusableImageError: not an image in a format that is read \
(JPEG, PNG, TIFF, FITS)
    """
    if not isinstance(raw, bytes):
        return _square(_array(raw), settings)
    if not raw:
        raise UnusableImageError(Flag.IMAGE_EMPTY, "has no bytes")
    if found := _plain_jpeg(raw, settings, grey):
        return found
    try:
        with _quiet():
            return _square(_decode_file(raw, settings, grey), settings)
    except Image.DecompressionBombError as error:
        raise UnusableImageError(Flag.IMAGE_TOO_LARGE, str(error)) from error
    except MALFORMED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, f"cannot be decoded: {reason}") from error


def _plain_jpeg(raw: bytes, settings: ImagesSettings | None, grey: bool) -> Picture | None:
    """Decode a JPEG file of the plain kind; None where it is none, or is damaged."""
    header = plain_header(raw)
    if header is None:
        return None
    height, width, bands = header
    factor = 1 if settings is None else reduction(height, width, settings)
    pixels = decode_plain(raw, header, factor=factor, grey=grey and settings is not None)
    if pixels is None:
        return None
    span = 0.0
    if settings is not None:
        top, left, side, span = reduced_box(height, width, factor, settings)
        pixels = pixels[top : top + side, left : left + side]
    return Picture(pixels, "RGB" if bands == 3 else "L", height, width, bands, span)


def _decode_file(raw: bytes, settings: ImagesSettings | None, grey: bool) -> Picture:
    """Choose the decoder by the first bytes."""
    if raw.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return _picture(raw, ("JPEG", "PNG"), settings, grey)
    if raw.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        found = decode_tiff(raw)
        if isinstance(found, Picture):
            return found
        with _without_stderr():
            return _pages(raw, found) if found > 1 else _picture(raw, ("TIFF",), settings, grey)
    if raw.startswith((b"SIMPLE  =", b"\x1f\x8b")):
        fluxes = decode_fits(raw)
        return Picture(fluxes, "FITS", *fluxes.shape)
    reason = "not an image in a format that is read (JPEG, PNG, TIFF, FITS)"
    raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep decoders from printing warnings and from passing truncated files as whole."""
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    logger = logging.getLogger("tifffile")
    silent, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
        logger.disabled = silent


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep libtiff, which knows no other way to complain, from writing to the terminal."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _picture(
    raw: bytes, formats: tuple[str, ...], settings: ImagesSettings | None, grey: bool
) -> Picture:
    """Decode what Pillow decodes."""
    with Image.open(BytesIO(raw), formats=formats) as image:
        refuse_huge(image.height, image.width)
        mode, bands, (width, height) = image.mode, len(image.getbands()), image.size
        turn = image.getexif().get(ORIENTATION, UPRIGHT) if "exif" in image.info else UPRIGHT
        factor = 1
        if image.format == "JPEG" and settings is not None and turn == UPRIGHT:
            factor = reduction(height, width, settings)
            luma = "L" if grey and mode == "RGB" else None
            image.draft(luma, (width // factor, height // factor))
        image.load()
        if image.info.get("exif"):  # in a PNG file it may stand behind the pixels
            ImageOps.exif_transpose(image, in_place=True)
        if factor == 1:
            width, height = image.size
        if settings is None:
            return Picture(_pixels(image), mode, height, width, bands)
        top, left, side, span = reduced_box(height, width, factor, settings)
        square = image.crop((left, top, left + side, top + side))
        return Picture(_pixels(square), mode, height, width, bands, span)


def _pages(raw: bytes, count: int) -> Picture:
    """Decode the first pages of a TIFF file that only Pillow reads: each is a band."""
    pages = []
    with Image.open(BytesIO(raw), formats=("TIFF",)) as image:
        for page in range(count):
            image.seek(page)
            refuse_huge(image.height, image.width)
            pages.append(_pixels(image))
    if {page.shape for page in pages} != {(*pages[0].shape[:2], 1)}:
        shapes = sorted({page.shape for page in pages})
        reason = f"its pages are bands, and differ in size or are not grey: {shapes}"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    pixels = np.concatenate(pages, axis=-1)
    return Picture(pixels, mode_of(pixels), *pixels.shape)


def _square(picture: Picture, settings: ImagesSettings | None) -> Picture:
    """Keep the central square of an image that is still whole."""
    if not picture.pixels.size:
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, "holds no pixels")
    if settings is None or picture.span:
        return picture
    top, left, side = central_box(picture.height, picture.width, settings.crop)
    square = picture.pixels[top : top + side, left : left + side]
    return picture._replace(pixels=square, span=side)


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Bring any of Pillow's modes to grey or colour, uint8, uint16 or float32."""
    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        return _with_band(np.asarray(image))
    if image.mode == "F" or image.mode.startswith("I"):
        return plain(_with_band(np.asarray(image)))
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return _with_band(np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")))


def _with_band(pixels: NDArray[Any]) -> NDArray[Any]:
    """Give a grey image its one band."""
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _array(pixels: NDArray[Any]) -> Picture:
    """Take pixels that a data set holds."""
    if pixels.ndim not in (2, 3):
        reason = f"an array of shape {pixels.shape}, where (row, column, band) is read"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    pixels = plain(_with_band(pixels))
    return Picture(pixels, "array", *pixels.shape)
