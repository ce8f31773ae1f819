"""The volunteers' plain majority, as classes: what a catalogue without a network would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.catalogue import Catalogue
from czsl.catalogue.tree import asked_after, first_answers, whole_shares
from czsl.catalogue.votes import Given, Votes


def majority_class(catalogue: Catalogue) -> NDArray[np.int64]:
    """Give the class whose answers have the largest share of the votes.

    The shares are those of :func:`class_shares`. An answer that makes no class stands for
    itself: where it has more than every class, the majority is for none. Of classes with
    equal shares the first is taken.

    Returns
    -------
    array, (object,)
        The class's place; -1 where there are no votes or the majority is for no class.
    """
    classes, others = _shares(catalogue)
    best = classes.argmax(axis=1)
    largest = classes.max(axis=1)
    rest = others.max(axis=1, initial=0.0)
    return np.where((largest > 0) & (largest >= rest), best, -1)


def majority_probability(catalogue: Catalogue) -> NDArray[np.float64]:
    """Give the shares of the classes among the votes that are for any class.

    Returns
    -------
    array, (object, class)
        Rows sum to 1; NaN where no vote is for a class.
    """
    classes, _ = _shares(catalogue)
    summed = classes.sum(axis=1, keepdims=True)
    nothing = np.full(classes.shape, np.nan)
    shares: NDArray[np.float64] = np.divide(classes, summed, out=nothing, where=summed > 0)
    return shares


def class_shares(
    questions: Sequence[Votes], from_answers: Mapping[str, Sequence[str]], classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the volunteers' votes for each class, and for each answer that makes none.

    An answer's share is the fraction of the votes on its question, times the share of the
    answer after which the question is asked. An answer that makes no class gives way to
    the answers of the question asked after it, where that has votes. One that leads to another
    answer of its class holds that one's share already.

    Parameters
    ----------
    questions
        The votes, one question or more, each after that of the answer it follows.
    from_answers
        The answers that make each class; a class without any has no share.
    classes
        The classes in their order.

    Returns
    -------
    array, (object, class)
        The classes' shares; 0 where there are no votes.
    array, (object, other)
        The shares of the answers that make no class.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from czsl.catalogue.votes import read_votes
    >>> from czsl.config import VotesSettings
    >>> from czsl.errors import Problems
    >>> settings = VotesSettings(answers={"smooth": "s", "arms": "a", "edge": "e", "star": "x"})
    >>> table = pa.table({"s": [4], "a": [3], "e": [2], "x": [1]})
    >>> votes = read_votes(table, settings, Problems(), name="a.csv")
    >>> class_shares([votes], {"early": ["smooth"], "late": ["arms", "edge"]}, ["early", "late"])
    (array([[0.4, 0.5]]), array([[0.1]]))
    """
    objects = len(questions[0])
    after = asked_after(
        [votes.after for votes in questions], [votes.answers for votes in questions]
    )
    whole = whole_shares([np.nan_to_num(votes.fractions) for votes in questions], after)
    shares = {
        answer: part[:, place]
        for votes, part in zip(questions, whole, strict=True)
        for place, answer in enumerate(votes.answers)
    }
    led = {answer: votes.after for votes in questions for answer in votes.answers}
    sums = np.zeros((objects, len(classes)))
    assigned: set[str] = set()
    for place, name in enumerate(classes):
        answers = from_answers.get(name, ())
        assigned.update(answers)
        for answer in first_answers(answers, led):
            sums[:, place] += shares[answer]
    for votes in questions:
        if votes.after is not None and votes.after not in assigned:
            shares[votes.after] = np.where(votes.given != Given.NOTHING, 0.0, shares[votes.after])
    rest = [share for answer, share in shares.items() if answer not in assigned]
    return sums, np.stack(rest, axis=1) if rest else np.zeros((objects, 0))


def _shares(catalogue: Catalogue) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the votes of a catalogue, which may have no question."""
    if not catalogue.questions:
        return np.zeros((len(catalogue), len(catalogue.classes))), np.zeros((len(catalogue), 0))
    return class_shares(
        catalogue.questions, catalogue.config.classes.from_answers, catalogue.classes
    )
