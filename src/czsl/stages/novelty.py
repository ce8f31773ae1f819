"""Images unlike those of the training, told by their distance in feature space."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUANTILE = 0.995
"""Share of images like the training's that stay within the limit: one in 200 is flagged."""

MARGIN = 1e-3
"""The limit's, of itself: rounding does not move the image that made it across."""

LEAST = 50
"""Images without which no such quantile can be told."""

MOST_COMPONENTS, VARIANCE = 32, 0.95
"""Principal components: so many at most, and as many as hold so much of the variance."""

CONSTANT = 1e-9
"""Standard deviation below which a feature is the same for all images."""

TINY = 1e-6
"""Least variance along a component, of features whose variance is 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedNovelty:
    r"""A distance from the images of the training.

    .. math::
        d^2 = \sum_{j \le q} \frac{t_j^2}{\lambda_j} + \frac{r^2}{g},
        \qquad g = \frac{\sum_{j > q} \lambda_j^2}{\sum_{j > q} \lambda_j}

    with the coordinates t along the first q principal components of the standardised
    features, the variances :math:`\lambda`, and r, what is left outside the components. For
    normal features :math:`r^2 / g` is nearly chi-squared (Box 1954, Ann. Math. Stat. 25, 290;
    as in Jackson & Mudholkar 1979, Technometrics 21, 341), as the first sum is: so neither
    drowns the other.

    Parameters
    ----------
    mean, scale
        Of each feature, shape (feature,).
    axes
        Principal components, shape (feature, component).
    variances
        Along each, shape (component,).
    residual
        The unit g of what is left outside.
    limit
        Distance beyond which an image is unlike.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    variances: Floats
    residual: float
    limit: float

    def distance(self, features: NDArray[Any]) -> Floats:
        """Give the distance d of images, shape (object,).

        Parameters
        ----------
        features
            Shape (object, feature).
        """
        scaled = (features - self.mean) / self.scale
        along = scaled @ self.axes
        left = np.square(scaled).sum(axis=1) - np.square(along).sum(axis=1)
        squared = np.square(along) @ (1 / self.variances) + left.clip(0) / self.residual
        distances: Floats = np.sqrt(squared)
        return distances

    def unlike(self, features: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which images are beyond the limit, shape (object,)."""
        beyond: NDArray[np.bool_] = self.distance(features) > self.limit
        return beyond

    def arrays(self) -> dict[str, Floats]:
        """Name every array, to keep them."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "axes": self.axes,
            "variances": self.variances,
            "limits": np.array([self.residual, self.limit]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, Floats]) -> FittedNovelty:
        """Make it from the arrays that :meth:`arrays` named."""
        residual, limit = arrays["limits"].tolist()
        named = {name: arrays[name] for name in ("mean", "scale", "axes", "variances")}
        return cls(**named, residual=residual, limit=limit)


def fit_novelty(features: NDArray[Any], seed: int) -> FittedNovelty | None:
    r"""Fit the distance to a random half of some images, and its limit to the other half.

    The limit is the :math:`\lceil .995 (n + 1) \rceil`-th of the distances of the other half, n
    images, and a thousandth more, so that at most one like image in 200 is beyond it. Of fewer
    than 200 it is the farthest of them: then one like image in :math:`n + 1` is.

    Parameters
    ----------
    features
        Shape (object, feature).
    seed
        Of the halves.

    Returns
    -------
    FittedNovelty or None
        None of fewer than :data:`LEAST` images.

    Examples
    --------
    >>> features = np.random.default_rng(0).normal(size=(400, 5))
    >>> novelty = fit_novelty(features, seed=0)
    >>> novelty.unlike(np.array([[0.0] * 5, [9.0] * 5]))
    array([False,  True])
    """
    if len(features) < LEAST:
        return None
    order = np.random.default_rng(seed).permutation(len(features))
    half = len(features) // 2
    first, second = features[order[:half]].astype(float), features[order[half:]].astype(float)
    spread = first.std(axis=0)
    mean, scale = first.mean(axis=0), np.where(spread > CONSTANT, spread, 1.0)
    scaled = (first - mean) / scale
    _, singular, rows = np.linalg.svd(scaled, full_matrices=False)
    variances = singular**2 / len(first)
    held = np.cumsum(variances) / max(variances.sum(), TINY)
    number = min(int(np.searchsorted(held, VARIANCE)) + 1, MOST_COMPONENTS, len(variances))
    made = FittedNovelty(
        mean=mean,
        scale=scale,
        axes=rows[:number].T.copy(),
        variances=np.maximum(variances[:number], TINY),
        residual=_residual_unit(variances[number:]),
        limit=np.inf,
    )
    distances = np.sort(made.distance(second))
    place = min(len(distances), math.ceil((len(distances) + 1) * QUANTILE))
    return replace(made, limit=float(distances[place - 1]) * (1 + MARGIN))


def _residual_unit(variances: Floats) -> float:
    """Give g of the components that are left out."""
    return max(float(np.square(variances).sum() / max(variances.sum(), TINY)), TINY)
