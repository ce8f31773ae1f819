"""Stage transfer: a small model learns from votes to experts' classes.

Fitted models are plain numbers, so that they are kept without pickle and applied
without scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from czsl.recipes import Transfer
from czsl.stages.logistic import Variant, check_classes, fit_logistic, spread_logits
from czsl.stages.targets import Layout, TransferInputs

Floats = NDArray[np.float64]

STRENGTHS = tuple(10.0 ** (power / 2) for power in range(-6, 7))
"""Inverse strengths C of the logistic transfer's penalty that cross-validation compares."""

LOST = 0.1
"""Share of a class's objects below which a transfer has lost the class."""


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
        Whether it has lost a class: it finds less than a tenth of the objects of that class
        that it was fitted on.
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


def fit_transfer(
    settings: Transfer,
    inputs: TransferInputs,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    layout: Layout,
    seed: int,
) -> FittedTransfer:
    """Fit the kind of transfer that a recipe names.

    Parameters
    ----------
    settings
        Which kind.
    inputs
        What is told of every object.
    rows
        Experts' objects that have votes, shape (row,).
    labels
        Their classes, shape (row,).
    layout
        The classes and their mirror.
    seed
        Seed of weights and folds.

    Raises
    ------
    ArgumentError
        Where all rows have one class.
    """
    if settings.kind == "perceptron":
        return fit_perceptron(inputs.features[rows], labels, classes=layout.classes, seed=seed)
    variants = inputs.variants(rows, labels, layout.class_mirror)
    return fit_logistic_transfer(variants, classes=layout.classes, seed=seed)


def fit_logistic_transfer(
    variants: Sequence[Variant], *, classes: int, seed: int
) -> FittedTransfer:
    """Fit a scaled multinomial logistic regression, its strength by cross-validation.

    Parameters
    ----------
    variants
        Features of the votes and experts' classes of the same objects, plain first; then
        mirrored (volunteers favour one sense of rotation, the sky does not) and, where
        the catalogue holds objects with a volunteers' class alone, with no more known of
        the votes than that.
    classes
        Number of classes.
    seed
        Seed of the folds.

    Raises
    ------
    ArgumentError
        Where all objects have one class.
    """
    fitted = fit_logistic(variants, classes=classes, strengths=STRENGTHS, seed=seed)
    weights, biases = (fitted.weight,), (fitted.bias,)
    return _judged(fitted.mean, fitted.scale, weights, biases, variants[0])


def fit_perceptron(
    features: Floats, labels: NDArray[np.int64], *, classes: int, seed: int
) -> FittedTransfer:
    """Fit the published multi-layer perceptron.

    Hidden layers of 8, 7, 5 and 3, adam, alpha 1e-4, at most 300 iterations, inputs as
    they are (Jimenez et al. 2023). It can fall to one class for all objects, or lose one of
    several; then ``collapsed`` is true.

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

    check_classes(labels)
    model = MLPClassifier((8, 7, 5, 3), alpha=1e-4, max_iter=300, random_state=seed)
    with warnings.catch_warnings():
        # 300 iterations are the published length, converged or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    last, bias = spread_logits(model.coefs_[-1], model.intercepts_[-1], model.classes_, classes)
    count = features.shape[1]
    return _judged(
        np.zeros(count),
        np.ones(count),
        (*model.coefs_[:-1], last),
        (*model.intercepts_[:-1], bias),
        (features, labels),
    )


def _judged(
    mean: Floats,
    scale: Floats,
    weights: tuple[Floats, ...],
    biases: tuple[Floats, ...],
    fitted_on: Variant,
) -> FittedTransfer:
    """Put a transfer together and see whether it has collapsed."""
    made = FittedTransfer(mean=mean, scale=scale, weights=weights, biases=biases, collapsed=False)
    features, labels = fitted_on
    chosen = made.probabilities(features).argmax(axis=1)
    found = [np.mean(chosen[labels == label] == label) for label in np.unique(labels)]
    return replace(made, collapsed=min(found) < LOST)
