"""Questions that are asked after an answer to another one: what their shares are of all votes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[np.float64], "Tensor")

After = tuple[int, int] | None
"""The answer after which a question is asked: the place of its question, and its own place there;
None for a question that everyone is asked."""


def asked_after(after: Sequence[str | None], answers: Sequence[Sequence[str]]) -> tuple[After, ...]:
    """Find the answers after which questions are asked.

    Parameters
    ----------
    after
        For each question the name of the answer, or None; its question comes before.
    answers
        For each question the names of its answers.

    Examples
    --------
    >>> asked_after([None, "disc"], [["smooth", "disc"], ["arms", "edge"]])
    (None, (0, 1))
    """
    places = {
        name: (question, place)
        for question, names in enumerate(answers)
        for place, name in enumerate(names)
    }
    return tuple(None if name is None else places[name] for name in after)


def whole_shares(shares: Sequence[Array], after: Sequence[After]) -> list[Array]:
    """Multiply the shares of each question's answers by the share that led to it, all the way up.

    Parameters
    ----------
    shares
        For each question the shares of its answers, shape (object, answer); arrays, or tensors
        on any device.
    after
        For each question the answer after which it is asked; nothing at all where everyone is
        asked every question.

    Returns
    -------
    list
        Of the same shapes. Where everyone is asked, the very same arrays.

    Examples
    --------
    >>> shape, sense = np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]])
    >>> whole_shares([shape, sense], [None, (0, 1)])
    [array([[0.25, 0.75]]), array([[0.375, 0.375]])]
    """
    whole: list[Array] = []
    for part, led in zip(shares, after or [None] * len(shares), strict=True):
        whole.append(part if led is None else part * whole[led[0]][:, led[1], None])
    return whole


def first_answers(answers: Sequence[str], led: Mapping[str, str | None]) -> list[str]:
    """Leave out the answers of a class that another answer of the class leads to.

    Its share holds theirs, which would be counted twice.

    Parameters
    ----------
    answers
        Those of one class.
    led
        For every answer the one after which its question is asked, or None.

    Examples
    --------
    >>> first_answers(["disc", "arms"], {"smooth": None, "disc": None, "arms": "disc"})
    ['disc']
    """
    return [answer for answer in answers if not set(answers) & set(_way_up(answer, led))]


def _way_up(answer: str, led: Mapping[str, str | None]) -> Iterator[str]:
    """Give the answers that lead to an answer's question, the nearest first."""
    above = led[answer]
    while above is not None:
        yield above
        above = led[above]
