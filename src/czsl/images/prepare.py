"""From decoded pixels to the arrays that networks see: crop, grey levels, channels, size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from czsl.flags import Flag
from czsl.images.resize import resize
from czsl.images.stretch import asinh_stretch
from czsl.images.unusable import UnfitImageError, UnusableImageError
from czsl.sections import MAX_BANDS, ImagesSettings

REDUCTIONS = (4, 2)
"""How many times smaller a JPEG may be decoded, the best first."""


def central_box(height: int, width: int, crop: int | float | None) -> tuple[int, int, int]:
    """Place the central square.

    Where the square cannot be centred to the pixel it starts on an even row or column:
    that is where a JPEG decoded at half size has a pixel's edge.

    Parameters
    ----------
    height, width
        Size of the image, pixels.
    crop
        Side in pixels, or as a fraction of the smaller side; None is the smaller side.

    Returns
    -------
    tuple
        First row, first column and side, pixels.

    Raises
    ------
    UnfitImageError
        Where the square is larger than the image.

    Examples
    --------
    >>> central_box(423, 424, 128)
    (148, 148, 128)
    >>> central_box(100, 120, 0.5)
    (25, 35, 50)
    """
    smaller = min(height, width)
    if crop is None:
        side = smaller
    elif isinstance(crop, float):
        side = max(1, round(crop * smaller))
    else:
        side = crop
    if side > smaller:
        raise UnfitImageError(
            f"{width} x {height} pixels, smaller than the {side} of [images] crop"
        )
    return _start(height - side), _start(width - side), side


def _start(spare: int) -> int:
    """Halve the rows to spare; of two halves that are as good, take the even one."""
    start = spare // 2
    return start + (start % 2) * (spare % 2)


def reduction(height: int, width: int, settings: ImagesSettings) -> int:
    """Say how many times smaller an image may be decoded: 1, 2 or 4.

    As many pixels as are stored have to be left at least, and the crop has to begin on a
    pixel's edge. Against all pixels, that changes grey levels of galaxies by 0.2 to 0.6
    on average.

    Examples
    --------
    >>> reduction(423, 423, ImagesSettings(crop=128, size=64))
    2
    >>> reduction(423, 423, ImagesSettings(crop=128, size=100))
    1
    """
    top, left, side = central_box(height, width, settings.crop)
    for factor in REDUCTIONS:
        if side >= settings.size * factor and top % factor == 0 and left % factor == 0:
            return factor
    return 1


def reduced_box(
    height: int, width: int, factor: int, settings: ImagesSettings
) -> tuple[int, int, int, float]:
    """Place the central square in an image that was decoded at a reduced size.

    Parameters
    ----------
    height, width
        Size of the whole image, pixels.
    factor
        How many times smaller it was decoded.
    settings
        Hold the crop.

    Returns
    -------
    tuple
        First row, first column, and side in whole pixels and exactly, all of them in
        pixels of the reduced image.

    Examples
    --------
    >>> reduced_box(423, 423, 2, ImagesSettings(crop=127))
    (74, 74, 64, 63.5)
    """
    top, left, side = central_box(height, width, settings.crop)
    return top // factor, left // factor, -(-side // factor), side / factor


def prepare(pixels: NDArray[Any], settings: ImagesSettings, channels: int) -> NDArray[np.uint8]:
    """Crop an image, bring it to grey levels of 8 bits, and resize it without aliasing.

    Parameters
    ----------
    pixels
        uint8, uint16 or float32, shape (row, column, band).
    settings
        Crop, size and stretch.
    channels
        As many as there are bands; or 3 for one band, or 1 for three.

    Returns
    -------
    ndarray
        Grey levels, shape (size, size, channel).

    Raises
    ------
    UnfitImageError
        Where the crop is larger than the image, or the bands cannot become the channels.
    UnusableImageError
        Where nothing is to be seen: every pixel the same, or none finite.

    Examples
    --------
    >>> image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    >>> prepare(image, ImagesSettings(crop=16, size=8), 1).shape
    (8, 8, 1)
    """
    height, width = pixels.shape[:2]
    top, left, side = central_box(height, width, settings.crop)
    square = pixels[top : top + side, left : left + side]
    return prepare_square(square, settings, channels, span=side)


def prepare_square(
    square: NDArray[Any], settings: ImagesSettings, channels: int, *, span: float
) -> NDArray[np.uint8]:
    """Bring a square to grey levels of 8 bits, and resize it without aliasing.

    Numbers of 16 bits are divided by 257 and rounded; fluxes are stretched
    (:func:`~czsl.images.stretch.asinh_stretch`). Each band is a channel. But grey is
    repeated for three channels, and three bands become their luma (ITU-R 601) for one. The
    filter is Lanczos with three lobes, widened by the factor of the reduction.

    Parameters
    ----------
    square
        uint8, uint16 or float32, shape (row, column, band).
    settings
        Size and stretch.
    channels
        As many as there are bands; or 3 for one band, or 1 for three.
    span
        How much of the square is shown, from its first row and column, in its pixels.

    Returns
    -------
    ndarray
        Grey levels, shape (size, size, channel).

    Raises
    ------
    UnfitImageError
        Where the bands cannot become the channels, or there are more than eight.
    UnusableImageError
        Where nothing is to be seen: every pixel the same, or none finite.
    """
    _refuse_bands(square.shape[-1], channels)
    _refuse_blank(square, "every pixel has the same value, or none is finite")
    wanted = _grey_levels(square, settings)
    if channels == 1 and wanted.shape[-1] == 3:
        wanted = np.asarray(Image.fromarray(np.ascontiguousarray(wanted)).convert("L"))[..., None]
    levels = resize(wanted, settings.size, span=span)
    _refuse_blank(levels, "every pixel has the same value once it is stretched and resized")
    return levels if levels.shape[-1] == channels else np.repeat(levels, channels, axis=-1)


def _refuse_bands(bands: int, channels: int) -> None:
    """Refuse bands that cannot become the channels."""
    if bands > MAX_BANDS:
        raise UnfitImageError(f"{bands} bands, of which {MAX_BANDS} at most can be used")
    if bands != channels and {bands, channels} != {1, 3}:
        allowed = {1: "1 or 3", 3: "1 or 3"}.get(channels, str(channels))
        raise UnfitImageError(
            f"{bands} band(s), where {channels} channel(s) are made of {allowed}; 'channels' in "
            "[images] says how many"
        )


def _refuse_blank(pixels: NDArray[Any], reason: str) -> None:
    """Refuse an image on which nothing is to be seen."""
    middle = pixels[len(pixels) // 2, pixels.shape[1] // 2]
    if pixels.dtype == np.uint8 and (middle != pixels[0, 0]).any():
        return  # told from two pixels, which is all that most images need
    if pixels.dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels).all(axis=-1)]
    flat = pixels.reshape(-1, pixels.shape[-1])
    if len(flat) and (flat[:: len(flat) // 64 + 1] != flat[0]).any():
        return
    if not flat.size or (flat == flat[0]).all():
        raise UnusableImageError(Flag.IMAGE_BLANK, reason)


def _grey_levels(pixels: NDArray[Any], settings: ImagesSettings) -> NDArray[np.uint8]:
    """Bring numbers of any kind to 8 bits."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return asinh_stretch(pixels, settings.stretch)


def viewable(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give an image that can be looked at: grey, shape (row, column), or colour.

    Two bands become their mean; of four and more, from red to blue, the first, one in the
    middle and the last are shown.

    Parameters
    ----------
    levels
        Grey levels, shape (row, column, channel).

    Examples
    --------
    >>> [viewable(np.zeros((4, 4, bands), np.uint8)).shape for bands in (1, 2, 3, 5)]
    [(4, 4), (4, 4), (4, 4, 3), (4, 4, 3)]
    """
    bands = levels.shape[-1]
    if bands <= 2:
        grey: NDArray[np.uint8] = levels.mean(axis=-1).round().astype(np.uint8)
        return grey
    return np.ascontiguousarray(levels[..., [0, bands // 2, bands - 1]])
