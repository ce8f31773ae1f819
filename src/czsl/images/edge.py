"""Where a cutout runs over the edge of the survey's frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTH = 0.02
"""Share of a square's side that has no sky where the frame ends inside it; 2 rows at least."""

TOLERANCE = 2
"""Grey levels by which JPEG changes what was one value."""

SIDES = ("top", "bottom", "left", "right")


def empty_sides(square: NDArray[Any]) -> list[str]:
    """Name the sides of a cutout along which the survey's frame has ended.

    There every pixel of the outermost 2 rows or columns, or 2% of them if that is more, has
    the same value: to 2 grey levels in each channel of 8 bits, exactly in numbers of other
    kinds, of which those that are not finite do not count. A square with nothing on all four
    sides is an object on black, and none of them is named. A frame that ends aslant
    leaves no side without sky, and is not seen.

    Parameters
    ----------
    square
        The cropped square, not resized: uint8, uint16 or float32, shape (row, column, band).

    Returns
    -------
    list of str
        Of ``SIDES``, none to three.

    Examples
    --------
    >>> sky = np.random.default_rng(0).normal(size=(100, 100, 1))
    >>> sky[:, 97:] = np.nan
    >>> empty_sides(sky)
    ['right']
    """
    rows = max(2, round(DEPTH * min(square.shape[:2])))
    strips = (square[:rows], square[-rows:], square[:, :rows], square[:, -rows:])
    lines = (square[0], square[-1], square[:, 0], square[:, -1])
    empty = [
        side
        for side, line, strip in zip(SIDES, lines, strips, strict=True)
        if _is_one_value(line) and _is_one_value(strip.reshape(-1, square.shape[-1]))
    ]
    return empty if len(empty) < len(SIDES) else []


def _is_one_value(pixels: NDArray[Any]) -> bool:
    """Tell whether pixels, shape (pixel, band), are the same in every band."""
    if pixels.dtype == np.uint8:
        few = pixels[:: len(pixels) // 4 + 1].tolist()  # tells most lines of sky at once
        if any(max(band) - min(band) > TOLERANCE for band in zip(*few, strict=True)):
            return False
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        return bool((high - low).max() <= TOLERANCE)
    if pixels.dtype.kind == "f":
        finite = np.isfinite(pixels).all(axis=-1)
        if not finite.all():
            pixels = pixels[finite]
    return bool((pixels == pixels[:1]).all())
