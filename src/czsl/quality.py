"""Flags that follow from votes and posteriors: pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue, Given
from czsl.flags import Flag

Floats = NDArray[np.float64]

FEW = 5
"""Votes below which chance decides which answer leads."""

AGREEMENT = 0.2
"""Probability of naming the same class below which image and votes disagree."""


def vote_flags(catalogue: Catalogue, image: Floats, votes: Floats) -> NDArray[np.uint32]:
    """Give the flags of votes, and of image and votes together, shape (object,).

    Parameters
    ----------
    catalogue
        The objects.
    image, votes
        Posteriors, shape (object, class); rows of NaN where unknown.

    Returns
    -------
    Array
        Sums of ``NO_VOTES``, ``FEW_VOTES``, ``VOLUNTEERS_SPLIT`` and
        ``IMAGE_VOTES_DISAGREE``. The number of votes is the most over the questions; where
        one of them is unknown, votes are not called few.
    """
    flags = np.where(catalogue.has_votes, 0, int(Flag.NO_VOTES)).astype(np.uint32)
    flags[disagreeing(image, votes)] |= np.uint32(Flag.IMAGE_VOTES_DISAGREE)
    if not catalogue.questions:
        return flags
    totals = np.stack([question.total for question in catalogue.questions])
    few = np.nan_to_num(totals, nan=np.inf).max(axis=0) < FEW
    flags[few & catalogue.has_votes] |= np.uint32(Flag.FEW_VOTES)
    first = catalogue.questions[0]
    known = first.given >= Given.FRACTIONS
    flags[known & split(first.fractions, first.total)] |= np.uint32(Flag.VOLUNTEERS_SPLIT)
    return flags


def split(fractions: Floats, total: Floats) -> NDArray[np.bool_]:
    """Tell on which objects enough volunteers voted and no answer has half of the votes.

    Parameters
    ----------
    fractions
        Shares of the answers, shape (object, answer); NaN where nothing is given.
    total
        Votes, shape (object,); NaN where unknown, which is taken for enough.

    Examples
    --------
    >>> split(np.array([[0.4, 0.3, 0.3], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]]), np.array([9, 9, 3]))
    array([ True, False, False])
    """
    enough = np.isnan(total) | (total >= FEW)
    divided: NDArray[np.bool_] = enough & (np.nan_to_num(fractions, nan=1.0).max(axis=1) < 0.5)
    return divided


def disagreeing(image: Floats, votes: Floats) -> NDArray[np.bool_]:
    r"""Tell where draws from the two posteriors would seldom be of the same class.

    .. math::
        \sum_k p_k^\mathrm{image} p_k^\mathrm{votes} < 0.2

    Parameters
    ----------
    image, votes
        Shape (object, class); where one is NaN nothing disagrees.

    Examples
    --------
    >>> image = np.array([[0.95, 0.05], [0.6, 0.4]])
    >>> disagreeing(image, np.array([[0.1, 0.9], [0.1, 0.9]]))
    array([ True, False])
    """
    with np.errstate(invalid="ignore"):
        apart: NDArray[np.bool_] = (image * votes).sum(axis=1) < AGREEMENT
    return apart
