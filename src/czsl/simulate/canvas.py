"""The fine grid on which galaxies are drawn without blur, and what can be drawn on it."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINE = 2
"""Grid cells per pixel, along each axis."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A square grid around the galaxy that is drawn on it.

    Lengths are in pixels, x to the right and y upwards from the middle of the grid; row 0 is
    the top. Angles are in radians, anticlockwise from the x axis. What is drawn has the
    shape (y, x) and counts flux per cell.

    Attributes
    ----------
    galsim
        The imported GalSim.
    cells
        Number of cells along each side.
    radius, flux, angle
        Half-light radius, flux in r in units of a pixel's sky noise, and direction of the
        major axis of the galaxy.
    rng
        For everything that is drawn at random.
    """

    galsim: ModuleType
    cells: int
    radius: float
    flux: float
    angle: float
    rng: np.random.Generator

    def axes(self) -> tuple[Array, Array]:
        """Return the coordinates of the cells: x of shape (1, x), y of shape (y, 1)."""
        line = (np.arange(self.cells) - (self.cells - 1) / 2) / FINE
        return line[None, :], -line[:, None]

    def along(self) -> tuple[Array, Array]:
        """Return the coordinates along the major and the minor axis, each (y, x)."""
        x, y = self.axes()
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return cos * x + sin * y, cos * y - sin * x

    def profile(self, profile: Any, x: float = 0.0, y: float = 0.0) -> Array:
        """Draw a profile of GalSim centred on (x, y)."""
        image = profile.shift(x, y).drawImage(
            nx=self.cells, ny=self.cells, scale=1 / FINE, method="no_pixel", dtype=float
        )
        drawn: Array = image.array[::-1]  # GalSim's row 0 is the bottom
        return drawn

    def sersic(
        self,
        n: float,
        radius: float,
        axis_ratio: float,
        angle: float,
        centre: tuple[float, float] = (0.0, 0.0),
    ) -> Array:
        """Draw a Sersic profile of unit flux."""
        profile = self.galsim.Sersic(n, half_light_radius=radius)
        profile = profile.shear(q=axis_ratio, beta=angle * self.galsim.radians)
        return self.profile(profile, *centre)

    def blobs(self, x: Array, y: Array, width: Array | float, flux: Array | float) -> Array:
        """Draw round Gaussians centred on (x, y), with a standard deviation and a flux each."""
        across, up = self.axes()
        sigma = np.broadcast_to(width, x.shape)[:, None]
        peak = np.broadcast_to(flux, x.shape)[:, None] / (2 * np.pi * (sigma * FINE) ** 2)
        rows = np.exp(-0.5 * ((up.T - y[:, None]) / sigma) ** 2)  # (blob, y)
        columns = np.exp(-0.5 * ((across - x[:, None]) / sigma) ** 2)  # (blob, x)
        drawn: Array = np.einsum("by,bx->yx", rows, peak * columns)
        return drawn
