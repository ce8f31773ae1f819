"""Stage transfer: a small model learns from votes to experts' classes."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from czsl.recipes import Transfer
from czsl.stages.fitted_transfer import FittedTransfer
from czsl.stages.logistic import check_classes, spread_logits
from czsl.stages.targets import Layout, TransferInputs
from czsl.stages.votes_map import fit_votes_map

__all__ = ["FittedTransfer", "fit_perceptron", "fit_transfer"]

Floats = NDArray[np.float64]

LOST = 0.1
"""Share of a class's objects below which a transfer has lost the class."""


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
        Seed of weights, folds and thinned votes.

    Raises
    ------
    ArgumentError
        Where all rows have one class.
    """
    check_classes(labels)
    if settings.kind == "perceptron":
        return fit_perceptron(inputs.features[rows], labels, classes=layout.classes, seed=seed)
    made = fit_votes_map(inputs, rows, labels, layout, seed=seed, image=settings.image)
    return _judged(made, inputs.matrix(rows, made.uses_image), labels)


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
    made = FittedTransfer(
        mean=np.zeros(count),
        scale=np.ones(count),
        weights=(*model.coefs_[:-1], last),
        biases=(*model.intercepts_[:-1], bias),
        collapsed=False,
    )
    return _judged(made, features, labels)


def _judged(made: FittedTransfer, features: Floats, labels: NDArray[np.int64]) -> FittedTransfer:
    """See whether a transfer has collapsed on the objects that it was fitted on."""
    chosen = made.probabilities(features).argmax(axis=1)
    found = [np.mean(chosen[labels == label] == label) for label in np.unique(labels)]
    return replace(made, collapsed=min(found) < LOST)
