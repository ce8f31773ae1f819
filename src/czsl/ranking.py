"""Measures of a ranking, for many weights of the objects at once: pure functions of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Weights = NDArray[np.integer[Any]]
"""How often each object counts, shape (draw, object)."""


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide arrays of one shape; NaN where the whole is zero.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    divided: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return divided


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Objects of a class among the rest, sorted once and counted for many weights.

    Made by :func:`rank_class`. An object of weight 2 counts as two that are alike.

    Attributes
    ----------
    inside, outside
        Rows of the objects of the class and of the rest, each by rising score.
    below, upto
        How many of ``outside`` score lower, and no higher, than each of ``inside``.
    first
        How many of ``inside`` score lower than each of ``inside``.
    """

    inside: Labels
    outside: Labels
    below: Labels
    upto: Labels
    first: Labels

    def area(self, weights: Weights) -> Floats:
        r"""Give the area under the ROC curve for each draw.

        .. math::
            \frac{\sum_{i, j} w_i w_j\,([s_i > s_j] + [s_i = s_j]/2)}{\sum_i w_i \sum_j w_j}

        over objects i of the class and j of the rest (Mann and Whitney 1947, Ann. Math.
        Stat. 18, 50).

        Parameters
        ----------
        weights
            Shape (draw, object), zero or more.

        Returns
        -------
        array
            Shape (draw,); NaN where the class or the rest weighs nothing.

        Examples
        --------
        >>> ranking = rank_class(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0, 0, 1, 1]) == 1)
        >>> ranking.area(np.array([[1, 1, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]]))
        array([0.875, 0.5  ,   nan])
        """
        outside = _running(weights, self.outside)
        inside = weights[:, self.inside].astype(np.float64)
        beaten = np.einsum("di,di->d", inside, outside[:, self.below] + outside[:, self.upto]) / 2
        return ratio(beaten, inside.sum(axis=1) * outside[:, -1])

    def average_precision(self, weights: Weights) -> Floats:
        r"""Give the average precision for each draw.

        .. math::
            \frac{1}{\sum_i w_i} \sum_i w_i\,\frac{T_i}{T_i + F_i}

        over objects i of the class, where :math:`T_i` and :math:`F_i` are the weights of the
        class and of the rest that score no lower than i. It is the sum over thresholds of
        the precision times the step in recall.

        Parameters
        ----------
        weights
            Shape (draw, object), zero or more.

        Returns
        -------
        array
            Shape (draw,); NaN where the class weighs nothing.

        Examples
        --------
        >>> ranking = rank_class(np.array([0.1, 0.5, 0.5, 0.9]), np.array([0, 0, 1, 1]) == 1)
        >>> ranking.average_precision(np.array([[1, 1, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])).round(3)
        array([0.833, 0.5  ,   nan])
        """
        found = _running(weights, self.inside)
        rest = _running(weights, self.outside)
        number = found[:, -1].astype(np.float64)
        true = number[:, None] - found[:, self.first]
        chosen = true + rest[:, -1:] - rest[:, self.below]
        # Only objects of no weight are chosen with nothing: their precision does not count.
        precision = np.divide(true, chosen, out=np.zeros_like(true), where=chosen > 0)
        total = np.einsum("di,di->d", weights[:, self.inside].astype(np.float64), precision)
        return ratio(total, number)


def rank_class(score: Floats, inside: NDArray[np.bool_]) -> Ranking:
    """Sort the objects of a class and the rest by a score; rows of NaN are left out.

    Parameters
    ----------
    score
        Shape (object,), high for the class.
    inside
        Whether the object has the class, shape (object,).

    Examples
    --------
    >>> ranking = rank_class(np.array([0.3, 0.2, np.nan, 0.1]), np.array([True, True, True, False]))
    >>> ranking.inside, ranking.outside
    (array([1, 0]), array([3]))
    """
    order = np.argsort(score, kind="stable")
    order = order[~np.isnan(score[order])]
    chosen, rest = order[inside[order]], order[~inside[order]]
    return Ranking(
        inside=chosen,
        outside=rest,
        below=np.searchsorted(score[rest], score[chosen], side="left"),
        upto=np.searchsorted(score[rest], score[chosen], side="right"),
        first=np.searchsorted(score[chosen], score[chosen], side="left"),
    )


def _running(weights: Weights, rows: Labels) -> NDArray[np.int64]:
    """Sum weights along rows, shape (draw, row + 1), from 0."""
    summed = np.zeros((len(weights), len(rows) + 1), np.int64)
    np.cumsum(weights[:, rows], axis=1, out=summed[:, 1:])
    return summed
