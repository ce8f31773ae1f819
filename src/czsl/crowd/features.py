"""Votes as inputs of the transfer and as targets of the network: pure functions of arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.draws import MANY, draw_votes, whole_votes
from czsl.catalogue.tree import After, whole_shares

Floats = NDArray[np.float64]

FRACTION_VOTES = 20.0
"""Votes that fractions are taken for where they are more, or where the number is unknown."""

LABEL_VOTES = 2.0
"""Votes that a volunteers' class alone is taken for."""

HALF_VOTES = 3.0
"""Votes that weigh a half as much as any number could: votes on one object are correlated."""


def trusted_counts(
    fractions: Floats, total: Floats, *, label: NDArray[np.bool_], counts: bool
) -> Floats:
    """Give the votes that the network's likelihood is to count.

    Counts stand for themselves; fractions for min(total, 20) votes, 20 where the total
    is not known; a class alone for 2.

    Parameters
    ----------
    fractions
        Shares of the answers, shape (object, answer); NaN where nothing is given.
    total
        Number of volunteers, shape (object,); NaN where unknown.
    label
        Whether only the volunteers' class is known, shape (object,).
    counts
        Whether the votes came as counts.

    Returns
    -------
    Array
        Votes, shape (object, answer); zeros where nothing is given.

    Examples
    --------
    >>> fractions = np.array([[0.25, 0.75], [1.0, 0.0], [np.nan, np.nan]])
    >>> total = np.array([40.0, np.nan, 0.0])
    >>> label = np.array([False, True, False])
    >>> trusted_counts(fractions, total, label=label, counts=True)
    array([[10., 30.],
           [ 2.,  0.],
           [ 0.,  0.]])
    """
    known = np.where(np.isnan(total), FRACTION_VOTES, total)
    votes = np.where(label, LABEL_VOTES, known if counts else np.minimum(known, FRACTION_VOTES))
    return np.nan_to_num(fractions) * votes[:, None]


def transfer_features(fractions: Floats, counts: Floats) -> Floats:
    """Describe the votes on one question for the logistic transfer.

    Parameters
    ----------
    fractions
        Shares of the answers, shape (object, answer), NaN where nothing is given.
    counts
        Votes behind them, shape (object, answer); zeros where nothing is given.

    Returns
    -------
    Array
        Shape (object, 2 answers + 1): each share times the weight w = n / (n + 3) of n votes,
        w itself, then of A answers with k votes each a tenth of ln(A (k + 1) / (n + A)), which
        tells rare answers apart. Few votes say little; no votes say nothing, all are 0.

    Examples
    --------
    >>> transfer_features(np.array([[0.25, 0.75]]), np.array([[3.0, 9.0]])).round(3)
    array([[ 0.2  ,  0.6  ,  0.8  , -0.056,  0.036]])
    """
    answers = counts.shape[1]
    number = counts.sum(axis=1, keepdims=True)
    weight = number / (number + HALF_VOTES)
    logs = np.log(answers * (counts + 1) / (number + answers)) / 10
    return np.hstack([np.nan_to_num(fractions) * weight, weight, logs])


def tree_features(
    fractions: Sequence[Floats], counts: Sequence[Floats], after: Sequence[After]
) -> list[Floats]:
    """Describe the votes on every question, of which some are asked after an answer to another.

    Parameters
    ----------
    fractions, counts
        Those of :func:`transfer_features`, for each question.
    after
        For each question the answer after which it is asked; nothing where there is none.

    Returns
    -------
    list
        For each question what :func:`transfer_features` gives; only that after an answer the
        weighted shares are shares of that answer's weighted share. So in sum no question says
        more than the votes that led to it.

    Examples
    --------
    >>> shape, sense = np.array([[1.0, 3.0]]), np.array([[3.0, 0.0]])
    >>> found = tree_features([shape / 4, sense / 3], [shape, sense], [None, (0, 1)])
    >>> np.hstack([part[:, :2] for part in found]).round(3)
    array([[0.143, 0.429, 0.429, 0.   ]])
    """
    parts = [transfer_features(f, k) for f, k in zip(fractions, counts, strict=True)]
    if not any(after):
        return parts
    shares = [
        part[:, : fraction.shape[1]] if led is None else np.nan_to_num(fraction)
        for part, fraction, led in zip(parts, fractions, after, strict=True)
    ]
    whole = whole_shares(shares, after)
    return [
        np.hstack([some, part[:, some.shape[1] :]]) for some, part in zip(whole, parts, strict=True)
    ]


def votes_weight(counts: Sequence[Floats]) -> Floats:
    """Say how much could be learned from the votes on each object.

    Parameters
    ----------
    counts
        Votes on each question, shape (object, answer); zeros where nothing is given.

    Returns
    -------
    Array
        w = n / (n + 3) of the n votes on the question that has most, shape (object,).

    Examples
    --------
    >>> votes_weight([np.array([[2.0, 7.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 1.0]])])
    array([0.75, 0.25])
    """
    number: Floats = np.max([part.sum(axis=1) for part in counts], axis=0)
    return number / (number + HALF_VOTES)


def question_places(questions: Sequence[int]) -> list[NDArray[np.int64]]:
    """Give the places of each question's weighted shares, and last of its weight, among features.

    Examples
    --------
    >>> question_places([2, 3])
    [array([0, 1, 2]), array([5, 6, 7, 8])]
    """
    starts = np.concatenate([[0], np.cumsum([2 * size + 1 for size in questions])])
    return [start + np.arange(size + 1) for start, size in zip(starts, questions, strict=False)]


def thinned_counts(
    counts: Floats, questions: Sequence[int], votes: NDArray[np.int64], random: np.random.Generator
) -> Floats:
    """Draw some of the votes on each object without replacement.

    The counts of a question's answers then follow the multivariate hypergeometric
    distribution (:func:`czsl.catalogue.draws.draw_votes`). Of several questions each keeps
    the same share of its votes, rounded up.

    Parameters
    ----------
    counts
        Votes, shape (object, answer), the answers of all questions side by side; those of
        fractions are rounded.
    questions
        Number of answers of each question.
    votes
        Votes to keep on the question that has most, shape (object,); objects with fewer
        keep all.
    random
        Draws.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> thinned_counts(np.array([[30.0, 10.0]]), [2], np.array([4]), random).sum(axis=1)
    array([4.])
    """
    whole = whole_votes(counts)
    starts = np.concatenate([[0], np.cumsum(questions)])
    parts = [whole[:, a:b] for a, b in itertools.pairwise(starts)]
    most = np.max([part.sum(axis=1) for part in parts], axis=0)
    kept = np.minimum(votes, most)
    thinned = np.zeros(counts.shape)
    for start, part in zip(starts, parts, strict=False):
        left = _share(part.sum(axis=1), kept, most)
        thinned[:, start : start + part.shape[1]] = draw_votes(part, left, random)
    return thinned


def _share(
    number: NDArray[np.int64], kept: NDArray[np.int64], most: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give the share kept / most of a number of votes, rounded up, shape (object,)."""
    # The product of two billions of votes does not fit 64 bits.
    rough = np.minimum(np.ceil(number / np.maximum(most, 1) * kept), number).astype(np.int64)
    return np.where(most >= MANY, rough, -(-number * kept // np.maximum(most, 1)))


def extra_features(extra: Floats) -> Floats:
    """Describe extra columns: their values, which are missing, and how many are known.

    Parameters
    ----------
    extra
        Shape (object, column); NaN where missing.

    Returns
    -------
    Array
        Shape (object, 2 columns + 1): values, NaN where missing, which a transfer takes for the
        experts' mean; for each column 1 where it is missing and another is known; the share of
        the columns that are known. Without columns there is nothing, shape (object, 0).

    Examples
    --------
    >>> extra_features(np.array([[0.5, np.nan], [np.nan, np.nan]]))
    array([[0.5, nan, 0. , 1. , 0.5],
           [nan, nan, 0. , 0. , 0. ]])
    """
    if not extra.shape[1]:
        return extra
    share = np.mean(~np.isnan(extra), axis=1, keepdims=True)
    return np.hstack([extra, np.isnan(extra) & (share > 0), share])


def mirrored_features(mirrors: list[NDArray[np.int64]], extra: int) -> NDArray[np.int64]:
    """Give the feature that each feature becomes when the image is mirrored.

    Parameters
    ----------
    mirrors
        For each question, the answer that each answer becomes.
    extra
        Number of extra columns, which do not change; with any the votes are there twice.

    Examples
    --------
    >>> mirrored_features([np.array([1, 0])], extra=1)
    array([ 1,  0,  2,  4,  3,  5,  6,  7,  9,  8, 10, 12, 11])
    """
    parts: list[NDArray[np.int64]] = []
    start = 0
    for mirror in mirrors:
        size = len(mirror)
        parts += [start + mirror, np.array([start + size]), start + size + 1 + mirror]
        start += 2 * size + 1
    if not extra:
        return np.concatenate([*parts, np.zeros(0)]).astype(np.int64)
    told = 2 * extra + 1
    again = [start + told + part for part in parts]
    return np.concatenate([*parts, start + np.arange(told), *again]).astype(np.int64)
