"""Draw galaxies with GalSim: ellipticals, spirals of both senses, edge-on discs, mergers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError, require_extra
from czsl.simulate.canvas import FINE, Canvas
from czsl.simulate.telescope import MARGIN, blur, photograph
from czsl.simulate.universe import CLASSES, Universe

Array = NDArray[np.float64]

# Brightness in g, r and i of stars of equal brightness in r.
OLD = np.array([0.52, 1.0, 1.42])
YOUNG = np.array([0.86, 1.0, 1.08])
NEWBORN = np.array([1.25, 1.0, 0.85])

DISC_SIZE = 1.2  # half-light radius of a disc over that of its galaxy


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """A galaxy as a telescope without noise sees it.

    Attributes
    ----------
    kind
        One of `czsl.simulate.universe.CLASSES`.
    light
        Brightness in units of the sky noise of a pixel, bands g, r, i; row 0 is the top of
        the image; shape (band, y, x).
    detail
        Signal-to-noise ratio of that which shows the class: the arms of a spiral, the
        second galaxy and the tails of a merger, the elongation of an edge-on disc, and all
        light of an elliptical.
    axis_ratio
        Minor over major axis after the blur.
    """

    kind: str
    light: Array
    detail: float
    axis_ratio: float


@dataclass(frozen=True)
class _Layer:
    """Light (y, x) as if in r before the blur, its colour (band,), whether it shows the class."""

    light: Array
    colour: Array
    shows: bool = False


# The layers of a galaxy, and its axis ratio before the blur.
_Scene = tuple[list[_Layer], float]


def draw_galaxies(
    kinds: Sequence[str], seed: int = 0, universe: Universe | None = None
) -> NDArray[np.uint8]:
    """Draw images of galaxies of the given kinds.

    Parameters
    ----------
    kinds
        Of `czsl.simulate.universe.CLASSES`, one per galaxy.
    seed
        The galaxy at a place depends on the seed, the place and its kind alone.
    universe
        How galaxies are.

    Returns
    -------
    array
        Red, green, blue from 0 to 255; shape (galaxy, y, x, channel).

    Raises
    ------
    ArgumentError
        Where a kind is not known.
    MissingExtraError
        Where GalSim is not installed.

    Examples
    --------
    >>> draw_galaxies(["edge", "merger"]).shape
    (2, 64, 64, 3)
    """
    universe = universe or Universe()
    images = np.zeros((len(kinds), universe.pixels, universe.pixels, 3), dtype=np.uint8)
    for index, kind in enumerate(kinds):
        rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
        images[index] = photograph(draw_galaxy(kind, rng, universe).light, rng)
    return images


def draw_galaxy(kind: str, rng: np.random.Generator, universe: Universe) -> Galaxy:
    """Draw one galaxy of a kind, blurred and without noise.

    The two senses of a spiral are mirror images: with a generator in the same state,
    "clockwise" is "anticlockwise" with left and right swapped.

    Raises
    ------
    ArgumentError
        Where the kind is not known.
    MissingExtraError
        Where GalSim is not installed.

    Examples
    --------
    >>> galaxy = draw_galaxy("clockwise", np.random.default_rng(0), Universe())
    >>> galaxy.light.shape, 0 < galaxy.axis_ratio < 1
    ((3, 64, 64), True)
    """
    if kind not in _DRAW:
        raise ArgumentError(f"there are no galaxies of kind {kind!r}; kinds are {', '.join(_DRAW)}")
    galsim = require_extra("galsim", "demo")
    seeing = _draw(rng, universe.seeing, universe.seeing_range)
    radius = _draw(rng, universe.radius, universe.radius_range)
    brightness = _draw(rng, universe.brightness, (0.0, np.inf))
    canvas = Canvas(
        galsim=galsim,
        cells=FINE * (universe.pixels + 2 * MARGIN),
        radius=radius,
        flux=brightness * 2 * np.pi * radius**2,
        angle=rng.uniform(0, np.pi),
        rng=rng,
    )
    layers, axis_ratio = _DRAW[kind](canvas, universe)
    layers.append(_neighbours(canvas, universe))
    blurred = blur(np.stack([layer.light for layer in layers]), seeing, galsim)
    colours = np.stack([layer.colour for layer in layers])
    light = np.einsum("lb,lyx->byx", colours, blurred)
    shown = np.array([layer.shows for layer in layers])
    shows = np.einsum("l,lyx->yx", colours[:, 1] * shown, blurred)
    if kind == "edge":
        shows = (shows - np.rot90(shows)) / 2
    squares = radius**2, (seeing / 2.355) ** 2
    return Galaxy(
        kind=kind,
        light=light[:, :, ::-1] if kind == "clockwise" else light,
        detail=float(np.linalg.norm(shows)),
        axis_ratio=float(np.sqrt((axis_ratio**2 * squares[0] + squares[1]) / sum(squares))),
    )


def _draw(
    rng: np.random.Generator, median_and_scatter: tuple[float, float], limits: tuple[float, float]
) -> float:
    median, scatter = median_and_scatter
    return float(np.clip(rng.lognormal(np.log(median), scatter), *limits))


def _mixed(first: Array, second: Array, share: float) -> Array:
    return first + share * (second - first)


def _elliptical(canvas: Canvas, universe: Universe) -> _Scene:
    """Draw a smooth galaxy: an elliptical, or a disc with a bulge and no arms."""
    rng = canvas.rng
    axis_ratio = rng.uniform(universe.flattest_elliptical, 1.0)
    colour = _mixed(OLD, YOUNG, rng.uniform(0.0, universe.blue_elliptical))
    if rng.random() < universe.lenticulars:
        disc, bulge = _disc_and_bulge(canvas, universe, axis_ratio)
        return [_Layer(disc, colour, True), _Layer(bulge, OLD, True)], axis_ratio
    n = rng.choice([2.0, 3.0, 4.0, 5.0])
    light = canvas.flux * canvas.sersic(n, canvas.radius, axis_ratio, canvas.angle)
    return [_Layer(light, colour, True)], axis_ratio


def _disc_and_bulge(canvas: Canvas, universe: Universe, axis_ratio: float) -> tuple[Array, Array]:
    """Draw an exponential disc and its bulge, each (y, x)."""
    rng = canvas.rng
    share = rng.uniform(0.05, universe.largest_bulge)
    rounder = 0.5 + 0.5 * axis_ratio
    disc = canvas.sersic(1.0, DISC_SIZE * canvas.radius, axis_ratio, canvas.angle)
    bulge = canvas.sersic(rng.choice([2.0, 3.0]), 0.3 * canvas.radius, rounder, canvas.angle)
    return (1 - share) * canvas.flux * disc, share * canvas.flux * bulge


def _spiral(canvas: Canvas, universe: Universe) -> _Scene:
    """Draw a disc whose arms trail an anticlockwise rotation, with a bulge and knots."""
    rng = canvas.rng
    axis_ratio = rng.uniform(universe.flattest_spiral, 1.0)
    disc, bulge = _disc_and_bulge(canvas, universe, axis_ratio)
    count = int(rng.choice([2, 2, 2, 3, 4]))
    wind = 1 / np.tan(np.radians(rng.uniform(13, 36)))
    contrast = _draw(rng, universe.arm_contrast, (0.0, 3.0))
    scale = DISC_SIZE * canvas.radius / 1.68  # of the exponential disc
    crests = contrast * _crests(canvas, count, wind, axis_ratio, scale)
    arms = disc * np.maximum(crests, -0.85)
    knots = 0.009 * contrast * canvas.flux * _knots(canvas, count, wind, axis_ratio, scale)
    red = rng.uniform(0.0, universe.red_spiral)
    colour = _mixed(YOUNG, OLD, red)
    blue = _mixed(NEWBORN, colour, 0.3 + 0.7 * red)
    layers = [_Layer(disc, colour), _Layer(bulge, OLD)]
    layers += [_Layer(arms, blue, True), _Layer(knots, NEWBORN, True)]
    return layers, axis_ratio


def _crests(canvas: Canvas, count: int, wind: float, axis_ratio: float, scale: float) -> Array:
    """Return the logarithmic arms over their disc, shape (y, x), from about -0.6 to 1.9.

    Arms that trail an anticlockwise rotation turn clockwise on their way out: on a crest
    the azimuth is a constant - wind * log(distance), with wind = 1 / tan(pitch angle).
    """
    rng = canvas.rng
    major, minor = canvas.along()
    distance = np.hypot(major, minor / axis_ratio) / scale + 1e-6
    azimuth = np.arctan2(minor / axis_ratio, major) + wind * np.log(distance)
    ragged = rng.uniform(0, 0.5) * np.sin(3 * distance + rng.uniform(0, 7))
    ragged = ragged + rng.uniform(0, 0.4) * np.sin(azimuth + rng.uniform(0, 7))
    crest = (0.5 + 0.5 * np.cos(count * azimuth + ragged)) ** rng.uniform(1.5, 3.5)
    begin = 1 / (1 + np.exp(-(distance - rng.uniform(0.5, 1.0)) / 0.15))
    end = 1 / (1 + np.exp((distance - 4.5) / 0.5))
    crests: Array = 2.5 * (crest - 0.25) * begin * end
    return crests


def _knots(canvas: Canvas, count: int, wind: float, axis_ratio: float, scale: float) -> Array:
    """Strew young clusters of about unit flux along the arms, shape (y, x)."""
    rng = canvas.rng
    number = rng.integers(4, 14)
    distance = rng.uniform(1.0, 3.2, number)
    arm = 2 * np.pi / count * rng.integers(0, count, number)
    azimuth = arm - wind * np.log(distance) + rng.normal(0, 0.12, number)
    major = distance * scale * np.cos(azimuth)
    minor = distance * scale * np.sin(azimuth) * axis_ratio
    cos, sin = np.cos(canvas.angle), np.sin(canvas.angle)
    flux = rng.exponential(1.0, number)
    return canvas.blobs(cos * major - sin * minor, sin * major + cos * minor, 0.5, flux)


def _edge(canvas: Canvas, universe: Universe) -> _Scene:
    """Draw a disc seen from its side, with a bulge and sometimes a lane of dust."""
    rng, galsim, radius = canvas.rng, canvas.galsim, canvas.radius
    bulge_share = rng.uniform(0.0, 0.35)
    disc = galsim.InclinedExponential(
        rng.uniform(80, 90) * galsim.degrees,
        half_light_radius=1.35 * radius,
        scale_h_over_r=rng.uniform(0.10, universe.thickest_disc),
    ).rotate(canvas.angle * galsim.radians)
    # GalSim knows this profile by its Fourier transform alone: a narrow blur ends it.
    disc = canvas.profile(galsim.Convolve(disc, galsim.Gaussian(sigma=0.3)))
    bulge = canvas.sersic(2.0, 0.4 * radius, rng.uniform(0.6, 0.9), canvas.angle)
    major, minor = canvas.along()
    off_middle = (minor - rng.normal(0, 0.3)) / 0.7
    lane = np.exp(-0.5 * (off_middle**2 + (major / (1.5 * radius)) ** 2))
    absorbed = 1 - np.exp(-rng.choice([0.0, 1.0]) * rng.uniform(0.3, 0.8) * lane)
    colour = _mixed(YOUNG, OLD, rng.uniform(0.2, 1.0))
    disc, bulge = (1 - bulge_share) * canvas.flux * disc, bulge_share * canvas.flux * bulge
    layers = [_Layer(disc, colour, True), _Layer(bulge, OLD, True)]
    # Dust takes more blue light than red.
    layers.append(_Layer(-absorbed * (disc + bulge), colour * np.array([1.2, 1.0, 0.8]), True))
    return layers, 0.22 + 0.4 * bulge_share


def _merger(canvas: Canvas, universe: Universe) -> _Scene:
    """Draw two galaxies close together, with one or two tails pulled out by the tides."""
    rng, radius = canvas.rng, canvas.radius
    ratio = _draw(rng, universe.merger_ratio, (0.0, 1.0))
    axis_ratio = rng.uniform(0.45, 0.9)
    n = rng.choice([1.0, 2.0, 3.0], 2)
    main = canvas.flux / (1 + ratio)
    first = main * canvas.sersic(n[0], 0.8 * radius, axis_ratio, canvas.angle)
    bearing = rng.uniform(0, 2 * np.pi)
    apart = radius * rng.uniform(*universe.merger_distance)
    place = apart * np.cos(bearing), apart * np.sin(bearing)
    shape = radius * rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.9), rng.uniform(0, np.pi)
    second = ratio * main * canvas.sersic(n[1], *shape, place)
    tails = np.zeros_like(first)
    for side in range(rng.integers(1, 3)):
        heading = bearing + np.pi * (1 + side) + rng.normal(0, 0.4)
        tails += _tail(canvas, heading, (side * place[0], side * place[1]))
    colour = _mixed(YOUNG, OLD, rng.uniform(0.0, 0.8))
    other = _mixed(YOUNG, OLD, rng.uniform(0.0, 0.9))
    layers = [_Layer(first, colour), _Layer(second, other, True)]
    return [*layers, _Layer(tails, _mixed(colour, YOUNG, 0.5), True)], axis_ratio


def _tail(canvas: Canvas, bearing: float, origin: tuple[float, float]) -> Array:
    """Draw a curved stream of stars that fades and widens outwards, shape (y, x)."""
    rng, radius = canvas.rng, canvas.radius
    way = np.linspace(0.0, 1.0, 24)
    heading = bearing + rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 2.2) * way
    distance = radius * (0.5 + rng.uniform(1.8, 3.4) * way)
    x, y = origin[0] + distance * np.cos(heading), origin[1] + distance * np.sin(heading)
    flux = canvas.flux * rng.uniform(0.08, 0.25) * (1.15 - way) / way.size
    return canvas.blobs(x, y, radius * (0.14 + 0.2 * way), flux)


def _neighbours(canvas: Canvas, universe: Universe) -> _Layer:
    """Draw unrelated stars and small galaxies off the centre."""
    rng = canvas.rng
    number = rng.poisson(universe.neighbours)
    bearing = rng.uniform(0, 2 * np.pi, number)
    distance = universe.pixels * rng.uniform(0.28, 0.7, number)
    flux = 12 * rng.pareto(1.3, number).clip(0, 40) + 15
    width = np.where(rng.random(number) < 0.5, 0.3, rng.uniform(0.8, 1.8, number))
    light = canvas.blobs(distance * np.cos(bearing), distance * np.sin(bearing), width, flux)
    return _Layer(light, _mixed(YOUNG, OLD, rng.uniform(-0.3, 1.0)))


_DRAW: dict[str, Callable[[Canvas, Universe], _Scene]] = dict(
    zip(CLASSES, (_elliptical, _spiral, _spiral, _edge, _merger), strict=True)
)
