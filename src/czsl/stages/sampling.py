"""Random over- and under-sampling of rare classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resampled(labels: NDArray[np.int64], sampling: str, seed: int) -> NDArray[np.int64]:
    """Choose rows so that all classes are equally many.

    Parameters
    ----------
    labels
        Class of each row, shape (row,); rows of none (-1) stay as they are.
    sampling
        ``"none"``: all rows as they are; ``"over"``: rows of the rarer classes are
        repeated at random; ``"under"``: rows of the commoner ones are left out at random.
    seed
        Seed of the choice.

    Returns
    -------
    Array
        Places of the chosen rows, in order.

    Examples
    --------
    >>> resampled(np.array([0, 0, 0, 1]), "under", seed=0).size
    2
    >>> resampled(np.array([0, 0, 0, 1]), "over", seed=0)
    array([0, 1, 2, 3, 3, 3])
    >>> resampled(np.array([0, -1, -1, -1, 1, 1]), "over", seed=0)
    array([0, 0, 1, 2, 3, 4, 5])
    """
    places = np.arange(len(labels))
    known = places[labels >= 0]
    if sampling == "none" or len(np.unique(labels[known])) < 2:
        return places
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = (RandomOverSampler if sampling == "over" else RandomUnderSampler)(random_state=seed)
    chosen, _ = sampler.fit_resample(known[:, None], labels[known])
    return np.sort(np.concatenate([chosen[:, 0], places[labels < 0]]))
