"""Which column holds the volunteers' class, and which answer each of its values is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from czsl.catalogue.guess_columns import VOLUNTEERS, Column, has_few
from czsl.catalogue.guess_votes import VoteGuess


@dataclass(frozen=True, kw_only=True)
class LabelGuess:
    """The column of the volunteers' class.

    Parameters
    ----------
    column
        Its name; None where there is none, or its values are not the answers.
    values
        The answer that each value stands for.
    question
        The place of the question that it answers; None where it alone holds the answers.
    reason
        Why.
    """

    column: str | None
    values: dict[str, str]
    question: int | None
    reason: str


def guess_label(columns: Sequence[Column], questions: Sequence[VoteGuess]) -> LabelGuess:
    """Guess the column of the volunteers' class: few values, and a name that says so.

    Where votes were found its values must be the answers, by their names or as these
    begin; else its values are the answers.
    """
    candidates = [
        column
        for column in columns
        if column.kind == "text" and has_few(column) and VOLUNTEERS.search(column.name.lower())
    ]
    for column in candidates:
        if not questions:
            values = {value.lower(): value for value in sorted(column.often)}
            if len(values) == len(column.often):
                reason = "called so, and its few values are taken for the answers"
                return LabelGuess(column=column.name, values=values, question=None, reason=reason)
        for place, question in enumerate(questions):
            matched = _matched(sorted(column.often), list(question.answers))
            if matched:
                reason = "called so, and its values are the answers"
                return LabelGuess(column=column.name, values=matched, question=place, reason=reason)
    reason = "no column of few values is called after volunteers"
    if candidates:
        reason = f"the values of {candidates[0].name!r} are not the answers"
    return LabelGuess(column=None, values={}, question=None, reason=reason)


def _matched(values: Sequence[str], answers: Sequence[str]) -> dict[str, str]:
    """Match each value to an answer of its own; nothing where one has none."""
    matched: dict[str, str] = {}
    for value in values:
        same = [answer for answer in answers if answer.lower() == value.lower()]
        alike = same or [answer for answer in answers if answer.lower().startswith(value.lower())]
        if len(alike) != 1 or alike[0] in matched:
            return {}
        matched[alike[0]] = value
    return matched
