"""Shares of the classes in another survey, and posteriors moved to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.scores import LEVELS, known_rows

Floats = NDArray[np.float64]

DRAWN = 20_000
"""Different objects that the draws of the interval are made of at most."""

TOLERANCE = 1e-9
"""Change of a share, in one step of expectation-maximisation, at which the shares stay."""

CYCLES = 1000
"""At most; about ten are needed."""


def adjust(posterior: Floats, old: Floats, new: Floats) -> Floats:
    r"""Move posteriors from one set of class shares to another.

    .. math:: p'_k \propto p_k\,\pi'_k / \pi_k

    (Saerens, Latinne and Decaestecker 2002, Neural Computation 14, 21, equation 2.4.)

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN stay.
    old, new
        Shares that it takes for granted, and shares to move to, shape (class,). A class that
        has none in the old has none in the new.

    Examples
    --------
    >>> adjust(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    array([[0.9, 0.1]])
    """
    ratio = np.divide(new, old, out=np.zeros(len(old)), where=old > 0)
    moved = posterior * ratio
    scaled: Floats = moved / moved.sum(axis=1, keepdims=True)
    return scaled


def reestimate(posterior: Floats, prior: Floats) -> Floats:
    r"""Estimate the shares of the classes by expectation-maximisation.

    Starting from the prior, posteriors are moved to the present shares and averaged to new
    ones,

    .. math:: \pi'_k \leftarrow \frac1N \sum_i \frac{p_{ik}\,\pi'_k / \pi_k}
        {\sum_l p_{il}\,\pi'_l / \pi_l}

    (Saerens et al. 2002, equation 2.9), until they stay. That finds the shares of highest
    likelihood, where images of a class look alike in both surveys.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    prior
        Shares that it takes for granted, shape (class,). A class that has none keeps none.

    Returns
    -------
    Array
        Shares, shape (class,); the prior where no object is known.

    Examples
    --------
    >>> certain = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
    >>> reestimate(certain, np.array([0.5, 0.5])).round(6)
    array([0.75, 0.25])
    """
    ratios = _ratios(posterior, prior)
    return _likeliest(ratios, np.ones(len(ratios)), prior / prior.sum())


def shares_interval(
    posterior: Floats, prior: Floats, *, draws: int = 200, seed: int = 0
) -> tuple[Floats, Floats]:
    """Give the 95% interval of the shares, by a bootstrap over the objects.

    It says how well so many objects fix the shares. It leaves out what the experts' objects
    leave open: it takes the posteriors for calibrated and images of a class for alike in both
    surveys. Where they are not, the shares may be farther off. Of very many objects the draws
    repeat a random 20,000.

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
    ratios = _ratios(posterior, prior)
    number = len(ratios)
    if not number:
        return np.zeros(len(prior)), np.ones(len(prior))
    middle = _likeliest(ratios, np.ones(number), prior / prior.sum())
    random = np.random.default_rng(seed)
    part = ratios if number <= DRAWN else ratios[random.permutation(number)[:DRAWN]]
    centre = _likeliest(part, np.ones(len(part)), middle)
    even = np.full(len(part), 1 / len(part))
    apart = [
        _likeliest(part, random.multinomial(number, even).astype(np.float64), centre) - centre
        for _ in range(draws)
    ]
    low, high = np.quantile(apart, LEVELS, axis=0)
    return (middle + low).clip(0, 1), (middle + high).clip(0, 1)


def _ratios(posterior: Floats, prior: Floats) -> Floats:
    """Divide by the prior, shape (known object, class); 0 for a class that has no share.

    Objects that are surely of such a class are left out.
    """
    known = posterior[known_rows(posterior)]
    ratios: Floats = np.divide(known, prior, out=np.zeros(known.shape), where=prior > 0)
    some: Floats = ratios[ratios.any(axis=1)]
    return some


def _likeliest(ratios: Floats, counts: Floats, start: Floats) -> Floats:
    """Climb to the shares of highest likelihood.

    Two steps of expectation-maximisation tell how to go many at once; where that leads
    down, the two are taken. (Varadhan and Roland 2008, Scand. J. Stat. 35, 335, scheme S3.)

    Parameters
    ----------
    ratios
        Posteriors over the prior, shape (object, class).
    counts
        How often each object counts, shape (object,).
    start
        Shares to start from, shape (class,).
    """
    if not len(ratios):
        return start
    # A share of 0 would stay 0 for ever.
    raised = start + 1e-6 * np.any(ratios > 0, axis=0)
    shares: Floats = raised / raised.sum()
    reached = -np.inf
    for _ in range(CYCLES):
        first = _step(ratios, counts, shares)
        change = first - shares
        if np.abs(change).max() < TOLERANCE:
            return first
        second = _step(ratios, counts, first)
        bend = second - first - change
        norms = float(np.linalg.norm(change)), float(np.linalg.norm(bend))
        length = max(1.0, norms[0] / max(norms[1], 1e-150))
        # A tenth of each share is kept, so that none falls to 0.
        far = np.maximum(shares + 2 * length * change + length**2 * bend, second / 10)
        far = _step(ratios, counts, far / far.sum())
        value = _log_likelihood(ratios, counts, far)
        shares = far if value >= reached else second
        reached = max(value, reached)
    return shares


def _step(ratios: Floats, counts: Floats, shares: Floats) -> Floats:
    """Take one step of expectation-maximisation."""
    new = shares * ((counts / (ratios @ shares)) @ ratios)
    scaled: Floats = new / new.sum()
    return scaled


def _log_likelihood(ratios: Floats, counts: Floats, shares: Floats) -> float:
    """Give the logarithm of the likelihood of shares, up to a constant."""
    return float(counts @ np.log(ratios @ shares))
