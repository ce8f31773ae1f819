"""Some of the votes on each object, drawn without replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]

MANY = 10**9
"""From so many votes on numpy draws none without replacement."""


def whole_votes(counts: NDArray[np.float64]) -> Whole:
    """Round votes to whole numbers, those of an object to at most 2^53 together.

    Parameters
    ----------
    counts
        Shape (object, answer), finite.

    Examples
    --------
    >>> whole_votes(np.array([[2.0, 1.4], [3e20, 1e20]])).tolist()
    [[2, 1], [6755399441055744, 2251799813685248]]
    """
    total = counts.sum(axis=1, keepdims=True)
    whole: Whole = np.rint(counts * np.minimum(2.0**53 / np.maximum(total, 1), 1)).astype(np.int64)
    return whole


def draw_votes(counts: Whole, keep: Whole, random: np.random.Generator) -> Whole:
    """Draw some of the votes on each object without replacement.

    The counts of the answers then follow the multivariate hypergeometric distribution. Of a
    billion votes or more they are drawn with replacement, which of so many is the same for
    all that could be told, but never more for an answer than it has.

    Parameters
    ----------
    counts
        Votes, shape (object, answer).
    keep
        Votes to draw, shape (object,), no more than there are.
    random
        Draws.

    Returns
    -------
    Array
        Shape (object, answer).

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> draw_votes(np.array([[30, 10], [3 * 10**9, 0]]), np.array([4, 5]), random).sum(axis=1)
    array([4, 5])
    """
    drawn = np.zeros_like(counts)
    rest, left = counts.sum(axis=1), keep
    for place in range(counts.shape[1]):
        rest = rest - counts[:, place]
        drawn[:, place] = _draw_one(counts[:, place], rest, left, random)
        left = left - drawn[:, place]
    return drawn


def _draw_one(good: Whole, bad: Whole, sample: Whole, random: np.random.Generator) -> Whole:
    """Draw how many of a sample are good, shape (object,)."""
    many = (good >= MANY) | (bad >= MANY)
    drawn = random.hypergeometric(*(np.where(many, 0, number) for number in (good, bad, sample)))
    if many.any():
        good, bad, sample = good[many], bad[many], sample[many]
        found = random.binomial(sample, good / (good + bad))
        drawn[many] = np.clip(found, np.maximum(sample - bad, 0), np.minimum(good, sample))
    return drawn
