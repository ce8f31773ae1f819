"""Tables that several reports have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.reliability import Bin
from czsl.report.page import Cell, Table

MEASURES = {
    "accuracy": "accuracy",
    "low": "95% from",
    "high": "95% to",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "log_loss": "log loss",
    "n": "objects",
}
"""Measures of a table of scores, and what it calls them; low and high bound 95%."""

BINS = ("objects", "mean", "share that is so", "95% from", "95% to")
"""What is said of each bin of a diagram."""


def score_rows(arms: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[Cell]]:
    """Give the rows of a table of scores, under the heads of ``MEASURES``.

    Parameters
    ----------
    arms
        Name and scores of each; a measure that one lacks stays empty.

    Examples
    --------
    >>> score_rows([("majority", {"accuracy": 0.9, "low": 0.8, "high": 0.95, "n": 40})])
    [['majority', 0.9, 0.8, 0.95, None, None, None, 40]]
    """
    return [[name, *(score.get(measure) for measure in MEASURES)] for name, score in arms]


def score_table(first: str, arms: Sequence[tuple[str, Mapping[str, Any]]], caption: str) -> Table:
    """Make a table of scores.

    Parameters
    ----------
    first
        Heading of the names.
    arms
        Name and scores of each, the one that matters last.
    caption
        What it shows.
    """
    heads = (first, *MEASURES.values())
    return Table(caption=caption, heads=heads, rows=score_rows(arms), last=True)


def confusion_table(
    objects: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str], said: str
) -> Table:
    """Make a table of a confusion matrix.

    Parameters
    ----------
    objects
        Numbers of objects, shape (experts' class, what was said).
    rows, columns
        Names of the classes.
    said
        What says the columns.
    """
    cells: list[list[Cell]] = [
        [name, *row, sum(row), row[place] / sum(row) if sum(row) else None]
        for place, (name, row) in enumerate(zip(rows, objects.tolist(), strict=True))
    ]
    caption = f"Experts (rows) against {said} (columns), objects"
    heads = ("experts", *columns, "all", "share found")
    return Table(caption=caption, heads=heads, rows=cells)


def bin_rows(found: Sequence[Bin]) -> list[list[Cell]]:
    """Give the rows of a table of a diagram's bins, under the heads of ``BINS``.

    Parameters
    ----------
    found
        The bins.

    Examples
    --------
    >>> bin_rows([Bin(low=0.9, high=1.0, n=4, stated=0.95, found=1.0, found_low=0.51,
    ...               found_high=1.0)])
    [['0.9 to 1.0', 4, 0.95, 1.0, 0.51, 1.0]]
    """
    return [
        [
            f"{one.low:.1f} to {one.high:.1f}",
            one.n,
            one.stated,
            one.found,
            one.found_low,
            one.found_high,
        ]
        for one in found
    ]
