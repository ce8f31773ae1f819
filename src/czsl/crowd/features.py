"""Votes as inputs of the transfer and as targets of the network: pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FRACTION_VOTES = 20.0
"""Votes that fractions are taken for where they are more, or where the number is unknown."""

LABEL_VOTES = 2.0
"""Votes that a volunteers' class alone is taken for."""


def trusted_counts(
    fractions: Floats, total: Floats, *, label: NDArray[np.bool_], counts: bool
) -> Floats:
    """Give the votes that the network's likelihood is to count.

    Counts stand for themselves; fractions for min(total, 20) votes, 20 where the total
    is not known; a class alone for 2.

    Parameters
    ----------
    fractions
        Shares of the answers, shape (object, answer); NaN where nothing is given.
    total
        Number of volunteers, shape (object,); NaN where unknown.
    label
        Whether only the volunteers' class is known, shape (object,).
    counts
        Whether the votes came as counts.

    Returns
    -------
    Array
        Votes, shape (object, answer); zeros where nothing is given.

    Examples
    --------
    >>> fractions = np.array([[0.25, 0.75], [1.0, 0.0], [np.nan, np.nan]])
    >>> total = np.array([40.0, np.nan, 0.0])
    >>> label = np.array([False, True, False])
    >>> trusted_counts(fractions, total, label=label, counts=True)
    array([[10., 30.],
           [ 2.,  0.],
           [ 0.,  0.]])
    """
    known = np.where(np.isnan(total), FRACTION_VOTES, total)
    votes = np.where(label, LABEL_VOTES, known if counts else np.minimum(known, FRACTION_VOTES))
    return np.nan_to_num(fractions) * votes[:, None]


def transfer_features(fractions: Floats, counts: Floats) -> Floats:
    """Describe the votes on one question for the logistic transfer.

    Parameters
    ----------
    fractions
        Shares of the answers, shape (object, answer); NaN where nothing is given.
    counts
        Votes behind them, shape (object, answer); zeros where nothing is given.

    Returns
    -------
    Array
        Shape (object, 2 answers + 2): the shares (equal where nothing is given), the
        logarithm of the smoothed shares (k + 1/2) / (n + A/2) over A answers,
        ln(1 + n), and whether anything is given.

    Examples
    --------
    >>> transfer_features(np.array([[0.5, 0.5]]), np.array([[4.0, 4.0]])).round(3)
    array([[ 0.5  ,  0.5  , -0.693, -0.693,  2.197,  1.   ]])
    """
    answers = fractions.shape[1]
    given: NDArray[np.bool_] = ~np.any(np.isnan(fractions), axis=1)
    shares = np.where(given[:, None], fractions, 1 / answers)
    number = counts.sum(axis=1, keepdims=True)
    smoothed = np.log((counts + 0.5) / (number + 0.5 * answers))
    return np.hstack([shares, smoothed, np.log1p(number), given[:, None].astype(float)])


def extra_features(extra: Floats) -> Floats:
    """Describe extra columns: their values, and which are known.

    Parameters
    ----------
    extra
        Shape (object, column); NaN where missing.

    Returns
    -------
    Array
        Shape (object, 2 columns): values, 0 where missing, then whether each is known.

    Examples
    --------
    >>> extra_features(np.array([[0.5, np.nan]]))
    array([[0.5, 0. , 1. , 0. ]])
    """
    known = ~np.isnan(extra)
    return np.hstack([np.where(known, extra, 0.0), known.astype(float)])


def mirrored_features(mirrors: list[NDArray[np.int64]], extra: int) -> NDArray[np.int64]:
    """Give the feature that each feature becomes when the image is mirrored.

    Parameters
    ----------
    mirrors
        For each question, the answer that each answer becomes.
    extra
        Number of extra columns, which do not change.

    Examples
    --------
    >>> mirrored_features([np.array([1, 0])], extra=1)
    array([1, 0, 3, 2, 4, 5, 6, 7])
    """
    parts: list[NDArray[np.int64]] = []
    start = 0
    for mirror in mirrors:
        size = len(mirror)
        parts += [start + mirror, start + size + mirror, start + 2 * size + np.arange(2)]
        start += 2 * size + 2
    return np.concatenate([*parts, start + np.arange(2 * extra)]).astype(np.int64)
