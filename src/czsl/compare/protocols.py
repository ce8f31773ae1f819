"""Protocols: which objects an execution learns from, and which it is scored on.

``own`` takes the tiers as the catalogue has them: the experts' objects are dealt into
folds, and each fold is scored by what never saw it. ``czsl2023`` is the published
protocol, for catalogues where experts named (nearly) every object: of each training set
it uses few experts' classes and few volunteers' votes, and the images alone of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from czsl.catalogue import Catalogue, make_folds
from czsl.errors import ArgumentError, CatalogueError, Problems
from czsl.recipes import Number, Settings, Whole
from czsl.slips import note_slips

Rows = NDArray[np.int64]

SETS = ("test", "L", "A", "U", "U_published")
"""What is scored: the test fold, and of the training objects those whose experts' class was
used (L), those whose votes were used (A), those with neither used (U), and all but L, as
published."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """What one fold of one execution learns from; rows of the catalogue, ascending.

    Parameters
    ----------
    experts
        Objects whose experts' class is used (L), shape (row,).
    volunteers
        Other objects whose votes are used (A).
    unlabelled
        Objects of which the image alone is used (U).
    test
        Objects that nothing is learned from.
    """

    experts: Rows
    volunteers: Rows
    unlabelled: Rows
    test: Rows

    @property
    def training(self) -> Rows:
        """Everything but the test fold."""
        return np.sort(np.concatenate([self.experts, self.volunteers, self.unlabelled]))

    def sets(self) -> dict[str, Rows]:
        """Give the rows of each of ``SETS``."""
        published = np.sort(np.concatenate([self.volunteers, self.unlabelled]))
        return {
            "test": self.test,
            "L": self.experts,
            "A": self.volunteers,
            "U": self.unlabelled,
            "U_published": published,
        }


class Protocol(Settings):
    """How an execution's folds and tiers are made.

    Parameters
    ----------
    name
        ``"own"`` or ``"czsl2023"``.
    folds
        Number of folds where the table has no fold column.
    order
        ``"redrawn"``: every execution draws its folds (where the table has none) and its
        L and A anew; ``"file"``, as published: in the table's order the first training
        objects are L, the next are A, in every execution.
    experts, volunteers
        Shares of the training objects that are L and A; the protocol ``own`` takes the
        catalogue's tiers instead.

    Raises
    ------
    ArgumentError
        Names every setting that cannot be used.

    Examples
    --------
    >>> Protocol(folds=1)
    Traceback (most recent call last):
    czsl.errors.ArgumentError: 1 problem
      1. protocol, folds: got 1; it must be 2 or more
    """

    name: Literal["own", "czsl2023"] = "own"
    folds: Whole = Field(default=5, ge=2, le=20)
    order: Literal["redrawn", "file"] = "redrawn"
    experts: Number = Field(default=0.05, gt=0, lt=1)
    volunteers: Number = Field(default=0.2, ge=0, lt=1)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            problems = Problems()
            note_slips(error, Protocol, problems, name="protocol", sections={(): ""})
            problems.raise_if_fatal(ArgumentError)

    def fold_numbers(self, catalogue: Catalogue, seed: int) -> Rows:
        """Deal the experts' objects into folds: the table's, or made by seed.

        Parameters
        ----------
        catalogue
            The objects.
        seed
            Of the execution; in file order all executions share their folds.

        Returns
        -------
        Array
            Fold of each object from 0, shape (object,); -1 for those that are never scored.

        Raises
        ------
        CatalogueError
            Where there are fewer experts' objects than folds.
        """
        experts = np.flatnonzero(catalogue.is_expert)
        if len(experts) < self.folds:
            raise CatalogueError(
                f"{catalogue.config.table}: {len(experts)} object(s) with an expert's class for "
                f"{self.folds} folds; a comparison needs one at least in each"
            )
        numbers = np.full(len(catalogue), -1)
        if catalogue.folds is not None:
            given = catalogue.folds[experts]
            numbers[experts] = np.unique(given, return_inverse=True)[1]
        else:
            seed = 0 if self.order == "file" else seed
            numbers[experts] = make_folds(catalogue.experts[experts], self.folds, seed)
        return numbers

    def split(self, catalogue: Catalogue, numbers: Rows, fold: int, seed: int) -> Split:
        """Split the objects for one fold.

        Parameters
        ----------
        catalogue
            The objects.
        numbers
            As :meth:`fold_numbers` gives them.
        fold
            The fold that is left out.
        seed
            Of the execution.
        """
        test = np.flatnonzero(numbers == fold)
        left = np.flatnonzero((numbers >= 0) & (numbers != fold))
        if self.name == "own":
            return Split(
                experts=left,
                volunteers=np.flatnonzero(~catalogue.is_expert & catalogue.has_votes),
                unlabelled=np.flatnonzero(catalogue.is_unlabelled),
                test=test,
            )
        if self.order == "redrawn":
            left = np.random.default_rng([seed, fold]).permutation(left)
        experts, volunteers, unlabelled = (np.sort(tier) for tier in self._tiers(left))
        return Split(experts=experts, volunteers=volunteers, unlabelled=unlabelled, test=test)

    def folds_alike(self, numbers: Rows) -> list[int]:
        """Name the folds, from 1, that learn labels from nearly the same objects as another.

        In file order most folds find the same objects first, so that their L and A are one
        set; redrawn ones are never alike.

        Parameters
        ----------
        numbers
            As :meth:`fold_numbers` gives them.

        Examples
        --------
        >>> numbers = np.repeat(np.arange(5), 20)
        >>> Protocol(name="czsl2023", order="file").folds_alike(numbers)
        [2, 3, 4, 5]
        """
        if self.name == "own" or self.order == "redrawn":
            return []
        labelled = []
        for fold in range(int(numbers.max()) + 1):
            left = np.flatnonzero((numbers >= 0) & (numbers != fold))
            labelled.append(np.concatenate(self._tiers(left)[:2]))
        alike = [
            any(
                other != fold and len(np.intersect1d(rows, labelled[other])) > 0.9 * len(rows)
                for other in range(len(labelled))
            )
            for fold, rows in enumerate(labelled)
        ]
        return (np.flatnonzero(alike) + 1).tolist()

    def _tiers(self, left: Rows) -> tuple[Rows, Rows, Rows]:
        """Cut training objects into L, A and U, in the order given."""
        first = int(self.experts * len(left))
        second = first + int(self.volunteers * len(left))
        return left[:first], left[first:second], left[second:]
