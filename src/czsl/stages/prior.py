"""Shares of the classes in another survey, and posteriors moved to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.scores import known_rows

Floats = NDArray[np.float64]

DRAWN = 20_000
"""Objects that the interval is estimated from at most; it is then widened to all of them."""


def adjust(posterior: Floats, old: Floats, new: Floats) -> Floats:
    r"""Move posteriors from one set of class shares to another.

    .. math:: p'_k \propto p_k\,\pi'_k / \pi_k

    (Saerens, Latinne and Decaestecker 2002, Neural Computation 14, 21, equation 2.4.)

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN stay.
    old, new
        Shares that it takes for granted, and shares to move to, shape (class,).

    Examples
    --------
    >>> adjust(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    array([[0.9, 0.1]])
    """
    moved = posterior * (new / old)
    scaled: Floats = moved / moved.sum(axis=1, keepdims=True)
    return scaled


def reestimate(
    posterior: Floats, prior: Floats, weights: Floats | None = None, tolerance: float = 1e-7
) -> Floats:
    r"""Estimate the shares of the classes by expectation-maximisation.

    Starting from the prior, posteriors are moved to the present shares and averaged to new
    ones, until they stay. That finds the shares of highest likelihood where images of a class
    look alike in both surveys. (Saerens et al. 2002, equation 2.9.)

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    prior
        Shares that it takes for granted, shape (class,).
    weights
        How often each object counts, shape (object,); by default once.
    tolerance
        Largest change of a share at which the shares stay.

    Examples
    --------
    >>> certain = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
    >>> reestimate(certain, np.array([0.5, 0.5]))
    array([0.75, 0.25])
    """
    known = known_rows(posterior)
    ratios = posterior[known] / prior
    counts = np.ones(len(ratios)) if weights is None else weights[known]
    shares: Floats = prior / prior.sum()
    if not counts.sum():
        return shares
    for _ in range(10_000):
        moved = ratios * shares
        new: Floats = counts @ (moved / moved.sum(axis=1, keepdims=True)) / counts.sum()
        done = np.abs(new - shares).max() < tolerance
        shares = new
        if done:
            break
    return shares


def shares_interval(
    posterior: Floats, prior: Floats, *, draws: int = 200, seed: int = 0
) -> tuple[Floats, Floats]:
    """Give the 95% interval of the shares, by a bootstrap over the objects.

    It says how well so many objects fix the shares. It takes the posteriors for calibrated and
    images of a class for alike in both surveys: where they are not, the shares may be farther
    off.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    prior
        Shares that it takes for granted, shape (class,).
    draws
        Number of draws.
    seed
        Of the draws.

    Returns
    -------
    Array, Array
        Lower and upper limits, shape (class,) each.
    """
    known = posterior[known_rows(posterior)]
    middle = reestimate(known, prior)
    if not len(known):
        return middle * 0, middle * 0 + 1
    random = np.random.default_rng(seed)
    part = known if len(known) <= DRAWN else known[random.permutation(len(known))[:DRAWN]]
    drawn = [
        reestimate(part, prior, counts.astype(np.float64))
        for counts in random.multinomial(len(part), np.full(len(part), 1 / len(part)), size=draws)
    ]
    centre = reestimate(part, prior)
    low, high = np.quantile(np.array(drawn) - centre, [0.025, 0.975], axis=0)
    shrink = np.sqrt(len(part) / len(known))  # errors fall with the root of the number
    return (middle + shrink * low).clip(0, 1), (middle + shrink * high).clip(0, 1)
