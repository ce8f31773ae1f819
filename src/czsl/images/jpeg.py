"""JPEG images of the plain kind, straight from libjpeg-turbo."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from czsl.images.picture import MAX_PIXELS

_BEGINNING = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
"""Of a JFIF file without a picture in small beside the picture."""

_SKIPPED = frozenset(b"\xc4\xdb\xdd\xfe")
"""Segments that say nothing of size, colours or orientation: tables, intervals, comments."""

_FRAMES = frozenset(b"\xc0\xc2")
"""Baseline and progressive frames of Huffman codes."""


class JpegHeader(NamedTuple):
    """Height and width in pixels, and bands, of a plain JPEG image."""

    height: int
    width: int
    bands: int


def plain_header(raw: bytes) -> JpegHeader | None:
    """Read the header of a JPEG file, if it is one of the plain kind.

    That is a JFIF file of 8 bits, grey or YCbCr, baseline or progressive, with no other
    segments than tables and comments: no EXIF orientation, no Adobe colours, no second
    image.

    Parameters
    ----------
    raw
        The file.

    Returns
    -------
    JpegHeader or None
        None for every other file, damaged ones among them: they are Pillow's.

    Examples
    --------
    >>> plain_header(b"no JPEG") is None
    True
    """
    if raw[:11] != _BEGINNING:
        return None
    at, header = 2, None
    while at + 4 <= len(raw) and raw[at] == 0xFF:
        kind, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4])
        if kind == 0xDA:
            return header
        if kind in _FRAMES:
            if header is not None or (header := _frame(raw[at + 4 : at + 2 + length])) is None:
                return None
        elif kind not in _SKIPPED and at > 2:
            return None
        at += 2 + length
    return None


def _frame(segment: bytes) -> JpegHeader | None:
    """Read a frame's size and bands, where they are plain."""
    if len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3):
        return None
    height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
    return JpegHeader(height, width, segment[5]) if 0 < height * width <= MAX_PIXELS else None


def decode_plain(
    raw: bytes, header: JpegHeader, *, factor: int, grey: bool
) -> NDArray[np.uint8] | None:
    """Decode a plain JPEG file in which nothing is amiss.

    The pixels are those that Pillow gives, whose library is the same; it copies them
    three times on the way.

    Parameters
    ----------
    raw
        The file.
    header
        As :func:`plain_header` read it.
    factor
        How many times smaller it is decoded: 1, 2 or 4.
    grey
        Whether only the luma is needed.

    Returns
    -------
    ndarray or None
        Shape (row, column, band), sides divided by the factor and rounded up. None where
        the library has but a warning to give: what a damaged file is worth is for Pillow to
        say.
    """
    height, width = -(-header.height // factor), -(-header.width // factor)
    try:
        pixels: NDArray[Any] = simplejpeg.decode_jpeg(
            raw,
            colorspace="GRAY" if grey or header.bands == 1 else "RGB",
            min_height=height,
            min_width=width,
            min_factor=factor,
            strict=True,
        )
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == (height, width) else None
