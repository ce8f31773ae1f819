"""Which columns hold the volunteers' votes: those that add up to a total, or to one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.guess_columns import Column
from czsl.catalogue.votes_check import TOLERANCE

MOST = 16
"""Columns that are tried together in every combination, at most."""

_TOTAL = re.compile("total|nvote|n_vote")
_NO_ANSWER = re.compile("total|flag|weight")

_PAIRS = (
    ("clockwise", "anticlockwise"),
    ("clockwise", "counterclockwise"),
    ("cw", "acw"),
    ("cw", "ccw"),
    ("s_wise", "z_wise"),
    ("left", "right"),
)


@dataclass(frozen=True, kw_only=True)
class VoteGuess:
    """The columns of one question.

    Parameters
    ----------
    question
        Its name, from what the columns' names share.
    answers
        Column of each answer.
    total
        Column of the total; None where there is none.
    unit
        ``"counts"`` or ``"fractions"``.
    reason
        Why these.
    """

    question: str
    answers: dict[str, str]
    total: str | None
    unit: str
    reason: str


def mirrored(names: Sequence[str]) -> dict[str, str]:
    """Find names that say that they swap in a mirrored image.

    Examples
    --------
    >>> mirrored(["EL", "CW", "ACW"]), mirrored(["early", "late"])
    ({'CW': 'ACW'}, {})
    """
    by_name = {name.lower(): name for name in names}
    for one, other in _PAIRS:
        if one in by_name and other in by_name:
            return {by_name[one]: by_name[other]}
    return {}


def guess_votes(columns: Sequence[Column]) -> list[VoteGuess]:
    """Guess the questions: groups of columns that add up, row by row, to a total or to one.

    Columns whose names begin alike are tried first, with a total that is called so, then all
    together, then those whose names begin or end alike. Counts go before fractions of the same
    votes.
    """
    usable = [c for c in columns if c.kind in ("whole", "number") and _is_votes(c.numbers)]
    found: list[VoteGuess] = []
    taken: set[str] = set()
    groups = _groups(usable)
    tries = [
        *((group, _called_total(usable)) for group in groups[1:] if _shared_start(group)),
        *((group, group) for group in groups),
    ]
    for group, totals in tries:
        free = [column for column in group if column.name not in taken]
        guess = _by_total(free, [column for column in totals if column.name not in taken])
        guess = guess or _by_one(free, usable)
        if guess is not None and not _repeats(guess, found):
            found.append(guess)
            taken |= {*guess.answers.values(), guess.total or ""}
    if not found:
        found = [guess for group in groups[1:] if (guess := _by_name(group))][:1]
    told = [_told_of_sums(guess, usable) for guess in found]
    return _with_names_of_their_own(told)


def _is_votes(numbers: NDArray[np.float64]) -> bool:
    """Whether a column may hold counts or fractions: never negative, not all missing."""
    given = numbers[~np.isnan(numbers)]
    return len(given) > 0 and bool(np.isfinite(given).all() and (given >= 0).all())


def _groups(columns: Sequence[Column]) -> list[list[Column]]:
    """Group columns that may belong together: all, and those with names that begin alike."""
    groups: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        for mark in ("_", "."):
            first, _, rest = column.name.partition(mark)
            most, _, last = column.name.rpartition(mark)
            if rest:
                for key in {first + mark, most + mark, mark + last}:
                    groups[key].append(column)
    alike = [group for _, group in sorted(groups.items()) if len(group) >= 2]
    unlike = {tuple(column.name for column in group): group for group in alike}
    ordered = sorted(unlike.values(), key=len, reverse=True)
    whole = [column for column in columns if column.kind == "whole"]
    return [whole, *ordered, list(columns)] if len(columns) <= MOST else [whole, *ordered]


def _called_total(columns: Sequence[Column]) -> list[Column]:
    """Give the columns that are called a total."""
    return [column for column in columns if _TOTAL.search(column.name.lower())]


def _shared_start(group: Sequence[Column]) -> bool:
    """Whether the names of columns begin with the same word."""
    return bool(_cut(_shared([column.name for column in group])))


def _told_of_sums(guess: VoteGuess, columns: Sequence[Column]) -> VoteGuess:
    """Say where some of a question's answers may be a question of their own.

    Its total is then an answer of the question before, which those who gave it were asked.
    """
    answers = [column for column in columns if column.name in guess.answers.values()]
    others = [column for column in columns if column.kind == "whole" and column not in answers]
    for column in others if guess.unit == "counts" else ():
        parts = [one for one in answers if _below(one.numbers, column.numbers)]
        names = _largest_sum(parts, column.numbers, 1e-9) if len(parts) >= 2 else []
        if names and len(names) < len(answers) and column.name != guess.total:
            reason = (
                f"{guess.reason}; so do {_spelled(names)} to {column.name!r}: where they were "
                "asked of those alone who gave that answer, make them a question of their own "
                "with 'after'"
            )
            return replace(guess, reason=reason)
    return guess


def _by_total(group: Sequence[Column], totals: Sequence[Column]) -> VoteGuess | None:
    """Find whole numbers that add up to one of some columns."""
    whole = [c for c in group if c.kind == "whole" and not _NO_ANSWER.search(c.name.lower())]
    called = [column for column in totals if column.kind == "whole"]
    for total in sorted(called, key=lambda c: -np.nansum(c.numbers)):
        parts = [c for c in whole if c is not total and _below(c.numbers, total.numbers)]
        if np.nanmax(total.numbers) <= 1 or not 2 <= len(parts) <= MOST:
            continue
        names = _largest_sum(parts, total.numbers, 1e-9)
        if names:
            reason = f"{_spelled(names)} add up to {total.name!r} in every row"
            return _guess(names, total.name, "counts", reason)
    return None


def _by_one(group: Sequence[Column], others: Sequence[Column]) -> VoteGuess | None:
    """Find numbers that add up to one, and among all columns one that is called their total."""
    parts = [c for c in group if np.nanmax(c.numbers) <= 1 and c.kind == "number"]
    if not 2 <= len(parts) <= MOST:
        return None
    names = _largest_sum(parts, np.ones(len(parts[0].numbers)), TOLERANCE)
    if not names:
        return None
    totals = [
        column.name
        for column in others
        if column.kind == "whole" and _TOTAL.search(column.name.lower())
    ]
    total = totals[0] if len(totals) == 1 else None
    return _guess(names, total, "fractions", f"{_spelled(names)} add up to one in every row")


def _by_name(group: Sequence[Column]) -> VoteGuess | None:
    """Find whole numbers whose names begin as counts of votes do."""
    names = [column.name for column in group if column.kind == "whole"]
    shared = _shared([name.lower() for name in names])
    if len(names) < 2 or not re.match(r"(n|num|count|counts|vote|votes)_", shared):
        return None
    reason = f"whole numbers, and the names begin with {shared!r}"
    return _guess(names, None, "counts", reason)


def _below(part: NDArray[np.float64], total: NDArray[np.float64]) -> bool:
    """Whether a column is given where the total is, and never above it."""
    both = ~np.isnan(total)
    return bool((part[both] <= total[both]).all())


def _largest_sum(
    columns: Sequence[Column], total: NDArray[np.float64], tolerance: float
) -> list[str]:
    """Find the most columns that add up to a total in every row where all are given.

    Every combination is tried: first on one weighted sum of the rows, where each is a
    single number, then those that pass on all rows.
    """
    values: NDArray[np.float64] = np.stack([column.numbers for column in columns])  # (column, row)
    rows = ~np.isnan(values).any(axis=0) & ~np.isnan(total) & (values.sum(axis=0) > 0)
    if rows.sum() < 2:
        return []
    values, total = values[:, rows], total[rows]
    weights = np.random.default_rng(0).random(size=(values.shape[1],))
    weights /= weights.sum()
    chosen = (np.arange(2 ** len(columns))[:, None] >> np.arange(len(columns))) & 1 == 1
    wanted = float(total @ weights)
    off = np.abs(chosen @ (values @ weights) - wanted)
    passed = np.flatnonzero(off <= tolerance * max(1.0, wanted))
    for one in sorted(passed.tolist(), key=lambda one: -int(chosen[one].sum())):
        if chosen[one].sum() < 2:
            break
        if (np.abs(values[chosen[one]].sum(axis=0) - total) <= tolerance).all():
            return [c.name for c, takes in zip(columns, chosen[one], strict=True) if takes]
    return []


def _guess(names: list[str], total: str | None, unit: str, reason: str) -> VoteGuess:
    """Name the answers by what the columns' names do not share."""
    start = _cut(_shared(names))
    end = _cut(_shared([name[::-1] for name in names]))
    short = {name: name[len(start) : len(name) - len(end)].lower() for name in names}
    if len(set(short.values())) < len(names) or not all(short.values()):
        short = {name: name for name in names}
    question = re.sub(r"^n$|^num$|^votes?$|^counts?$", "", start.strip("_.- ").lower())
    answers = {short[name]: name for name in names}
    return VoteGuess(
        question=question or "question", answers=answers, total=total, unit=unit, reason=reason
    )


def _shared(names: Sequence[str]) -> str:
    """Give what all names begin with."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)


def _cut(shared: str) -> str:
    """Shorten what names share to whole words."""
    found = re.match(r".*[_.\- ]", shared)
    return found[0] if found else ""


def _repeats(guess: VoteGuess, found: Sequence[VoteGuess]) -> bool:
    """Whether a guess holds the same answers as one found before: its fractions, mostly."""
    for other in found:
        same = set(guess.answers) & set(other.answers)
        if 2 * len(same) >= len(guess.answers):
            return True
    return False


def _with_names_of_their_own(found: list[VoteGuess]) -> list[VoteGuess]:
    """Keep questions apart, and their answers by the whole name where two share one."""
    if len(found) < 2:
        return found
    answers = [answer for guess in found for answer in guess.answers]
    apart = []
    for place, guess in enumerate(found):
        named = {
            answer if answers.count(answer) == 1 else column: column
            for answer, column in guess.answers.items()
        }
        earlier = [other.question for other in found[:place]]
        question = f"{guess.question} {place + 1}" if guess.question in earlier else guess.question
        apart.append(replace(guess, question=question, answers=named))
    return apart


def _spelled(names: Sequence[str]) -> str:
    """List names."""
    return ", ".join(repr(name) for name in names)
