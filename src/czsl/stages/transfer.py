"""Stage transfer: a small model learns from votes to experts' classes.

Fitted models are plain numbers, so that they are kept without pickle and applied
without scikit-learn.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError

Floats = NDArray[np.float64]

STRENGTHS = np.logspace(-3, 3, 13)
"""Inverse strengths C of the logistic transfer's penalty that cross-validation compares."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedTransfer:
    """A transfer as numbers: scaled inputs, then layers with ReLU between them.

    Parameters
    ----------
    mean, scale
        Of each input, shape (feature,): inputs are (x - mean) / scale.
    weights
        Matrix of each layer, shape (given, made); the last makes one logit per class.
    biases
        Bias of each layer, shape (made,).
    collapsed
        Whether it gives every object that it was fitted on the same class.
    """

    mean: Floats
    scale: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    collapsed: bool

    def probabilities(self, features: Floats) -> Floats:
        r"""Give the probability of each class, :math:`q(y \mid \mathrm{votes})`.

        Parameters
        ----------
        features
            Shape (object, feature).

        Returns
        -------
        Array
            Shape (object, class), rows sum to 1.
        """
        values = (features - self.mean) / self.scale
        layers = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in layers[:-1]:
            values = np.maximum(values @ weight + bias, 0.0)
        logits = values @ layers[-1][0] + layers[-1][1]
        exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = exponential / exponential.sum(axis=1, keepdims=True)
        return probabilities

    def arrays(self) -> dict[str, Floats]:
        """Name every array, to keep them."""
        layers = enumerate(zip(self.weights, self.biases, strict=True))
        named = [(f"weight{i}", w) for i, (w, _) in layers]
        named += [(f"bias{i}", bias) for i, bias in enumerate(self.biases)]
        return {"mean": self.mean, "scale": self.scale, **dict(named)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Floats], *, collapsed: bool) -> FittedTransfer:
        """Make a transfer from the arrays that :meth:`arrays` named."""
        layers = range(sum(name.startswith("weight") for name in arrays))
        return cls(
            mean=arrays["mean"],
            scale=arrays["scale"],
            weights=tuple(arrays[f"weight{i}"] for i in layers),
            biases=tuple(arrays[f"bias{i}"] for i in layers),
            collapsed=collapsed,
        )


def fit_logistic(
    features: Floats,
    labels: NDArray[np.int64],
    *,
    classes: int,
    feature_mirror: NDArray[np.int64],
    class_mirror: NDArray[np.int64],
    seed: int,
) -> FittedTransfer:
    """Fit a scaled multinomial logistic regression, its strength by cross-validation.

    Each row also stands mirrored: volunteers favour one sense of rotation, the sky does
    not. A row and its mirror image are in one fold. The strength is that of the best
    cross-validated likelihood.

    Parameters
    ----------
    features
        Shape (object, feature).
    labels
        Experts' classes, shape (object,); two classes or more are there.
    classes
        Number of classes; those that no row has get no probability.
    feature_mirror, class_mirror
        What each feature, and each class, becomes when the image is mirrored.
    seed
        Seed of the folds.

    Raises
    ------
    ArgumentError
        Where all rows have one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    _check_classes(labels)
    mirrored = not np.array_equal(feature_mirror, np.arange(len(feature_mirror)))
    mean, scale = _scaling(features)
    inputs = (features - mean) / scale

    def both(rows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
        if not mirrored:
            return inputs[rows], labels[rows]
        swapped = (features[rows][:, feature_mirror] - mean) / scale
        return np.vstack([inputs[rows], swapped]), np.concatenate(
            [labels[rows], class_mirror[labels[rows]]]
        )

    def fitted(rows: NDArray[np.int64], strength: float) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=2000).fit(*both(rows))

    every = np.arange(len(labels))
    counts = np.bincount(labels)
    folds = min(5, int(counts[counts > 0].min()))
    best = 1.0
    if folds >= 2:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        parts = list(splitter.split(inputs, labels))
        likelihood = [
            np.mean(
                [
                    log_loss(labels[test], model.predict_proba(inputs[test]), labels=model.classes_)
                    for train, test in parts
                    for model in [fitted(train, strength)]
                ]
            )
            for strength in STRENGTHS
        ]
        best = float(STRENGTHS[int(np.argmin(likelihood))])
    model = fitted(every, best)
    weights, bias = _logits(model.coef_.T, model.intercept_, model.classes_, classes)
    return _judged(mean, scale, (weights,), (bias,), features)


def fit_perceptron(
    features: Floats, labels: NDArray[np.int64], *, classes: int, seed: int
) -> FittedTransfer:
    """Fit the published multi-layer perceptron.

    Hidden layers of 8, 7, 5 and 3, adam, alpha 1e-4, at most 300 iterations, inputs as
    they are (Jimenez et al. 2023). It can fall to one class for all objects; then
    ``collapsed`` is true.

    Parameters
    ----------
    features
        Shares of the answers and, where the recipe says so, extra columns, shape
        (object, feature).
    labels
        Experts' classes, shape (object,).
    classes
        Number of classes; those that no row has get no probability.
    seed
        Seed of the weights.

    Raises
    ------
    ArgumentError
        Where all rows have one class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    _check_classes(labels)
    model = MLPClassifier((8, 7, 5, 3), alpha=1e-4, max_iter=300, random_state=seed)
    with warnings.catch_warnings():
        # 300 iterations are the published length, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    last, bias = _logits(model.coefs_[-1], model.intercepts_[-1], model.classes_, classes)
    count = features.shape[1]
    return _judged(
        np.zeros(count),
        np.ones(count),
        (*model.coefs_[:-1], last),
        (*model.intercepts_[:-1], bias),
        features,
    )


def _check_classes(labels: NDArray[np.int64]) -> None:
    """Refuse labels that are all alike."""
    if len(np.unique(labels)) < 2:
        raise ArgumentError(
            f"labels: {len(labels)} rows of {len(np.unique(labels))} class; the transfer needs "
            "objects of two classes or more that have votes and an expert's class"
        )


def _scaling(features: Floats) -> tuple[Floats, Floats]:
    """Give mean and spread of each feature; a constant feature is divided by 1."""
    spread = features.std(axis=0)
    return features.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _logits(
    weight: Floats, bias: Floats, present: NDArray[np.int64], classes: int
) -> tuple[Floats, Floats]:
    """Spread the last layer of a scikit-learn model over all classes.

    With two classes scikit-learn keeps one logit, of the second against the first.
    """
    if weight.shape[1] == 1:
        weight, bias = np.hstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    full_weight = np.zeros((weight.shape[0], classes))
    full_bias = np.full(classes, -30.0)  # classes that no row has: a probability of about 1e-13
    full_weight[:, present], full_bias[present] = weight, bias
    return full_weight, full_bias


def _judged(
    mean: Floats,
    scale: Floats,
    weights: tuple[Floats, ...],
    biases: tuple[Floats, ...],
    features: Floats,
) -> FittedTransfer:
    """Put a transfer together and see whether it has collapsed."""
    made = FittedTransfer(mean=mean, scale=scale, weights=weights, biases=biases, collapsed=False)
    chosen = made.probabilities(features).argmax(axis=1)
    if len(np.unique(chosen)) > 1:
        return made
    return FittedTransfer(mean=mean, scale=scale, weights=weights, biases=biases, collapsed=True)
