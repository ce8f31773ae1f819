"""How good probabilities are: pure functions of posteriors and classes, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.ranking import rank_class

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

Z95 = 1.959963984540054
"""The normal deviate that leaves 2.5% on either side."""

LEVELS = (0.025, 0.975)
"""Quantiles of draws that are the limits of a 95% interval."""


def wilson_interval(correct: int, number: int) -> tuple[float, float]:
    r"""Give the 95% interval of a proportion.

    .. math::
        \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}

    (Wilson 1927, J. Am. Stat. Assoc. 22, 209.)

    Parameters
    ----------
    correct
        Successes.
    number
        Trials; with none the interval is all of 0 to 1.

    Examples
    --------
    >>> low, high = wilson_interval(95, 100)
    >>> round(low, 4), round(high, 4)
    (0.8882, 0.9785)
    """
    if number == 0:
        return 0.0, 1.0
    share, z2 = correct / number, Z95**2
    middle = share + z2 / (2 * number)
    spread = Z95 * np.sqrt(share * (1 - share) / number + z2 / (4 * number**2))
    scale = 1 + z2 / number
    return float((middle - spread) / scale), float((middle + spread) / scale)


def known_rows(posterior: Floats) -> NDArray[np.bool_]:
    """Say which objects have a posterior, shape (..., object): no value of theirs is NaN.

    Parameters
    ----------
    posterior
        Shape (..., object, class).

    Examples
    --------
    >>> known_rows(np.array([[0.2, 0.8], [np.nan, np.nan]]))
    array([ True, False])
    """
    known: NDArray[np.bool_] = np.all(~np.isnan(posterior), axis=-1)
    return known


def likeliest(posterior: Floats) -> Labels:
    """Give each object's most probable class, shape (object,); -1 without a posterior.

    Of equal classes it is the first.

    Parameters
    ----------
    posterior
        Shape (object, class), or what else is highest for the class to take.

    Examples
    --------
    >>> likeliest(np.array([[0.2, 0.8], [0.5, 0.5], [np.nan, np.nan]]))
    array([ 1,  0, -1])
    """
    known = known_rows(posterior)
    return np.where(known, np.where(known[:, None], posterior, 0).argmax(axis=1), -1)


def accuracy(predicted: Labels, labels: Labels) -> dict[str, Any]:
    """Give the share of objects whose class is right, with its 95% interval.

    Without any object the share is None.

    Parameters
    ----------
    predicted
        Predicted class, shape (object,); -1, no class, counts as wrong.
    labels
        True class, shape (object,).

    Examples
    --------
    >>> accuracy(np.array([0, 1, 1, -1]), np.array([0, 1, 0, 0]))["accuracy"]
    0.5
    """
    correct, number = int(np.sum(predicted == labels)), len(labels)
    low, high = wilson_interval(correct, number)
    share = correct / number if number else None
    return {"accuracy": share, "low": low, "high": high, "n": number}


def balanced_accuracy(predicted: Labels, labels: Labels) -> float:
    """Give the mean over the classes that occur of the share of their objects found.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.5
    """
    return float(np.mean([np.mean(predicted[labels == k] == k) for k in np.unique(labels)]))


def log_likelihoods(posterior: Floats, labels: Labels) -> Floats:
    """Give each object's log-probability of its true class, shape (object,), in nats.

    Parameters
    ----------
    posterior
        Shape (object, class); probabilities below 1e-12 count as that.
    labels
        True class, shape (object,).

    Examples
    --------
    >>> log_likelihoods(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([1, 0])).round(4)
    array([-0.6931,  0.    ])
    """
    chosen = posterior[np.arange(len(labels)), labels]
    logs: Floats = np.log(np.maximum(chosen, 1e-12))
    return logs


def log_loss(posterior: Floats, labels: Labels) -> float:
    """Give the mean negative log-probability of the true class, in nats.

    Parameters
    ----------
    posterior
        Shape (object, class); probabilities below 1e-12 count as that.
    labels
        True class, shape (object,).

    Examples
    --------
    >>> round(log_loss(np.array([[0.5, 0.5]]), np.array([1])), 4)
    0.6931
    """
    return float(-np.mean(log_likelihoods(posterior, labels)))


def auc(posterior: Floats, labels: Labels) -> float | None:
    """Give the area under the ROC curve; over several classes the mean of one against rest.

    Parameters
    ----------
    posterior
        Shape (object, class).
    labels
        True class, shape (object,).

    Returns
    -------
    float or None
        None where only one class occurs.

    Examples
    --------
    >>> auc(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1]))
    1.0
    """
    present = np.unique(labels)
    if len(present) < 2:
        return None
    once = np.ones((1, len(labels)), np.uint8)
    return float(np.mean([rank_class(posterior[:, k], labels == k).area(once) for k in present]))


def scores(posterior: Floats, labels: Labels) -> dict[str, Any]:
    """Give every score of posteriors at once, ready for JSON.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN (no usable image) are left out of all.
    labels
        True class, shape (object,).

    Examples
    --------
    >>> sorted(scores(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1])))
    ['accuracy', 'auc', 'balanced_accuracy', 'high', 'log_loss', 'low', 'n']
    """
    known = known_rows(posterior)
    posterior, labels = posterior[known], labels[known]
    if not len(labels):
        return accuracy(labels, labels)
    predicted = posterior.argmax(axis=1)
    return {
        **accuracy(predicted, labels),
        "balanced_accuracy": balanced_accuracy(predicted, labels),
        "auc": auc(posterior, labels),
        "log_loss": log_loss(posterior, labels),
    }
