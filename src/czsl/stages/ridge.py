"""Logistic regression about a known prior: a Gaussian prior on its weights, found by Newton."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

STEPS = 50
PRECISION = 1e-6
"""Newton's steps end where the loss falls by less than this share of itself."""


def fit_ridge(
    inputs: Floats, labels: Rows, weights: Floats, *, offset: Floats, penalty: float
) -> Floats:
    r"""Fit a multinomial logistic regression without intercept.

    With weights :math:`B` the logits are :math:`b + x B`, where the offset :math:`b` is given:
    where all inputs are 0 the probabilities are those of the offset. Minimised is

    .. math:: -\sum_i w_i \ln\mathrm{softmax}(b + x_i B)_{y_i} + \frac{\lambda}{2} \lVert B
        \rVert^2 ,

    which has one minimum.

    Parameters
    ----------
    inputs
        Shape (row, input).
    labels
        Classes, shape (row,).
    weights
        Weight of each row, shape (row,).
    offset
        Logits of the prior, shape (class,), or of each row's, shape (row, class).
    penalty
        The :math:`\lambda` above: weights have the prior variance 1 / lambda.

    Returns
    -------
    Array
        Shape (input, class).

    Examples
    --------
    >>> found = fit_ridge(np.array([[-1.0], [1.0]]), np.array([0, 1]), np.ones(2),
    ...                   offset=np.zeros(2), penalty=1.0)
    >>> found.round(3)
    array([[-0.521,  0.521]])
    """
    count, classes = inputs.shape[1], offset.shape[-1]
    known = np.eye(classes)[labels]
    found: Floats = np.zeros((count, classes))
    step: Floats = np.zeros((count, classes))
    loss, size = np.inf, 1.0
    for _ in range(STEPS):
        logits = offset + inputs @ (found - size * step)
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        misfit = -float(weights @ logs[np.arange(len(labels)), labels])
        new = misfit + penalty / 2 * float(np.sum((found - size * step) ** 2))
        if new > loss * (1 + 1e-12):  # a step too long is halved
            size /= 2
            continue
        done = loss - new < PRECISION * new
        found, loss, size = found - size * step, new, 1.0
        if done:
            break
        chances = np.exp(logs)
        slope = inputs.T @ (weights[:, None] * (chances - known)) + penalty * found
        bend = _hessian(inputs, chances, weights) + penalty * np.eye(count * classes)
        solved = np.asarray(np.linalg.solve(bend, slope.T.ravel()), np.float64)
        step = solved.reshape(classes, count).T
    return found


def _hessian(inputs: Floats, chances: Floats, weights: Floats) -> Floats:
    """Give the second derivatives of the likelihood, class by class, shape (c i, c i)."""
    count, classes = inputs.shape[1], chances.shape[1]
    bend = np.zeros((classes, count, classes, count))
    for one in range(classes):
        for other in range(one, classes):
            shared = weights * chances[:, one] * ((one == other) - chances[:, other])
            block = (inputs * shared[:, None]).T @ inputs
            bend[one, :, other] = bend[other, :, one] = block
    return bend.reshape(classes * count, classes * count)


def deal_folds(objects: Rows, labels: Rows, folds: int, seed: int) -> Rows:
    """Deal objects into folds, class by class; the order of the rows does not matter.

    Parameters
    ----------
    objects
        Place of each row's object in an order of its own, shape (row,); rows of the same
        object are in the same fold.
    labels
        Classes, shape (row,).
    folds
        How many at most.
    seed
        Seed of the shuffle.

    Examples
    --------
    >>> deal_folds(np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]), folds=2, seed=0)
    array([0, 1, 0, 1])
    """
    unique, first, inverse = np.unique(objects, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(unique))
    order = shuffled[np.argsort(labels[first][shuffled], kind="stable")]
    dealt = np.empty(len(unique), np.int64)
    dealt[order] = np.arange(len(unique)) % min(folds, len(unique))
    found: Rows = dealt[inverse]
    return found


def paired_gain(old: Floats, new: Floats) -> tuple[float, float]:
    """Give how much smaller the new losses of the same objects are, and its standard error.

    Examples
    --------
    >>> paired_gain(np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    (1.0, 0.5)
    """
    gains = old - new
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
