"""Images of 8 bits made smaller or larger without aliasing, to the same bit everywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOBES = 3
"""Of the Lanczos filter, on each side."""

UNIT = 2**13
"""The weights are whole numbers of this sum: so that sums of grey levels are exact in float32."""

FINER = 2
"""Steps of a grey level that are kept between rows and columns."""

BLOCKS = 4
"""Blocks of rows, and of columns, that are made from what their own filters see: most weights of
the whole are zero."""

LARGE = 1024
"""Larger squares go through Pillow, which needs no copy of them in floating point."""


def resize(levels: NDArray[np.uint8], size: int, *, span: float) -> NDArray[np.uint8]:
    r"""Resize a square with the Lanczos filter.

    Each value is the sum over rows $i$ and columns $j$ of $w_i w_j y_{ij}$ with
    $w_i \propto L((i + 1/2 - c)/f)$, $L(x) = \mathrm{sinc}(x)\,\mathrm{sinc}(x/3)$ for
    $|x| < 3$, around the pixel's centre $c$; $f$ is the factor of the reduction, or 1. This
    is Pillow's resize but for rounding, to one grey level, at half the time: matrix
    products of whole numbers, the same on every machine.

    Parameters
    ----------
    levels
        Shape (row, column, band).
    size
        Side of the result, pixels.
    span
        How much of the square is shown, from its first row and column, in its pixels.

    Returns
    -------
    ndarray
        Shape (size, size, band).

    Examples
    --------
    >>> resize(np.full((9, 9, 3), 7, np.uint8), 4, span=8.5).shape
    (4, 4, 3)
    """
    rows, columns, bands = levels.shape
    if rows == columns == size == span:
        return np.ascontiguousarray(levels)
    if max(rows, columns) > LARGE:
        return _by_pillow(levels, size, span)
    grey = levels.reshape(rows, -1).astype(np.float32)
    down = np.empty((size, columns * bands), np.float32)
    for made, seen, weights in _blocks(rows, span, size):
        np.matmul(weights, grey[seen], out=down[made])
    down *= FINER / UNIT
    np.rint(down, out=down)
    turned = down.reshape(size, columns, bands).transpose(0, 2, 1).reshape(-1, columns)
    across = np.empty((size * bands, size), np.float32)
    for made, seen, weights in _blocks(columns, span, size):
        np.matmul(turned[:, seen], weights.T, out=across[:, made])
    across *= 1 / (FINER * UNIT)
    np.rint(across, out=across)
    np.clip(across, 0, 255, out=across)
    found = across.astype(np.uint8).reshape(size, bands, size).transpose(0, 2, 1)
    return np.ascontiguousarray(found)


class _Block(NamedTuple):
    """Neighbouring pixels of the result, the pixels that they see, and what each counts."""

    made: slice
    seen: slice
    weights: NDArray[np.float32]


@lru_cache(maxsize=64)
def _blocks(pixels: int, span: float, size: int) -> tuple[_Block, ...]:
    """Cut the weights into blocks without what is zero on either side."""
    weights, step, found = _weights(pixels, span, size), -(-size // BLOCKS), []
    for start in range(0, size, step):
        made = slice(start, min(start + step, size))
        used = np.flatnonzero(weights[made].any(axis=0))
        seen = slice(int(used[0]), int(used[-1]) + 1)
        block = np.ascontiguousarray(weights[made, seen])
        found.append(_Block(made=made, seen=seen, weights=block))
    return tuple(found)


def _weights(pixels: int, span: float, size: int) -> NDArray[np.float32]:
    """Give what each pixel counts in each pixel of the result, shape (size, pixel)."""
    step = span / size
    factor = max(1.0, step)
    centres = (np.arange(size)[:, None] + 0.5) * step
    distances = (np.arange(pixels) + 0.5 - centres) / factor
    lanczos = np.sinc(distances) * np.sinc(distances / LOBES)
    weights = np.where(np.abs(distances) < LOBES, lanczos, 0)
    whole: NDArray[np.float64] = np.rint(UNIT * weights / weights.sum(axis=1, keepdims=True))
    # What is lost by rounding goes to the largest, so that even sky stays even.
    whole[np.arange(size), whole.argmax(axis=1)] += UNIT - whole.sum(axis=1)
    return whole.astype(np.float32)


def _by_pillow(levels: NDArray[np.uint8], size: int, span: float) -> NDArray[np.uint8]:
    """Resize band by band."""
    bands = [
        Image.fromarray(np.ascontiguousarray(band)).resize(
            (size, size), Image.Resampling.LANCZOS, box=(0, 0, span, span)
        )
        for band in np.moveaxis(levels, -1, 0)
    ]
    return np.stack([np.asarray(band) for band in bands], axis=-1)
