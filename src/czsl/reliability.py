"""Stated probabilities against what happened: bins, calibration error, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.scores import LEVELS, Floats, Labels, known_rows, wilson_interval


def confusion(predicted: Labels, labels: Labels, classes: int) -> Labels:
    """Count the objects of each class by what is predicted of them.

    Parameters
    ----------
    predicted
        Predicted class, shape (object,); -1 for no class.
    labels
        True class, shape (object,).
    classes
        Number of classes.

    Returns
    -------
    Array
        Objects, shape (true class, predicted class or none): "none" is the last column.

    Examples
    --------
    >>> confusion(np.array([0, 1, -1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1, 0], [0, 0, 1]]
    """
    column = np.where(predicted < 0, classes, predicted)
    pairs = np.bincount(labels * (classes + 1) + column, minlength=classes * (classes + 1))
    return pairs.reshape(classes, classes + 1).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Objects of which a like probability was stated, and how many of them were so.

    Attributes
    ----------
    low, high
        Range of the stated probability.
    n
        Objects.
    stated
        Mean of the stated probability.
    found
        Share of the objects that were so.
    found_low, found_high
        Its 95% interval (:func:`wilson_interval`).
    """

    low: float
    high: float
    n: int
    stated: float
    found: float
    found_low: float
    found_high: float


def bin_numbers(stated: Floats, number: int = 10) -> Labels:
    """Give the bin of each probability, shape (object,), of equal width over 0 to 1.

    A bin holds its lower edge, the last one both.

    Examples
    --------
    >>> bin_numbers(np.array([0.0, 0.1, 0.99, 1.0]))
    array([0, 1, 9, 9])
    """
    return np.minimum((stated * number).astype(np.int64), number - 1)


def bins(stated: Floats, happened: NDArray[np.bool_], number: int = 10) -> list[Bin]:
    """Compare stated probabilities with what happened, in bins of equal width over 0 to 1.

    Parameters
    ----------
    stated
        Stated probability, or a share of votes, shape (object,).
    happened
        Whether it was so, shape (object,).
    number
        Number of bins; those without an object are left out.

    Examples
    --------
    >>> [one] = bins(np.array([0.72, 0.78]), np.array([True, False]))
    >>> one.n, round(one.stated, 2), one.found, one.low, one.high
    (2, 0.75, 0.5, 0.7, 0.8)
    """
    place = bin_numbers(stated, number)
    counts = np.bincount(place, minlength=number)
    total = np.bincount(place, weights=stated, minlength=number)
    happening = np.bincount(place, weights=happened, minlength=number)
    found = []
    for index in np.flatnonzero(counts).tolist():
        right, count = int(happening[index]), int(counts[index])
        low, high = wilson_interval(right, count)
        found.append(
            Bin(
                low=index / number,
                high=(index + 1) / number,
                n=count,
                stated=float(total[index]) / count,
                found=right / count,
                found_low=low,
                found_high=high,
            )
        )
    return found


def reliability(posterior: Floats, labels: Labels, number: int = 10) -> list[Bin]:
    """Compare the probability of the likeliest class with how often it is the true one.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    labels
        True class, shape (object,).
    number
        Number of bins.
    """
    known = known_rows(posterior)
    best = posterior[known].argmax(axis=1)
    return bins(posterior[known].max(axis=1), best == labels[known], number)


def calibration_interval(
    posterior: Floats, labels: Labels, *, draws: int = 500, seed: int = 0
) -> dict[str, float] | None:
    """Give the expected calibration error with its 95% interval, and what chance alone gives.

    The interval is that of a bootstrap over objects. Of few objects even true
    probabilities show an error: ``by_chance`` is its mean over classes drawn from the
    posterior itself.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    labels
        True class, shape (object,).
    draws
        Number of draws.
    seed
        Of the draws.

    Returns
    -------
    dict or None
        ``error, low, high, by_chance, n``; None without any object.

    Examples
    --------
    >>> posterior = np.array([[0.9, 0.1]] * 10)
    >>> found = calibration_interval(posterior, np.array([0] * 9 + [1]))
    >>> round(found["error"], 3), found["n"]
    (0.0, 10)
    """
    known = known_rows(posterior)
    if not known.any():
        return None
    stated = posterior[known].max(axis=1)
    right = posterior[known].argmax(axis=1) == labels[known]
    random, number = np.random.default_rng(seed), len(stated)
    chosen = random.integers(number, size=(draws, number))

    def error(stated: Floats, right: NDArray[np.bool_]) -> float:
        found = calibration_error(bins(stated, right))
        assert found is not None  # there are objects
        return found

    errors = [error(stated[rows], right[rows]) for rows in chosen]
    chance = [error(stated, random.random(number) < stated) for _ in range(draws)]
    low, high = np.quantile(errors, LEVELS).tolist()
    return {
        "error": error(stated, right),
        "low": low,
        "high": high,
        "by_chance": float(np.mean(chance)),
        "n": number,
    }


def calibration_error(found: Sequence[Bin]) -> float | None:
    r"""Give the expected calibration error of a reliability diagram.

    .. math:: \sum_b \frac{n_b}{n} \left| \mathrm{found}_b - \mathrm{stated}_b \right|

    (Guo et al. 2017, ICML, PMLR 70, 1321, equation 3.)

    Parameters
    ----------
    found
        The bins, as :func:`reliability` gives them; without any there is no error.

    Examples
    --------
    >>> calibration_error(bins(np.array([0.75, 0.75]), np.array([True, False])))
    0.25
    """
    number = sum(one.n for one in found)
    if not number:
        return None
    return sum(one.n * abs(one.found - one.stated) for one in found) / number
