"""From fluxes to grey levels: the asinh stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.sections import StretchSettings

_LARGE = 1e30
"""Larger fluxes are stretched with 64 bits, where they do not overflow."""


def asinh_stretch(pixels: NDArray[np.floating], settings: StretchSettings) -> NDArray[np.uint8]:
    r"""Show fluxes as grey levels, the colour of a pixel kept however bright it is.

    With :math:`x_b` the flux of band b above the minimum, :math:`I` its mean over the
    bands, scale s and softening Q (Lupton et al. 2004, PASP 116, 133, equation 2; the
    constants are those of astropy, in whose words s is ``stretch``):

    .. math:: f(I) = \frac{0.1}{\mathrm{asinh}(0.1\,Q)}\,\mathrm{asinh}(Q\,I / s),
              \qquad y_b = 255\,x_b\,f(I) / I

    Negative :math:`y_b` are black. Where the largest band exceeds 255, all bands are
    divided by the same number, so that it is 255. Pixels that are not finite in any band
    are black.

    Parameters
    ----------
    pixels
        Fluxes in the image's own unit, shape (row, column, band), from red to blue.
    settings
        Scale and minimum in the same unit, softening without one.

    Returns
    -------
    ndarray
        Grey levels, same shape, rounded down; to one level, where that is a close call.

    Examples
    --------
    >>> asinh_stretch(np.array([[[0.0], [1.0], [100.0], [np.nan]]]), StretchSettings())
    array([[[  0],
            [ 43],
            [200],
            [  0]]], dtype=uint8)
    """
    largest = np.fmax.reduce(np.abs(pixels), axis=None)
    # Half the memory is twice the speed; 32 bits hold all that 8 bits of grey show.
    kind: Any = np.float32 if largest < _LARGE else np.float64
    fluxes: NDArray[Any] = np.moveaxis(pixels, -1, 0).astype(kind, order="C")  # (band, row, column)
    fluxes -= kind(settings.minimum)
    intensity = fluxes.mean(axis=0)
    intensity[~np.isfinite(intensity)] = 0
    slope = kind(255 * 0.1 / np.arcsinh(0.1 * settings.softening))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = slope * np.arcsinh(intensity * kind(settings.softening / settings.scale))
        ratio /= intensity
        ratio[intensity <= 0] = 0
        fluxes *= ratio  # now grey levels; infinite times 0 is not a number, and black
    levels = np.fmax(fluxes, 0, out=fluxes)
    brightest = np.maximum(levels.max(axis=0), 255)
    levels *= 255 / brightest
    shown = np.empty(pixels.shape, np.uint8)
    shown[...] = np.moveaxis(levels, 0, -1)
    return shown
