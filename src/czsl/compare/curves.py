"""What executions show together: confusion, calibration, precision and recall, worth of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from czsl.compare.measures import confusion
from czsl.ranking import Floats, Labels
from czsl.reliability import Bin, reliability
from czsl.scores import wilson_interval

MOST_POINTS = 200
"""Points of a curve: more are not seen."""


def judged_executions(posterior: Floats) -> Floats:
    """Leave out executions without any posterior, shape (execution, object, class).

    Parameters
    ----------
    posterior
        Shape (execution, object, class); NaN where there is none.
    """
    judged: Floats = posterior[~np.isnan(posterior).all(axis=(1, 2))]
    return judged


def mean_confusion(posterior: Floats, labels: Labels) -> Floats:
    """Average the confusion matrices of executions.

    Parameters
    ----------
    posterior
        Shape (execution, object, class).
    labels
        True class, shape (object,).

    Returns
    -------
    Array
        Objects, shape (true class, class decided on or none): "none" is the last column.

    Examples
    --------
    >>> sure, unsure = [[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]
    >>> mean_confusion(np.array([sure, unsure]), np.array([0, 1])).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """
    classes = posterior.shape[2]
    tables = [confusion(one, labels, classes) for one in judged_executions(posterior)]
    mean: Floats = np.mean(tables, axis=0) if tables else np.zeros((classes, classes + 1))
    return mean


def pooled_reliability(posterior: Floats, labels: Labels) -> list[Bin]:
    """Compare stated probabilities with what happened, over all executions together.

    Executions judge the same objects, so that a bin counts as many objects, and is as sure, as
    in one of them.

    Parameters
    ----------
    posterior
        Shape (execution, object, class).
    labels
        True class, shape (object,).
    """
    judged = judged_executions(posterior)
    pooled = reliability(judged.reshape(-1, posterior.shape[2]), np.tile(labels, len(judged)))
    found = []
    for one in pooled:
        number = max(1, round(one.n / len(judged)))
        low, high = wilson_interval(round(one.found * number), number)
        low, high = min(low, one.found), max(high, one.found)
        found.append(replace(one, n=number, found_low=low, found_high=high))
    return found


def precision_recall(posterior: Floats, labels: Labels, chosen: int) -> tuple[Floats, Floats]:
    """Give the precision for each recall of a class, over all executions together.

    Parameters
    ----------
    posterior
        Shape (execution, object, class).
    labels
        True class, shape (object,).
    chosen
        The class.

    Returns
    -------
    tuple of arrays
        Recall, rising, and precision, each of shape (point,); empty without an object of
        the class.

    Examples
    --------
    >>> posterior = np.array([[[0.1, 0.9], [0.4, 0.6], [0.7, 0.3]]])
    >>> recall, precision = precision_recall(posterior, np.array([1, 0, 1]), 1)
    >>> recall.tolist(), precision.round(2).tolist()
    ([0.5, 0.5, 1.0], [1.0, 0.5, 0.67])
    """
    score = posterior[:, :, chosen].ravel()
    inside = np.tile(labels == chosen, len(posterior))
    known = ~np.isnan(score)
    score, inside = score[known], inside[known]
    if not inside.any():
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(inside[order])
    # Objects of one score are chosen together.
    ends = np.flatnonzero(np.diff(score[order], append=-np.inf))
    recall, precision = found[ends] / found[-1], found[ends] / (ends + 1)
    if len(ends) > MOST_POINTS:
        kept = np.searchsorted(recall, np.linspace(recall[0], 1, MOST_POINTS))
        recall, precision = recall[kept], precision[kept]
    return recall, precision


@dataclass(frozen=True, kw_only=True)
class Worth:
    """How many experts' labels a curve needs to reach a value.

    Attributes
    ----------
    number
        Of labels; where the curve does not reach the value the largest of the sweep, and
        where it starts above the value the smallest.
    place
        ``"within"`` the sweep, ``"beyond"`` or ``"below"`` it.
    """

    number: float
    place: Literal["within", "beyond", "below"]

    def __str__(self) -> str:
        sign = {"within": "", "beyond": ">", "below": "<"}[self.place]
        return f"{sign}{self.number:,.0f}"


def labels_needed(numbers: Sequence[float], reached: Sequence[float], target: float) -> Worth:
    """Give the number of labels with which a curve first reaches a value.

    Between the points of a sweep the curve is a line over the logarithm of the number.

    Parameters
    ----------
    numbers
        Numbers of labels, rising, above 0.
    reached
        What each reached.
    target
        The value.

    Examples
    --------
    >>> str(labels_needed([10, 100, 1000], [0.6, 0.8, 0.9], 0.7))
    '32'
    >>> str(labels_needed([10, 100, 1000], [0.6, 0.8, 0.9], 0.95))
    '>1,000'
    """
    if reached[0] > target:
        return Worth(number=numbers[0], place="below")
    places: NDArray[np.int64] = np.flatnonzero(np.asarray(reached) >= target)
    if not len(places):
        return Worth(number=numbers[-1], place="beyond")
    end = int(places[0])
    if end == 0:
        return Worth(number=numbers[0], place="within")
    low, high = reached[end - 1], reached[end]
    share = (target - low) / (high - low)
    logs = np.log(numbers[end - 1 : end + 1])
    return Worth(number=float(np.exp(logs[0] + share * (logs[1] - logs[0]))), place="within")
