"""What volunteers answered to one question: from the columns of a table to numbers.

A count of votes, a fraction with a total, a fraction without one, or only the
volunteers' class: each object may have another of these, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue.columns import Ids, match_values, number_column, text_column
from czsl.catalogue.draws import MANY, draw_votes, whole_votes
from czsl.catalogue.votes_check import usable_rows
from czsl.config import VotesSettings
from czsl.errors import Problems


class Given(IntEnum):
    """What is known of the votes on an object."""

    NOTHING = 0
    LABEL = 1
    FRACTIONS = 2
    COUNTS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Votes:
    """The volunteers' answers to one question.

    Parameters
    ----------
    question
        Its name.
    after
        The answer after which alone it is asked, or None.
    answers
        What volunteers could answer, in the order of every array's last axis.
    counts : (object, answer)
        Votes; fractions times the total where that is known; NaN elsewhere.
    fractions : (object, answer)
        Shares of the votes; rows sum to 1. A class alone is 1 for its answer and 0 for
        the others. NaN where nothing is given.
    total : (object,)
        Votes on the object: the sum of its counts, or the total that goes with its
        fractions; 0 where nothing is given, NaN where unknown (a class alone, fractions
        without a total).
    given : (object,)
        A :class:`Given` each.
    unit
        What the table holds: ``"counts"`` or ``"fractions"``.
    mirror : (answer,)
        The answer that each becomes when the image is mirrored.
    """

    question: str
    after: str | None
    answers: tuple[str, ...]
    counts: NDArray[np.float64]
    fractions: NDArray[np.float64]
    total: NDArray[np.float64]
    given: NDArray[np.uint8]
    unit: str
    mirror: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.given)

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Votes:
        """Take some objects, by their numbers or by a mask, in the order given."""
        return replace(
            self,
            counts=self.counts[rows],
            fractions=self.fractions[rows],
            total=self.total[rows],
            given=self.given[rows],
        )

    def hiding(self, hidden: NDArray[np.bool_]) -> Votes:
        """Leave out the votes on some objects, by a mask (object,)."""
        return replace(
            self,
            counts=np.where(hidden[:, None], np.nan, self.counts),
            fractions=np.where(hidden[:, None], np.nan, self.fractions),
            total=np.where(hidden, 0.0, self.total),
            given=np.where(hidden, Given.NOTHING, self.given).astype(np.uint8),
        )

    def thinned(self, votes: int, seed: int) -> Votes:
        """Draw so many of the votes on each object without replacement.

        The counts of the answers then follow the multivariate hypergeometric
        distribution (:func:`czsl.catalogue.draws.draw_votes`). Objects with fewer votes,
        with a class alone or with fractions of an unknown total are left as they are.

        Parameters
        ----------
        votes
            Votes to keep on each object.
        seed
            Seed of the draw.
        """
        random = np.random.default_rng(seed)
        whole = whole_votes(np.nan_to_num(self.counts))
        number = whole.sum(axis=1)
        is_rich = (self.given >= Given.FRACTIONS) & (number > votes)
        rich, some = np.flatnonzero(is_rich), np.flatnonzero(is_rich & (number < MANY))
        many = np.flatnonzero(is_rich & (number >= MANY))
        counts, fractions, total = self.counts.copy(), self.fractions.copy(), self.total.copy()
        for row in some:
            counts[row] = random.multivariate_hypergeometric(whole[row], votes)
        counts[many] = draw_votes(whole[many], np.full(len(many), votes), random)
        fractions[rich] = counts[rich] / votes
        total[rich] = votes
        return replace(self, counts=counts, fractions=fractions, total=total)


def no_votes(settings: VotesSettings, objects: int) -> Votes:
    """Make the votes of objects on which nobody voted."""
    answers = len(settings.names)
    nothing = np.full((objects, answers), np.nan)
    return Votes(
        question=settings.question,
        after=settings.after,
        answers=settings.names,
        counts=nothing,
        fractions=nothing.copy(),
        total=np.zeros(objects),
        given=np.zeros(objects, np.uint8),
        unit="counts" if settings.unit == "auto" else settings.unit,
        mirror=mirror_order(settings.names, settings.mirror),
    )


def mirror_order(names: Sequence[str], mirror: dict[str, str]) -> NDArray[np.int64]:
    """Give for each answer or class the one that it becomes in a mirrored image.

    Examples
    --------
    >>> mirror_order(["round", "cw", "acw"], {"cw": "acw"}).tolist()
    [0, 2, 1]
    """
    order = np.arange(len(names))
    for one, other in mirror.items():
        first, second = list(names).index(one), list(names).index(other)
        order[first], order[second] = second, first
    return order


def read_votes(
    table: pa.Table,
    settings: VotesSettings,
    problems: Problems,
    *,
    name: str,
    ids: Ids = None,
    start: int = 0,
) -> Votes:
    """Read the votes of one question.

    An object's columns of answers hold where all of them are given. Where all are
    missing, or no one voted (all are zero), the volunteers' class holds if there is one.
    Rows that cannot be used are noted and come as nothing.

    Parameters
    ----------
    table
        Holds every column that the settings name.
    settings
        Which columns hold what.
    problems
        Takes every slip: its column, how many rows, and the first of them.
    name
        What the problems call the table.
    ids
        The objects' ids, for the problems.
    start
        Rows that came before this table's first, for the problems.

    Examples
    --------
    >>> table = pa.table({"smooth": [30, 0, None], "disc": [10, 0, None],
    ...                   "winner": [None, None, "disc"]})
    >>> settings = VotesSettings(answers={"smooth": "smooth", "disc": "disc"}, label="winner")
    >>> votes = read_votes(table, settings, Problems(), name="a.csv")
    >>> votes.fractions.tolist(), votes.total.tolist(), votes.given.tolist()
    ([[0.75, 0.25], [nan, nan], [0.0, 1.0]], [40.0, 0.0, nan], [3, 0, 1])
    """
    places = [settings.names.index(answer) for answer in settings.answers]
    values = np.full((table.num_rows, len(places)), np.nan)  # (object, column)
    for place, column in enumerate(settings.answers.values()):
        values[:, place] = number_column(table, column, problems, name=name, ids=ids, start=start)
    total = np.full(table.num_rows, np.nan)
    if settings.total is not None:
        total = number_column(table, settings.total, problems, name=name, ids=ids, start=start)
    unit = votes_unit(values, total, settings)
    usable = usable_rows(values, total, unit, settings, problems, name=name, ids=ids, start=start)
    known = np.zeros((table.num_rows, len(settings.names)))  # (object, answer)
    known[:, places] = np.where(usable[:, None], values, 0.0)
    labels = _labels(table, settings, problems, name)
    return _votes(settings, unit, known, total, labels)


def votes_unit(
    values: NDArray[np.float64], total: NDArray[np.float64], settings: VotesSettings
) -> str:
    """Tell counts from fractions, where the settings do not.

    Fractions where any value is not whole. Values that are all 0 or 1 are fractions too
    where more than one volunteer gave them.

    Parameters
    ----------
    values : (object, answer)
        The columns of the answers.
    total : (object,)
        The column of the total, NaN where there is none.
    """
    if settings.unit != "auto":
        return settings.unit
    finite = values[np.isfinite(values)]
    if np.any(finite != np.rint(finite)):
        return "fractions"
    several = np.flatnonzero(total > 1)
    one_each = np.isin(finite, (0.0, 1.0)).all() and np.any(values[several].sum(axis=1) == 1)
    return "fractions" if one_each else "counts"


def _labels(
    table: pa.Table, settings: VotesSettings, problems: Problems, name: str
) -> NDArray[np.int64]:
    """Read the volunteers' class, (object,): the answer's place, or -1."""
    if settings.label is None:
        return np.full(table.num_rows, -1)
    texts = text_column(table, settings.label, problems, name=name)
    values = {answer: settings.label_values.get(answer, (answer,)) for answer in settings.names}
    return match_values(
        texts,
        values,
        problems,
        where=f"{name}, column {settings.label!r}",
        remedy="correct the values, or add them to 'label_values' in [votes]",
    )


def _votes(
    settings: VotesSettings,
    unit: str,
    known: NDArray[np.float64],
    total: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> Votes:
    """Put together what is known of each object: (object, answer) votes, or else a class."""
    summed = known.sum(axis=1, keepdims=True)
    voted = summed[:, 0] > 0
    alone = ~voted & (labels >= 0)
    nothing = ~voted & ~alone
    shares = np.divide(known, summed, out=np.full(known.shape, np.nan), where=voted[:, None])
    shares[alone] = np.eye(len(settings.names))[labels[alone]]
    # Fractions are rounded: their shares times the total add up to the total again.
    total = np.where(voted, summed[:, 0] if unit == "counts" else total, np.nan)
    counts = known.copy() if unit == "counts" else shares * total[:, None]
    counts[~voted] = np.nan
    given = np.full(len(known), Given.NOTHING, dtype=np.uint8)
    given[alone] = Given.LABEL
    given[voted] = np.where(np.isfinite(total[voted]), Given.COUNTS, Given.FRACTIONS)
    return replace(
        no_votes(settings, len(known)),
        counts=counts,
        fractions=shares,
        total=np.where(nothing, 0.0, total),
        given=given,
        unit=unit,
    )
