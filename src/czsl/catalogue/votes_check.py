"""Which rows of votes can be used, and what is wrong with the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.columns import Ids, note_rows
from czsl.config import VotesSettings
from czsl.errors import Problems

TOLERANCE = 0.01
"""How far from 1 the sum of an object's fractions may be: published ones are rounded."""

_NOISE = 1e-6  # of numbers that were stored in single precision


def usable_rows(
    values: NDArray[np.float64],
    total: NDArray[np.float64],
    unit: str,
    settings: VotesSettings,
    problems: Problems,
    *,
    name: str,
    ids: Ids = None,
    start: int = 0,
) -> NDArray[np.bool_]:
    """Find the rows whose votes are all given and hold together; note every other slip.

    Parameters
    ----------
    values : (object, answer)
        The columns of the answers, NaN where missing.
    total : (object,)
        The column of the total, NaN where missing.
    unit
        ``"counts"`` or ``"fractions"``.
    settings
        Names the columns.
    problems
        Takes every slip.
    name, ids, start
        What the problems call the table and its rows, and how many rows came before.

    Returns
    -------
    array of bool, (object,)
        False also where nothing is given, which is no slip.
    """
    given = ~np.isnan(values)
    some = np.asarray(given.any(axis=1), dtype=bool)
    usable: NDArray[np.bool_] = np.logical_and(some, given.all(axis=1))
    slips: list[_Slip] = []
    for place, column in enumerate(settings.answers.values()):
        where = f"column {column!r}"
        slips += [(where, *slip) for slip in _column_slips(values[:, place], some, unit)]
    if settings.total is not None:
        where = f"column {settings.total!r}"
        slips += [(where, *slip) for slip in _column_slips(total, np.zeros_like(some), "counts")]
    sound = usable & ~np.any([slip[1] for slip in slips], axis=0) if slips else usable
    where = "columns " + ", ".join(repr(column) for column in settings.answers.values())
    slips += [(where, *slip) for slip in _row_slips(values, total, sound, unit, settings.total)]
    for where, wrong, phrase, remedy in slips:
        note_rows(problems, f"{name}, {where}", phrase, np.flatnonzero(wrong), remedy, ids, start)
        usable &= ~wrong
    return usable


_ColumnSlip = tuple[NDArray[np.bool_], str, str]  # where it is, what it is, the remedy
_Slip = tuple[str, NDArray[np.bool_], str, str]  # the same, after the columns' names


def _column_slips(
    one: NDArray[np.float64], some: NDArray[np.bool_], unit: str
) -> list[_ColumnSlip]:
    """List what can be wrong in a single column."""
    finite = np.isfinite(one)
    lost = "missing value{s} (empty or NaN) beside other answers that are given"
    slips = [
        (np.isnan(one) & some, lost, "give an object's votes for every answer, or for none"),
        (np.isinf(one), "infinite value{s}", "votes are finite"),
    ]
    if unit == "counts":
        whole = finite & (one == np.rint(one))
        remedy = 'counts are whole; where the columns hold fractions, set unit = "fractions"'
        return [
            *slips,
            (finite & (one < 0), "negative count{s}", "counts are zero or more"),
            (finite & ~whole, "count{s} that {are} not whole", remedy),
        ]
    within = "fractions lie in [0, 1]; where the columns hold counts, all of them are whole"
    return [
        *slips,
        (finite & (one < -_NOISE), "negative fraction{s}", within),
        (finite & (one > 1 + _NOISE), "fraction{s} above 1", within),
    ]


def _row_slips(
    values: NDArray[np.float64],
    total: NDArray[np.float64],
    sound: NDArray[np.bool_],
    unit: str,
    total_name: str | None,
) -> list[_ColumnSlip]:
    """List what can be wrong with an object's answers together, where each is sound."""
    summed = np.where(sound, np.where(sound[:, None], values, 0.0).sum(axis=1), 0.0)
    if unit == "counts":
        return [
            (
                summed > total,
                f"row{{s}} whose counts add up to more than the total in {total_name!r}",
                "each volunteer gives one answer; leave out columns that are sums of others",
            )
        ]
    off = (summed > _NOISE) | (sound & (total > 0))
    return [
        (
            off & (np.abs(summed - 1.0) > TOLERANCE),
            f"row{{s}} whose fractions do not sum to 1 within {TOLERANCE}",
            "give a column for every answer, and none that is a sum of others",
        ),
        (
            (np.abs(summed - 1.0) <= TOLERANCE) & (total == 0),
            f"row{{s}} with fractions though the total in {total_name!r} is 0",
            "correct the total, or leave it empty where it is not known",
        ),
    ]
