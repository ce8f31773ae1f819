"""What a transfer has learned, as a table: the posterior at votes that stand for many objects."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.stages.fitted_transfer import FittedTransfer
from czsl.stages.targets import Layout, features_of_counts

Floats = NDArray[np.float64]

NUMBERS = (5, 20, 40)
MIXTURES = 11
"""Shares of an answer from 0 to 1 in steps of a tenth."""


def map_table(
    fitted: FittedTransfer,
    layout: Layout,
    counts: Floats,
    *,
    numbers: Sequence[int] = NUMBERS,
    question: int = 0,
) -> list[dict[str, Any]]:
    """Give the posterior at votes that are all for one answer, and at mixtures of two.

    The two are the answers that objects have most votes for. Of a question that is asked after
    an answer as many votes are for that, all the way up. Other questions have no votes, extra
    columns and the image are not known. Only for the logistic transfer: the perceptron
    does not know the number of votes.

    Parameters
    ----------
    fitted
        The transfer.
    layout
        Answers and classes, by name.
    counts
        Votes on all objects, shape (object, answer), by which answers are found frequent.
    numbers
        How many votes.
    question
        Place of the question.

    Returns
    -------
    list
        Rows ``votes, kind, first, second, share, p_<class>...``: ``kind`` is ``"unanimous"`` or
        ``"mixture"``, ``share`` that of the answer ``first``; the rest goes to ``second``.
        A mixture may be of parts of votes. No rows for the perceptron.

    Examples
    --------
    >>> layout = Layout(questions=(2,), answer_mirror=np.arange(2), class_mirror=np.arange(2),
    ...                 class_answers=np.eye(2), answer_names=("smooth", "arms"),
    ...                 class_names=("early", "late"))
    >>> fitted = FittedTransfer(mean=np.zeros(5), scale=np.ones(5), biases=(np.zeros(2),),
    ...     weights=(np.eye(5, 2),), pairs=np.zeros((0, 2), np.int64), collapsed=False)
    >>> rows = map_table(fitted, layout, np.array([[9.0, 1.0]]), numbers=[3])
    >>> rows[0]["first"], round(rows[0]["p_early"], 3), len(rows)
    ('smooth', 0.622, 13)
    """
    if fitted.pairs is None:
        return []
    start = sum(layout.questions[:question])
    answers = start + np.arange(layout.questions[question])
    order = answers[np.argsort(-counts[:, answers].sum(axis=0), kind="stable")]
    cases = [("unanimous", int(one), -1, 1.0) for one in answers]
    if len(order) > 1:
        pair = (int(order[0]), int(order[1]))
        cases += [("mixture", *pair, float(share)) for share in np.linspace(0, 1, MIXTURES)]
    rows = []
    for number, (kind, first, second, share) in itertools.product(numbers, cases):
        votes = np.zeros((1, layout.answers))
        votes[0, _way_up(layout, question)] = number
        votes[0, first] = share * number
        if second >= 0:
            votes[0, second] = (1 - share) * number
        posterior = fitted.probabilities(_features(fitted, layout, votes))[0]
        rows.append(
            {
                "votes": number,
                "kind": kind,
                "first": layout.answer_names[first],
                "second": layout.answer_names[second] if second >= 0 else "",
                "share": round(share, 3),
                **{f"p_{n}": float(p) for n, p in zip(layout.class_names, posterior, strict=True)},
            }
        )
    return rows


def _way_up(layout: Layout, question: int) -> list[int]:
    """Give the places of the answers that lead to a question."""
    led = layout.after[question] if layout.after else None
    if led is None:
        return []
    return [sum(layout.questions[: led[0]]) + led[1], *_way_up(layout, led[0])]


def _features(fitted: FittedTransfer, layout: Layout, votes: Floats) -> Floats:
    """Give the features of votes alone: values unknown, of which nothing is known."""
    told = features_of_counts(votes, layout.questions, np.zeros((1, 0)), layout.after)
    # Values that are missing are taken for the mean; shares of what is known have the mean 0.
    rest = np.where(fitted.mean[told.shape[1] :] == 0, 0.0, np.nan)
    return np.hstack([told, rest[None]])
