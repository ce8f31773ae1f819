"""What images should give, as arrays over all objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteTargets:
    """What volunteers said of every object.

    Parameters
    ----------
    counts
        Votes to learn from, shape (object, answer), the answers of all questions side by
        side; zeros where nothing is given.
    questions
        Number of answers of each question, in order.
    answer_mirror
        The answer that each becomes when the image is mirrored, shape (answer,).
    majority
        Class of the volunteers' majority, shape (object,); -1 for none.
    classes
        Number of classes.
    class_mirror
        The class that each becomes when the image is mirrored, shape (class,).
    class_answers
        Which answers make each class, shape (answer, class), 0 or 1.
    """

    counts: NDArray[np.float64]
    questions: tuple[int, ...]
    answer_mirror: NDArray[np.int64]
    majority: NDArray[np.int64]
    classes: int
    class_mirror: NDArray[np.int64]
    class_answers: NDArray[np.float64]


def one_hot(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Turn class numbers into probabilities of 0 and 1, shape (object, class).

    Examples
    --------
    >>> one_hot(np.array([1, 0]), 2)
    tensor([[0., 1.],
            [1., 0.]])
    """
    return functional.one_hot(torch.from_numpy(labels), classes).float()
