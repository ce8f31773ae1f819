"""From a scene without blur to an image: seeing, pixels, sky noise, colours."""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from czsl.simulate.canvas import FINE

Array = NDArray[np.float64]

MARGIN = 8
"""Pixels around the image that are drawn too, so that the blur does not wrap around it."""

MOFFAT_BETA = 3.0
SKY_NOISE = np.array([1.0, 1.0, 1.25])  # of a pixel, in g, r and i
SKY = 1.5  # what is left of the sky's light, in sky noises: a black sky would hide the noise
BALANCE = np.array([1.25, 1.0, 0.8])  # gains of g, r and i that make a mixed galaxy white
SOFTENING = 7.5  # sky noises up to which the stretch is linear
WHITE = 40.0  # sky noises that are shown as white


def blur(fine: Array, seeing: float, galsim: ModuleType) -> Array:
    """Blur with a Moffat profile and sum the cells inside the margin into pixels.

    Parameters
    ----------
    fine
        Flux per cell, shape (layer, y, x).
    seeing
        Full width at half maximum in pixels.
    galsim
        The imported GalSim.

    Returns
    -------
    array
        Flux per pixel, shape (layer, y, x).
    """
    cells = fine.shape[-1]
    moffat = galsim.Moffat(MOFFAT_BETA, fwhm=seeing).drawImage(
        nx=cells, ny=cells, scale=1 / FINE, method="no_pixel", dtype=float
    )
    spread = fft.rfft2(fft.ifftshift(moffat.array / moffat.array.sum()))
    # The profile's centre lies between four cells: move it by half a cell to the first.
    half_cell = np.exp(-1j * np.pi * fft.fftfreq(cells))
    spread *= half_cell[:, None] * half_cell[None, : spread.shape[1]]
    # Half the digits are plenty beside the noise, and take half the time.
    waves = fft.rfft2(fine.astype(np.float32)) * spread.astype(np.complex64)
    blurred = fft.irfft2(waves, s=fine.shape[-2:])
    inside = slice(FINE * MARGIN, cells - FINE * MARGIN)
    cut = blurred[:, inside, inside].astype(float)
    corners = [cut[:, row::FINE, column::FINE] for row in range(FINE) for column in range(FINE)]
    pixels: Array = np.sum(corners, axis=0)
    return pixels


def photograph(light: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add the noise of the sky and turn three bands into colours.

    The stretch keeps the ratios of the bands and compresses their mean I to
    asinh(I / s) / asinh(w / s) with the softening s and the white level w, after Lupton et
    al. 2004 (PASP 116, 133).

    Parameters
    ----------
    light
        Brightness in units of the sky noise, bands g, r, i; shape (band, y, x).
    rng
        For the noise.

    Returns
    -------
    array
        Red, green, blue; shape (y, x, channel).

    Examples
    --------
    >>> photograph(np.zeros((3, 64, 64)), np.random.default_rng(0)).shape
    (64, 64, 3)
    """
    noise = rng.normal(0.0, 1.0, light.shape) * SKY_NOISE[:, None, None]
    bands = (light + noise + SKY) * BALANCE[:, None, None]
    mean = np.maximum(bands.mean(axis=0), 1e-3)
    colours = bands / mean * np.arcsinh(mean / SOFTENING) / np.arcsinh(WHITE / SOFTENING)
    colours = np.clip(colours, 0.0, None)
    colours /= np.maximum(colours.max(axis=0), 1.0)  # too bright: keep the hue
    image: NDArray[np.uint8] = (colours[::-1].transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
    return image
