"""Which objects a reader should look at: pure functions of posteriors and classes.

Each gives places of objects, the most telling first; objects without a posterior are left
out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.scores import likeliest

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def surest(posterior: Floats, k: int, most: int) -> Labels:
    """Give the objects that are surest of a class.

    Parameters
    ----------
    posterior
        Shape (object, class).
    k
        The class; only objects of which it is the likeliest are given.
    most
        So many objects at most.

    Examples
    --------
    >>> surest(np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]), 0, 5).tolist()
    [0, 1]
    """
    return _largest(np.where(likeliest(posterior) == k, posterior[:, k], np.nan), most)


def least_sure(posterior: Floats, most: int) -> Labels:
    """Give the objects whose likeliest class has the smallest probability.

    Examples
    --------
    >>> least_sure(np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), 2).tolist()
    [1, 2]
    """
    return _largest(-posterior.max(axis=1), most)


def farthest(one: Floats, other: Floats, most: int) -> Labels:
    r"""Give the objects on which two posteriors say different classes, the farthest first.

    The distance is the total variation, :math:`\frac12 \sum_k |p_k - q_k|`.

    Parameters
    ----------
    one, other
        Shape (object, class).
    most
        So many objects at most.

    Examples
    --------
    >>> farthest(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[0.1, 0.9], [0.7, 0.3]]), 5).tolist()
    [0]
    """
    distance = np.abs(one - other).sum(axis=1) / 2
    return _largest(np.where(likeliest(one) != likeliest(other), distance, np.nan), most)


def doubted(posterior: Floats, labels: Labels, most: int) -> Labels:
    """Give the objects whose label is not the likeliest class, the least probable label first.

    Parameters
    ----------
    posterior
        Shape (object, class).
    labels
        The experts' class, shape (object,).
    most
        So many objects at most.

    Examples
    --------
    >>> doubted(np.array([[0.6, 0.4], [0.1, 0.9], [0.9, 0.1]]), np.array([1, 0, 0]), 5).tolist()
    [1, 0]
    """
    stated = posterior[np.arange(len(labels)), labels]
    return _largest(np.where(likeliest(posterior) != labels, -stated, np.nan), most)


def _largest(values: Floats, most: int) -> Labels:
    """Give the places of the largest values; those of NaN are left out."""
    order = np.argsort(-values, kind="stable")[:most]
    return order[~np.isnan(values[order])]
