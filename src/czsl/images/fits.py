"""FITS cutouts: fluxes in one or several bands."""

from __future__ import annotations

import zlib
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.flags import Flag
from czsl.images.fits_plain import decode_plain
from czsl.images.picture import MAX_NUMBERS
from czsl.images.unusable import UnusableImageError

MAX_HEADER = 2**20
"""Bytes beyond the pixels that a packed file may unpack to."""


def decode_fits(raw: bytes) -> NDArray[np.float32]:
    """Read the first image of a FITS file, be it packed by gzip or by tiles.

    Parameters
    ----------
    raw
        The file. Its image has the axes (row, column) or (band, row, column); further
        axes in front have length 1.

    Returns
    -------
    ndarray
        Fluxes in the file's unit, shape (row, column, band), the top row first: FITS
        counts rows upwards.

    Raises
    ------
    UnusableImageError
        Where there is no image, or an absurdly large one.
    """
    content = _unpacked(raw)
    if (numbers := decode_plain(content)) is not None:
        return _in_rows(numbers)
    # The error of astropy's C library is not among its public names, and has no kin.
    from astropy.io.fits.hdu.compressed._compression import CfitsioException
    from astropy.io.fits.verify import VerifyError

    try:
        return _in_rows(_first_image(content))
    except (CfitsioException, VerifyError) as error:
        reason = f"cannot be decoded: {error}"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason) from error


def _first_image(raw: bytes) -> NDArray[Any]:
    """Read the fluxes of the first unit that is an image, shape ([band,] row, column)."""
    from astropy.io import fits

    with fits.open(BytesIO(raw), memmap=False, lazy_load_hdus=True) as units:
        for unit in units:
            shape = unit.shape if unit.is_image else ()
            if len(shape) >= 2 and prod(shape):
                _refuse_shape(shape)
                return np.asarray(unit.data).reshape(shape[-3:])
    raise UnusableImageError(Flag.IMAGE_UNREADABLE, "a FITS file without an image")


def _refuse_shape(shape: tuple[int, ...]) -> None:
    """Refuse axes that mean nothing to us, and absurdly many pixels."""
    if prod(shape[:-3]) != 1:
        reason = f"a FITS image of shape {shape}, where (band, row, column) is read"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    if prod(shape) > MAX_NUMBERS:
        reason = f"a FITS image of {prod(shape)} numbers, of which {MAX_NUMBERS} at most are read"
        raise UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)


def _in_rows(fluxes: NDArray[Any]) -> NDArray[np.float32]:
    """Put the bands last and the top row first."""
    cube = fluxes[None] if fluxes.ndim == 2 else fluxes  # (band, row, column)
    with np.errstate(over="ignore"):
        return np.moveaxis(cube, 0, -1)[::-1].astype(np.float32)


def _unpacked(raw: bytes) -> bytes:
    """Unpack gzip, up to the size that an image may have."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    most = 8 * MAX_NUMBERS + MAX_HEADER
    unpacker = zlib.decompressobj(wbits=31)
    content = unpacker.decompress(raw, most)
    if unpacker.unconsumed_tail:
        reason = f"unpacks to more than {most} bytes"
        raise UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)
    if not unpacker.eof:
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, "a truncated gzip file")
    return content
