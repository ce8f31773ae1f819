"""Multinomial logistic regression with scaled inputs and its strength by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Variant = tuple[Floats, Labels]
"""Features, shape (object, feature), and classes, shape (object,)."""

FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Logistic:
    """A fitted regression: logits are ((x - mean) / scale) @ weight + bias.

    Attributes
    ----------
    mean, scale
        Of each input, shape (feature,).
    weight
        Shape (feature, class).
    bias
        Shape (class,).
    strength
        The inverse strength C of the penalty that was chosen.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    strength: float


def fit_logistic(
    variants: Sequence[Variant], *, classes: int, strengths: Sequence[float], seed: int
) -> Logistic:
    """Fit to several variants of the same objects, such as images and their mirror images.

    All variants of an object are in one fold. The strength is that of the best
    cross-validated likelihood of the first variant.

    Parameters
    ----------
    variants
        Features and classes of the same objects, in the same order.
    classes
        Number of classes; those that no object has get next to no probability.
    strengths
        Inverse strengths C to choose from.
    seed
        Seed of the folds.

    Raises
    ------
    ArgumentError
        Where all objects have one class.

    Examples
    --------
    >>> features = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = fit_logistic([(features, np.array([0, 0, 1, 1]))], classes=2,
    ...                       strengths=[1.0], seed=0)
    >>> bool(fitted.weight[0, 1] > fitted.weight[0, 0])
    True
    """
    from sklearn.linear_model import LogisticRegression

    check_classes(variants[0][1])
    # Folds are dealt in an order of the objects' own, so that that of the rows does not matter.
    order = np.lexsort((*variants[0][0].T, variants[0][1]))
    variants = [(inputs[order], known[order]) for inputs, known in variants]
    features, labels = variants[0]
    mean, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    scaled = [((inputs - mean) / scale, known) for inputs, known in variants]

    def fitted(rows: NDArray[np.int64], strength: float) -> LogisticRegression:
        inputs = np.vstack([inputs[rows] for inputs, _ in scaled])
        known = np.concatenate([known[rows] for _, known in scaled])
        return LogisticRegression(C=strength, max_iter=2000).fit(inputs, known)

    strength = _best_strength(fitted, scaled[0], strengths, seed)
    model = fitted(np.arange(len(labels)), strength)
    weight, bias = spread_logits(model.coef_.T, model.intercept_, model.classes_, classes)
    return Logistic(mean=mean, scale=scale, weight=weight, bias=bias, strength=strength)


def _best_strength(
    fitted: Callable[[NDArray[np.int64], float], Any],
    plain: Variant,
    strengths: Sequence[float],
    seed: int,
) -> float:
    """Choose the strength by the likelihood of objects that were left out."""
    from sklearn.model_selection import StratifiedKFold

    inputs, labels = plain
    counts = np.bincount(labels)
    folds = min(FOLDS, int(counts[counts > 0].min()))
    if folds < 2 or len(strengths) < 2:
        return strengths[len(strengths) // 2]
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(inputs, labels))
    losses = [
        np.concatenate([_losses(fitted(kept, c), inputs[out], labels[out]) for kept, out in parts])
        for c in strengths
    ]
    return float(strengths[int(np.argmin([loss.mean() for loss in losses]))])


def _losses(model: Any, inputs: Floats, labels: Labels) -> Floats:
    """Give the negative log-probability of each object's class."""
    probabilities = model.predict_proba(inputs)
    column = np.searchsorted(model.classes_, labels)
    chosen = probabilities[np.arange(len(labels)), column]
    losses: Floats = -np.log(np.maximum(chosen, 1e-12))
    return losses


def check_classes(labels: Labels) -> None:
    """Refuse labels that are all alike.

    Raises
    ------
    ArgumentError
        Where there is one class or none.
    """
    if len(np.unique(labels)) < 2:
        raise ArgumentError(
            f"labels: {len(labels)} objects of {len(np.unique(labels))} class; objects of two "
            "classes or more are needed"
        )


def spread_logits(
    weight: Floats, bias: Floats, present: Labels, classes: int
) -> tuple[Floats, Floats]:
    """Spread the last layer of a scikit-learn model over all classes.

    With two classes scikit-learn keeps one logit, of the second against the first.

    Parameters
    ----------
    weight, bias
        Shapes (feature, logit) and (logit,).
    present
        The classes that the model knows.
    classes
        Number of all classes.

    Examples
    --------
    >>> weight, bias = spread_logits(np.array([[2.0]]), np.array([0.0]), np.array([0, 1]), 2)
    >>> weight
    array([[-1.,  1.]])
    """
    if weight.shape[1] == 1:
        weight, bias = np.hstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    full_weight = np.zeros((weight.shape[0], classes))
    full_bias = np.full(classes, -30.0)  # classes that no object has: about 1e-13
    full_weight[:, present], full_bias[present] = weight, bias
    return full_weight, full_bias
