"""Decoded images: what every decoder gives, and the checks that all of them share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from czsl.flags import Flag
from czsl.images.unusable import UnusableImageError

MAX_PIXELS = 100_000_000
"""An image of more pixels is not decoded: it is no cutout, or a decompression bomb."""

MAX_NUMBERS = 4 * MAX_PIXELS
"""An image of more numbers, all bands together, is not decoded."""

ORIENTATION = 0x0112
"""The tag of EXIF and TIFF that says how a picture is held."""


class Picture(NamedTuple):
    """A decoded image.

    Parameters
    ----------
    pixels
        uint8, uint16 or float32, shape (row, column, band).
    mode
        What the file held, in Pillow's words (``"RGB"``, ``"L"``, ``"RGBA"``, ``"P"``
        …), for TIFF with the type of number where it is not of 8 bits; or ``"FITS"``, or
        ``"array"`` for pixels from a data set.
    height, width, bands
        Size of the image in the file, pixels, and its bands with alpha.
    span
        Where ``pixels`` are the central square alone: its side in those pixels.
    """

    pixels: NDArray[Any]
    mode: str
    height: int
    width: int
    bands: int
    span: float = 0.0


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


def upright(pixels: NDArray[Any], orientation: object) -> NDArray[Any]:
    """Turn an image as it is to be seen.

    Parameters
    ----------
    pixels
        As stored, shape (row, column, band).
    orientation
        What the tag says: 1 to 8; all else is taken for 1, which turns nothing.

    Examples
    --------
    >>> upright(np.array([[1, 2, 3]])[..., None], 6)[..., 0].tolist()
    [[1], [2], [3]]
    >>> upright(np.array([[1, 2, 3]])[..., None], 3)[..., 0].tolist()
    [[3, 2, 1]]
    """
    # Where the first stored row and column are to be seen: (bottom, right), and rows as columns.
    bottom = orientation in (3, 4, 7, 8)
    right = orientation in (2, 3, 6, 7)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if bottom else 1, :: -1 if right else 1]


def over_black(pixels: NDArray[Any]) -> NDArray[Any]:
    """Lay an image with alpha over black: colour times alpha, rounded.

    Parameters
    ----------
    pixels
        uint8 or uint16, shape (row, column, band), alpha the last.

    Examples
    --------
    >>> over_black(np.array([[[255, 100, 0, 128]]], np.uint8)).tolist()
    [[[128, 50, 0]]]
    """
    opaque = np.iinfo(pixels.dtype).max
    product = pixels[..., :-1].astype(np.uint64) * pixels[..., -1:]
    shown: NDArray[Any] = ((product + opaque // 2) // opaque).astype(pixels.dtype)
    return shown


def plain(pixels: NDArray[Any]) -> NDArray[Any]:
    """Bring numbers of any kind to uint8 and uint16 as they are, all others to float32.

    Raises
    ------
    UnusableImageError
        Where they are no real numbers.
    """
    if pixels.dtype.newbyteorder("=") in (np.uint8, np.uint16):
        native: NDArray[Any] = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return native
    if pixels.dtype == np.bool_:
        levels: NDArray[Any] = np.where(pixels, np.uint8(255), np.uint8(0))
        return levels
    if pixels.dtype.kind not in "iuf":
        reason = f"holds {pixels.dtype}, which is no real number"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    with np.errstate(over="ignore"):
        return pixels.astype(np.float32)
