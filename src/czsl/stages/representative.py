"""Whether experts' images look like the survey's: a classifier two-sample test."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.ranking import rank_class

Floats = NDArray[np.float64]

TOLD_APART = 0.6
"""Area above which a difference matters: below it sets and scores hardly move."""

LEAST = 20
"""Images of each kind without which nothing can be said."""

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class TwoSample:
    """How well a classifier tells experts' images from the others.

    Attributes
    ----------
    auc
        Area under its ROC curve, on images that it was not fitted to; one half where the two
        look alike.
    low, high
        Its 95% interval.
    n
        Experts' images.
    """

    auc: float
    low: float
    high: float
    n: int

    @property
    def unlike(self) -> bool:
        """Whether the images are surely told apart well enough to matter."""
        return self.low > TOLD_APART

    def as_dict(self) -> dict[str, Any]:
        """Give everything ready for JSON."""
        return {**asdict(self), "unlike": self.unlike}


def two_sample(experts: NDArray[Any], rest: NDArray[Any], seed: int) -> TwoSample | None:
    """Fit a classifier that tells experts' images from the others, and score it out of fold.

    It is a logistic regression on at most 32 principal components of the standardised
    features (Lopez-Paz and Oquab 2017, ICLR). The interval of the area is that of Hanley and
    McNeil (1982, Radiology 143, 29).

    Parameters
    ----------
    experts, rest
        Features, shape (object, feature) each.
    seed
        Of folds and choice.

    Returns
    -------
    TwoSample or None
        None where either has fewer than 20 images.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if min(len(experts), len(rest)) < LEAST:
        return None
    random = np.random.default_rng(seed)
    others = rest[random.permutation(len(rest))[: 4 * len(experts)]]
    features = np.vstack([experts, others]).astype(np.float64)
    inside = np.arange(len(features)) < len(experts)
    components = max(1, min(32, len(experts) // 10, features.shape[1]))
    model = make_pipeline(
        StandardScaler(),
        PCA(components, random_state=seed),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=1000),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant features
        scores = cross_val_predict(model, features, inside, cv=folds, method="decision_function")
    area = float(rank_class(scores, inside).area(np.ones((1, len(inside)), np.uint8))[0])
    error = area_error(area, int(inside.sum()), int((~inside).sum()))
    low, high = max(0.0, area - 1.96 * error), min(1.0, area + 1.96 * error)
    return TwoSample(auc=area, low=low, high=high, n=len(experts))


def area_error(area: float, inside: int, outside: int) -> float:
    r"""Give the standard error of an area under the ROC curve.

    .. math::
        \sqrt{\frac{A(1-A) + (n-1)(Q_1 - A^2) + (m-1)(Q_2 - A^2)}{nm}}, \quad
        Q_1 = \frac{A}{2-A},\; Q_2 = \frac{2A^2}{1+A}

    (Hanley and McNeil 1982, equation 2.)

    Parameters
    ----------
    area
        A.
    inside, outside
        Objects n and m of either kind.

    Examples
    --------
    >>> round(area_error(0.5, 100, 100), 4)
    0.0409
    """
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (inside - 1) * (first - area**2) + (outside - 1) * (second - area**2)
    return float(np.sqrt(max(area * (1 - area) + spread, 0.0) / (inside * outside)))
