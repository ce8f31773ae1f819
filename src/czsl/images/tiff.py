"""TIFF images of 8 and 16 bits, and of floating-point numbers."""

from __future__ import annotations

from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.images.picture import Picture, over_black, plain, refuse_huge

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def decode_tiff(raw: bytes) -> Picture | None:
    """Read the first image of a TIFF file, every bit of it.

    White that is stored as zero is turned round; alpha is laid over black, samples that
    the file does not explain are left out. Pages of equal size are bands.

    Parameters
    ----------
    raw
        The file.

    Returns
    -------
    Picture or None
        None where the file is packed or coloured as only Pillow reads: LZW, JPEG,
        palettes, CMYK.

    Raises
    ------
    UnusableImageError
        Where the image is absurdly large, or holds no real numbers.
    """
    import tifffile

    with tifffile.TiffFile(BytesIO(raw)) as file:
        series = file.series[0]
        page = series.keyframe
        if not _is_plain(page):
            return None
        refuse_huge(prod(series.shape) // (series.shape[-1] if "S" in series.axes else 1), 1)
        refuse_huge(page.imagelength, page.imagewidth)
        pixels = _bands_last(series.asarray(), series.axes)
        bands = pixels.shape[-1]
        mode = _MODES.get(bands, f"{bands} bands")
        if pixels.dtype != np.uint8:
            mode += f";{pixels.dtype.name}"
        shown = _shown(plain(pixels), page)
    return Picture(shown, mode, shown.shape[0], shown.shape[1], bands)


def _is_plain(page: Any) -> bool:
    """Say whether tifffile alone, without more packages, reads all of a page."""
    import tifffile

    packed = {"NONE", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA"}
    colours = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    return (
        page.compression.name in packed
        and page.predictor in (1, 2)
        and page.photometric in (*colours, tifffile.PHOTOMETRIC.RGB)
    )


def _bands_last(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Bring samples, or pages, to the last axis."""
    if "S" not in axes:
        pixels = pixels.reshape(-1, *pixels.shape[-2:])
        return np.moveaxis(pixels, 0, -1)
    pixels = np.moveaxis(pixels, axes.index("S"), -1)
    return pixels.reshape(pixels.shape[-3:]) if prod(pixels.shape[:-3]) == 1 else pixels[0]


def _shown(pixels: NDArray[Any], page: Any) -> NDArray[Any]:
    """Make black zero, lay alpha over black, leave out what the file does not explain."""
    import tifffile

    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    extra = page.extrasamples
    if extra and extra[0] == tifffile.EXTRASAMPLE.UNASSALPHA and pixels.dtype.kind == "u":
        return over_black(pixels[..., : pixels.shape[-1] - len(extra) + 1])
    return pixels[..., : pixels.shape[-1] - len(extra)] if extra else pixels
