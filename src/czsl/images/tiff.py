"""TIFF images of 8 and 16 bits, and of floating-point numbers."""

from __future__ import annotations

from io import BytesIO
from itertools import islice, takewhile
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.flags import Flag
from czsl.images.picture import (
    MAX_NUMBERS,
    ORIENTATION,
    Picture,
    over_black,
    plain,
    refuse_huge,
    upright,
)
from czsl.images.unusable import UnusableImageError
from czsl.sections import MAX_BANDS

MAX_PAGES = MAX_BANDS + 1
"""More pages of a file are not looked at; so many are too many bands already."""

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def decode_tiff(raw: bytes) -> Picture | int:
    """Read the first image of a TIFF file, every bit of it.

    White that is stored as zero is turned round; alpha is laid over black, more samples
    beside colour are left out. Grey pages of equal size are bands. Each page is turned as
    its tag of orientation says.

    Parameters
    ----------
    raw
        The file.

    Returns
    -------
    Picture or int
        Where the file is packed or coloured as only Pillow reads (LZW, JPEG, palettes,
        CMYK): how many of its first pages are the bands of the image.

    Raises
    ------
    UnusableImageError
        Where the image is absurdly large, cut short, or holds no real numbers.
    """
    import tifffile

    with tifffile.TiffFile(BytesIO(raw)) as file:
        # Not more pages than that: a damaged file may lead round in a circle.
        pages: list[Any] = list(islice(file.pages, MAX_PAGES))
        page = pages[0]
        alike = takewhile(lambda one: one.shape == page.shape and one.dtype == page.dtype, pages)
        grey = list(alike) if page.samplesperpixel == 1 else [page]
        if page.planarconfig not in (1, 2):  # decoders would show memory that nobody wrote to
            reason = f"damaged header: planar configuration {page.planarconfig}, which is 1 or 2"
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
        if not _is_plain(page):
            return len(grey) if page.photometric in _greys() else 1
        for one in grey:
            _refuse_stated(one)
        pixels = np.concatenate([_upright(one) for one in grey], axis=-1)
        shown = _shown(plain(pixels), page)
    return Picture(shown, mode_of(pixels), shown.shape[0], shown.shape[1], pixels.shape[-1])


def mode_of(pixels: NDArray[Any]) -> str:
    """Say in Pillow's words what a file held, from its pixels, shape (row, column, band).

    Examples
    --------
    >>> mode_of(np.zeros((2, 2, 3), np.uint8)), mode_of(np.zeros((2, 2, 5), np.uint16))
    ('RGB', '5 bands;uint16')
    """
    bands = pixels.shape[-1]
    mode = _MODES.get(bands, f"{bands} bands")
    return mode if pixels.dtype == np.uint8 else f"{mode};{pixels.dtype.name}"


def _refuse_stated(page: Any) -> None:
    """Refuse what a header states before memory is taken for it."""
    # A damaged tag may hold many numbers, which int() refuses.
    refuse_huge(int(page.imagelength), int(page.imagewidth))
    numbers = max(prod(page.shape), prod(page.chunks))
    if numbers > MAX_NUMBERS:
        reason = f"{numbers} numbers, of which {MAX_NUMBERS} at most are decoded"
        raise UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)
    # tifffile would show as black what the file does not hold.
    held = sum(count > 0 for count in page.databytecounts)
    if held < prod(page.chunked):
        reason = f"cut short: holds {held} of its {prod(page.chunked)} strips or tiles"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)


def _is_plain(page: Any) -> bool:
    """Say whether tifffile alone, without more packages, reads all of a page."""
    import tifffile

    packed = {"NONE", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA"}
    return (
        page.compression.name in packed
        and page.predictor in (1, 2)
        and page.photometric in (*_greys(), tifffile.PHOTOMETRIC.RGB)
    )


def _greys() -> tuple[Any, ...]:
    """Give what a page without colour says that its samples mean."""
    import tifffile

    return tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE


def _upright(page: Any) -> NDArray[Any]:
    """Read a page and turn it as it is to be seen; its samples are the last axis."""
    pixels = _bands_last(page.asarray(), page.axes)
    tag = page.tags.get(ORIENTATION)
    return pixels if tag is None else upright(pixels, tag.value)


def _bands_last(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Bring the samples of a page to the last axis."""
    if axes == "YX":
        return pixels[..., None]
    return np.moveaxis(pixels, axes.index("S"), -1)


def _shown(pixels: NDArray[Any], page: Any) -> NDArray[Any]:
    """Make black zero, lay alpha over black, leave out what colour does not explain."""
    import tifffile

    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    extra = page.extrasamples
    colours = pixels.shape[-1] - len(extra)
    if not extra:
        return pixels
    if extra[0] == tifffile.EXTRASAMPLE.UNASSALPHA and pixels.dtype.kind == "u":
        return over_black(pixels[..., : colours + 1])
    # Grey with samples that have no name: those are bands.
    nameless = extra[0] == tifffile.EXTRASAMPLE.UNSPECIFIED and colours == 1
    return pixels if nameless else pixels[..., :colours]
