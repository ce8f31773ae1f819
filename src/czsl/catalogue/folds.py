"""Folds made by seed, with the same share of every class in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError


def make_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal objects into folds at random, class by class.

    The objects of each class are shuffled and dealt out in turn, each class going on
    where the one before it ended: in every class, and altogether, the sizes of the folds
    differ by one at most. A class with fewer objects than folds is spread over as many
    folds as it has objects. The result depends on the order of the rows and the seed.

    Parameters
    ----------
    labels : (object,)
        Class of each object.
    folds
        Number of folds.
    seed
        Seed of the shuffle.

    Returns
    -------
    array, (object,)
        Fold of each object, from 0.

    Raises
    ------
    ArgumentError
        Where there are fewer than two folds, or fewer objects than folds.

    Examples
    --------
    >>> labels = np.array([0] * 6 + [1] * 3)
    >>> folds = make_folds(labels, 3, seed=1)
    >>> np.bincount(folds).tolist(), np.sort(folds[labels == 1]).tolist()
    ([3, 3, 3], [0, 1, 2])
    """
    if not 2 <= folds <= len(labels):
        raise ArgumentError(
            f"got {folds} folds for {len(labels)} objects; there are two folds or more, and an "
            "object or more in each"
        )
    generator = np.random.default_rng(seed)
    # A random order, then by class: shuffled within each class, one class after another.
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    names = generator.permutation(folds)
    dealt = np.empty(len(labels), dtype=np.int64)
    dealt[order] = names[np.arange(len(labels)) % folds]
    return dealt
