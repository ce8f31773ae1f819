"""What is decided of objects: the class, and the set of classes that cannot be ruled out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.decisions import Rule
from czsl.record import SOURCES, Record
from czsl.stages.prior import adjust
from czsl.stages.sets import prediction_sets

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """What is decided of some objects.

    Attributes
    ----------
    posterior
        The posterior that counts, shape (object, class).
    decided
        The class, shape (object,); -1 where nothing is known.
    sets
        Whether each class is in the set, shape (object, class): all where nothing is known,
        which rules no class out; none where the model has no experts' objects to make sets of.
    """

    posterior: Floats
    decided: NDArray[np.int64]
    sets: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Decides by a rule and makes sets of a coverage.

    Parameters
    ----------
    record
        The experts' objects of the model.
    rule
        How the class follows from the posterior.
    coverage
        Share of the objects of each class whose set is to hold it; None for no sets.
    shares
        Shares of the classes in the survey at hand, shape (class,), where they are others
        than among the experts' objects. Sets hold whatever the shares, since they are made
        class by class.
    """

    record: Record
    rule: Rule
    coverage: float | None
    shares: Floats | None = None

    def judge(
        self,
        best: Floats,
        source: NDArray[np.str_],
        weights: Floats | None = None,
        ids: NDArray[np.str_] | None = None,
    ) -> Verdicts:
        """Decide.

        The set of an expert's object of the model is made by the others: with itself among them
        its own class could hardly be ruled out, and sets would seem better than they are.

        Parameters
        ----------
        best
            The posterior that counts, shape (object, class); NaN where nothing is known.
        source
            Where each comes from, shape (object,).
        weights
            Objects of the survey that each stands for, shape (object,); NaN where unknown.
        ids
            Which objects they are, shape (object,); by default none of the experts'.
        """
        posterior = best
        if self.shares is not None:
            posterior = adjust(best, self.record.prior, self.shares)
        itself = np.full(len(best), -1) if ids is None else self.record.rows(ids)
        sets = np.zeros(best.shape, bool)
        for name in SOURCES:
            calibration = self.record.calibration(name)
            chosen = np.isin(source, [name, ""])  # of "" nothing is known: every class stays
            if self.coverage is None or calibration is None or not chosen.any():
                continue
            given = None if weights is None else weights[chosen]
            sets[chosen] = prediction_sets(
                calibration, best[chosen], self.coverage, given, itself[chosen]
            )
        decided = self.rule.decide(best if self.rule.by_shares else posterior)
        return Verdicts(posterior=posterior, decided=decided, sets=sets)
