"""From an image's bytes to its pixels, whatever its format."""

from __future__ import annotations

import lzma
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from czsl.config import ImagesSettings
from czsl.flags import Flag
from czsl.images.prepare import reduction
from czsl.images.unusable import UnusableImageError

MAX_PIXELS = 100_000_000
"""An image of more pixels is not decoded: it is no cutout, or a decompression bomb."""

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


class Picture(NamedTuple):
    """A decoded image.

    Parameters
    ----------
    pixels
        uint8, uint16 or float32, shape (row, column, band).
    mode
        What the file held: Pillow's name (``"RGB"``, ``"L"``, ``"RGBA"`` …), or
        ``"FITS"``, ``"TIFF"``, ``"array"``.
    height, width, bands
        Size of the image in the file, pixels, and its bands with alpha.
    """

    pixels: NDArray[Any]
    mode: str
    height: int
    width: int
    bands: int


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
        Where given, a JPEG of which far more pixels are there than needed is decoded at a
        half or a quarter of its size (:func:`~czsl.images.prepare.reduction`).
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
        return _array(raw)
    if not raw:
        raise UnusableImageError(Flag.IMAGE_EMPTY, "has no bytes")
    try:
        with _quiet():
            return _decode_file(raw, settings, grey)
    except Image.DecompressionBombError as error:
        raise UnusableImageError(Flag.IMAGE_TOO_LARGE, str(error)) from error
    except MALFORMED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, f"cannot be decoded: {reason}") from error


def _decode_file(raw: bytes, settings: ImagesSettings | None, grey: bool) -> Picture:
    """Choose the decoder by the first bytes."""
    if raw.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return _picture(raw, ("JPEG", "PNG"), settings, grey)
    reason = "not an image in a format that is read (JPEG, PNG, TIFF, FITS)"
    raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep decoders from printing warnings and from passing truncated files as whole."""
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def refuse_huge(height: int, width: int) -> None:
    """Refuse an image by the size that its header states, before it is decoded.

    Raises
    ------
    UnusableImageError
        Where it has more than a hundred million pixels.
    """
    if height * width > MAX_PIXELS:
        raise UnusableImageError(
            Flag.IMAGE_TOO_LARGE,
            f"{width} x {height} pixels, of which {MAX_PIXELS} at most are decoded",
        )


def _picture(
    raw: bytes, formats: tuple[str, ...], settings: ImagesSettings | None, grey: bool
) -> Picture:
    """Decode what Pillow decodes."""
    with Image.open(BytesIO(raw), formats=formats) as image:
        refuse_huge(image.height, image.width)
        mode, bands, (width, height) = image.mode, len(image.getbands()), image.size
        if image.format == "JPEG" and settings is not None:
            factor = reduction(height, width, settings)
            luma = "L" if grey and mode == "RGB" else None
            image.draft(luma, (width // factor, height // factor))
        image.load()
        if "exif" in image.info:
            ImageOps.exif_transpose(image, in_place=True)
            if (image.width > image.height) != (width > height):
                width, height = height, width
        return Picture(_pixels(image), mode, height, width, bands)


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


def over_black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay an image with alpha over black: colour times alpha, rounded.

    Parameters
    ----------
    pixels
        Shape (row, column, band), alpha the last.

    Examples
    --------
    >>> over_black(np.array([[[255, 100, 0, 128]]], np.uint8)).tolist()
    [[[128, 50, 0]]]
    """
    product = pixels[..., :-1].astype(np.uint16) * pixels[..., -1:]
    return ((product + 127) // 255).astype(np.uint8)


def plain(pixels: NDArray[Any]) -> NDArray[Any]:
    """Bring numbers of any kind to uint8 and uint16 as they are, all others to float32.

    Raises
    ------
    UnusableImageError
        Where they are no real numbers.
    """
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind not in "iuf":
        reason = f"holds {pixels.dtype}, which is no real number"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    with np.errstate(over="ignore"):
        return pixels.astype(np.float32)


def _array(pixels: NDArray[Any]) -> Picture:
    """Take pixels that a data set holds."""
    if pixels.ndim not in (2, 3) or not pixels.size:
        reason = f"an array of shape {pixels.shape}, where (row, column, band) is read"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    pixels = plain(_with_band(pixels))
    return Picture(pixels, "array", *pixels.shape)
