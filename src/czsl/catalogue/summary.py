"""What a catalogue holds, in numbers: for ``czsl check``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.catalogue import TIERS, Catalogue
from czsl.catalogue.majority import majority_class
from czsl.catalogue.votes import Given, Votes


@dataclass(frozen=True, kw_only=True)
class AnswerSummary:
    """One answer of volunteers.

    Parameters
    ----------
    answer
        Its name.
    votes
        Votes for it, over the objects whose counts are known.
    share
        Its mean share of an object's votes, over all objects with votes; None without any.
    first
        Objects on which it has most votes, or is the volunteers' class.
    """

    answer: str
    votes: float
    share: float | None
    first: int


@dataclass(frozen=True, kw_only=True)
class QuestionSummary:
    """One question.

    Parameters
    ----------
    question, after, unit
        As in the configuration.
    given
        Objects with counts, with fractions alone, with a class alone, with nothing.
    answers
        Its answers.
    """

    question: str
    after: str | None
    unit: str
    given: dict[str, int]
    answers: tuple[AnswerSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Volunteers' majority against experts, over the objects that have both.

    Parameters
    ----------
    classes
        Names of the rows: the experts' classes.
    columns
        Names of the columns: the majority's classes, and ``"none"``.
    objects
        Numbers of objects, (expert's class, majority's class or none).
    agreement
        Share on the diagonal.
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...]
    objects: tuple[tuple[int, ...], ...]
    agreement: float


@dataclass(frozen=True, kw_only=True)
class ExtraSummary:
    """One extra column.

    Parameters
    ----------
    column
        Its name.
    given
        Objects that have it.
    low, high
        Its range; None where no object has it.
    """

    column: str
    given: int
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A catalogue in numbers.

    Parameters
    ----------
    table
        The file.
    objects
        Rows of it.
    tiers
        Objects of each tier.
    experts_with_votes
        Experts' objects that volunteers voted on: these teach the transfer.
    classes
        Experts' objects of each class.
    questions
        The votes on each question.
    confusion
        Volunteers' majority against experts; None where the configuration does not say
        which answers make the classes, or no object has both.
    extra
        The extra columns.
    folds
        Experts' objects of each fold; None without a column of folds.
    warnings
        What the user should know.
    """

    table: str
    objects: int
    tiers: dict[str, int]
    experts_with_votes: int
    classes: dict[str, int]
    questions: tuple[QuestionSummary, ...]
    confusion: Confusion | None
    extra: tuple[ExtraSummary, ...]
    folds: tuple[int, ...] | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give everything as dictionaries, lists, numbers and text, as JSON knows them."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def summarise(catalogue: Catalogue) -> Summary:
    """Count what a catalogue holds.

    Parameters
    ----------
    catalogue
        As read.
    """
    tier = catalogue.tier
    experts = catalogue.experts
    folds = catalogue.folds
    return Summary(
        table=str(catalogue.config.table),
        objects=len(catalogue),
        tiers={name: int((tier == name).sum()) for name in TIERS},
        experts_with_votes=int((catalogue.is_expert & catalogue.has_votes).sum()),
        classes=dict(
            zip(catalogue.classes, _numbers(experts, len(catalogue.classes)), strict=True)
        ),
        questions=tuple(_question(votes) for votes in catalogue.questions),
        confusion=_confusion(catalogue),
        extra=tuple(
            _extra(name, catalogue.extra[:, place])
            for place, name in enumerate(catalogue.extra_names)
        ),
        folds=None
        if folds is None
        else tuple(_numbers(folds[catalogue.is_expert], int(folds.max()) + 1)),
        warnings=tuple(str(warning) for warning in catalogue.warnings),
    )


def _question(votes: Votes) -> QuestionSummary:
    """Count the answers to one question."""
    known = votes.given == Given.COUNTS
    given = votes.given != Given.NOTHING
    first = votes.fractions[given].argmax(axis=1) if len(votes.answers) else np.zeros(0, int)
    sums = votes.counts[known].sum(axis=0)
    shares = votes.fractions[given].mean(axis=0) if given.any() else None
    answers = [
        AnswerSummary(
            answer=answer,
            votes=float(sums[place]),
            share=None if shares is None else float(shares[place]),
            first=int((first == place).sum()),
        )
        for place, answer in enumerate(votes.answers)
    ]
    kinds = {"counts": Given.COUNTS, "fractions": Given.FRACTIONS, "class": Given.LABEL}
    return QuestionSummary(
        question=votes.question,
        after=votes.after,
        unit=votes.unit,
        given={
            name: int((votes.given == kind).sum())
            for name, kind in {**kinds, "nothing": Given.NOTHING}.items()
        },
        answers=tuple(answers),
    )


def _confusion(catalogue: Catalogue) -> Confusion | None:
    """Compare volunteers' majority with experts."""
    both = catalogue.is_expert & catalogue.has_votes
    if not catalogue.config.classes.from_answers or not both.any():
        return None
    number = len(catalogue.classes)
    majority = majority_class(catalogue)[both]
    pairs = catalogue.experts[both] * (number + 1) + np.where(majority < 0, number, majority)
    table = np.bincount(pairs, minlength=number * (number + 1)).reshape(number, number + 1)
    return Confusion(
        classes=catalogue.classes,
        columns=(*catalogue.classes, "none"),
        objects=tuple(tuple(row) for row in table.tolist()),
        agreement=float(np.trace(table) / table.sum()),
    )


def _extra(name: str, values: NDArray[np.float64]) -> ExtraSummary:
    """Count one extra column."""
    given = values[~np.isnan(values)]
    return ExtraSummary(
        column=name,
        given=len(given),
        low=float(given.min()) if len(given) else None,
        high=float(given.max()) if len(given) else None,
    )


def _numbers(places: NDArray[np.int64], number: int) -> list[int]:
    """Count how often each place occurs; those below 0 are none."""
    return [int(count) for count in np.bincount(places[places >= 0], minlength=number)]


def _plain(value: Any) -> Any:
    """Turn tuples into lists, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
