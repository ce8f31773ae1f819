"""From fluxes to grey levels: the asinh stretch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.sections import StretchSettings


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
        Grey levels, same shape, rounded down.

    Examples
    --------
    >>> asinh_stretch(np.array([[[0.0], [1.0], [100.0], [np.nan]]]), StretchSettings())
    array([[[  0],
            [ 43],
            [200],
            [  0]]], dtype=uint8)
    """
    fluxes = pixels.astype(np.float64) - settings.minimum  # (row, column, band)
    fluxes[~np.isfinite(fluxes).all(axis=-1)] = 0.0
    intensity = fluxes.mean(axis=-1, keepdims=True)
    slope = 255.0 * 0.1 / np.arcsinh(0.1 * settings.softening)
    positive = intensity > 0
    stretched = slope * np.arcsinh(intensity * (settings.softening / settings.scale))
    ratio = np.divide(stretched, intensity, out=np.zeros_like(intensity), where=positive)
    levels = np.maximum(fluxes * ratio, 0.0)
    brightest = levels.max(axis=-1, keepdims=True)
    np.divide(levels * 255.0, brightest, out=levels, where=brightest > 255.0)
    shown: NDArray[np.uint8] = levels.astype(np.uint8)
    return shown
