"""The parts of a catalogue, each read from the table: columns, ids, extra columns, folds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue.columns import note_rows, number_column, text_column
from czsl.catalogue.duplicates import duplicates_within
from czsl.catalogue.images import holds_many, pattern_columns
from czsl.catalogue.votes import Votes, no_votes, read_votes
from czsl.config import Config, VotesSettings
from czsl.errors import Problems, nearest


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A column that the configuration names.

    Parameters
    ----------
    setting
        Where in ``czsl.toml`` it is named.
    column
        Its name.
    text
        Whether it is read as text, else as numbers.
    """

    setting: str
    column: str
    text: bool


def needed_columns(config: Config) -> list[Wanted]:
    """List the columns without which no object can be predicted: ids and images."""
    found = [Wanted(setting="[catalogue] id", column=config.catalogue.id, text=True)]
    for name in pattern_columns(config.catalogue.images):
        found.append(Wanted(setting="[catalogue] images", column=name, text=True))
    return found


def wanted_columns(config: Config) -> list[Wanted]:
    """List every column that a configuration names, those of image bytes included."""
    found = needed_columns(config)
    if config.catalogue.fold is not None:
        found.append(Wanted(setting="[catalogue] fold", column=config.catalogue.fold, text=True))
    for name in config.catalogue.position or ():
        found.append(Wanted(setting="[catalogue] position", column=name, text=False))
    for votes in config.votes:
        found += _votes_columns(votes, "[votes]" if len(config.votes) == 1 else "[[votes]]")
        place = f"[votes] extra of {votes.question!r}"
        found += [Wanted(setting=place, column=name, text=False) for name in votes.extra]
    found.append(Wanted(setting="[classes] column", column=config.classes.column, text=True))
    for setting in ("selection", "weight"):
        column = getattr(config.classes, setting)
        if column is not None:
            found.append(Wanted(setting=f"[classes] {setting}", column=column, text=False))
    return found


def _votes_columns(votes: VotesSettings, section: str) -> list[Wanted]:
    """List the columns of one question."""
    where = section if section == "[votes]" else f"{section} {votes.question!r}"
    found = [
        Wanted(setting=f"{where} answers.{answer}", column=column, text=False)
        for answer, column in votes.answers.items()
    ]
    if votes.total is not None:
        found.append(Wanted(setting=f"{where} total", column=votes.total, text=False))
    if votes.label is not None:
        found.append(Wanted(setting=f"{where} label", column=votes.label, text=True))
    return found


def check_columns(
    wanted: Sequence[Wanted], names: Sequence[str], problems: Problems, *, name: str
) -> None:
    """Note every column that the configuration names and the table lacks."""
    for one in wanted:
        if one.column not in names:
            problems.add(
                f"{name}, {one.setting}",
                f"there is no column {one.column!r}",
                nearest(one.column, names),
            )


def warn_of_partial_votes(
    config: Config, names: Sequence[str], problems: Problems, *, name: str
) -> None:
    """Warn of questions that are left empty since some of their columns are not there."""
    for votes in config.votes:
        columns = [one.column for one in _votes_columns(votes, "[votes]")]
        lost = [column for column in columns if column not in names]
        if 0 < len(lost) < len(columns):
            problems.warn(
                f"{name}, question {votes.question!r}",
                f"there is no column {lost[0]!r}",
                f"its votes are left out; {nearest(lost[0], names)}",
            )


def check_pattern(config: Config, problems: Problems, *, name: str) -> None:
    """Note a pattern of images that gives every object the same image."""
    pattern = config.catalogue.images
    if pattern is None or pattern_columns(pattern) or holds_many(pattern, config.folder):
        return
    problems.add(
        f"{name}, [catalogue] images",
        f"{pattern!r} names no column, and there is no such folder",
        f'name files by columns, such as "images/{{{config.catalogue.id}}}.jpg", or give a folder, '
        "an archive or an HDF5 file",
    )


def read_ids(
    table: pa.Table, column: str, problems: Problems, *, name: str, start: int = 0
) -> NDArray[np.str_]:
    """Read the ids as text, (object,), and note those that are empty or occur again.

    Without the column, which is noted before, they are empty.
    """
    if column not in table.column_names:
        return np.full(table.num_rows, "")
    texts = text_column(table, column, problems, name=name)
    where = f"{name}, column {column!r}"
    if any(problem.where == where for problem in problems.fatal):
        return np.full(len(texts), "")  # They lost digits, which is noted: they are not empty.
    ids = np.array(texts.fill_null("").to_pylist(), dtype=np.str_)
    empty = np.flatnonzero(ids == "")
    remedy = "give every object an id of its own"
    note_rows(problems, where, "empty id{s}", empty, remedy, start=start)
    _, first = np.unique(ids, return_index=True)
    again = ids != ""
    again[first] = False
    remedy = "keep one row for each object"
    note_rows(problems, where, "duplicate id{s}", np.flatnonzero(again), remedy, ids, start)
    return ids


@dataclass(frozen=True, kw_only=True, eq=False)
class Objects:
    """Rows of a table whose ids are known.

    Parameters
    ----------
    table
        The rows.
    problems
        Takes what is wrong with them.
    name
        What the problems call the table.
    ids
        The objects, shape (object,).
    start
        Rows of the table that came before.
    """

    table: pa.Table
    problems: Problems
    name: str
    ids: NDArray[np.str_]
    start: int = 0

    def where(self, column: str) -> str:
        """Say what the problems call a column."""
        return f"{self.name}, column {column!r}"

    def have(self, columns: Collection[str]) -> bool:
        """Tell whether the table has columns."""
        return set(columns) <= set(self.table.column_names)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Give a column as numbers, shape (object,), NaN where missing."""
        return number_column(
            self.table, column, self.problems, name=self.name, ids=self.ids, start=self.start
        )

    def text(self, column: str) -> pa.ChunkedArray:
        """Give a column as text, missing where empty."""
        return text_column(self.table, column, self.problems, name=self.name)

    def votes(self, settings: VotesSettings) -> Votes:
        """Give the votes of one question."""
        return read_votes(
            self.table, settings, self.problems, name=self.name, ids=self.ids, start=self.start
        )

    def note(self, column: str, phrase: str, rows: NDArray[np.int64], remedy: str) -> None:
        """Note a problem of some rows of a column, if there are any."""
        note_rows(self.problems, self.where(column), phrase, rows, remedy, self.ids, self.start)


def read_questions(objects: Objects, config: Config) -> tuple[Votes, ...]:
    """Read the votes of every question; those whose columns are not all there are empty."""
    return tuple(
        objects.votes(settings)
        if objects.have([one.column for one in _votes_columns(settings, "[votes]")])
        else no_votes(settings, len(objects.ids))
        for settings in config.votes
    )


def extra_names(config: Config) -> tuple[str, ...]:
    """List the extra columns of all questions."""
    return tuple(dict.fromkeys(name for votes in config.votes for name in votes.extra))


def read_extra(objects: Objects, names: Sequence[str]) -> NDArray[np.float64]:
    """Read the extra columns, (object, column), NaN where missing or not in the table."""
    values = np.full((len(objects.ids), len(names)), np.nan)
    for place, column in enumerate(names):
        if objects.have([column]):
            values[:, place] = objects.numbers(column)
            infinite = np.flatnonzero(np.isinf(values[:, place]))
            objects.note(column, "infinite value{s}", infinite, "leave it empty")
    return values


def read_positions(objects: Objects, config: Config) -> NDArray[np.float64] | None:
    """Read right ascension and declination in degrees, (object, 2); NaN where missing.

    None where the configuration names no such columns, or the table lacks one.
    """
    columns = config.catalogue.position
    if columns is None or not objects.have(columns):
        return None
    values = [objects.numbers(column) for column in columns]
    for column, angle, low, high in zip(columns, values, (-180, -90), (360, 90), strict=True):
        wrong = np.flatnonzero((angle < low) | (angle > high))
        remedy = f"degrees from {low} to {high} are needed"
        objects.note(column, "angle{s} out of range", wrong, remedy)
    return np.stack(values, axis=1)


def warn_of_duplicates(
    positions: NDArray[np.float64] | None,
    experts: NDArray[np.int64],
    folds: NDArray[np.int64] | None,
    problems: Problems,
    *,
    name: str,
    ids: NDArray[np.str_],
) -> None:
    """Warn of objects that stand in the table twice, at the same place.

    Where both have an expert's class and are not in one fold, the one may teach what the
    other is scored on.
    """
    if positions is None:
        return
    first = duplicates_within(positions)
    again = np.flatnonzero(first >= 0)
    if not len(again):
        return
    leak = (experts[again] >= 0) & (experts[first[again]] >= 0)
    if folds is not None:
        leak &= folds[again] != folds[first[again]]
    one = len(again) == 1
    problems.warn(
        f"{name}, [catalogue] position",
        f"{len(again):,} {'row' if one else 'rows'} within 1 arcsecond of an earlier row, first "
        f"{str(ids[again[0]])!r} of {str(ids[first[again[0]]])!r}",
        f"they are taken for objects of their own; of {np.sum(leak):,} of them both have an "
        "expert's class and may be in two folds, so that the one teaches what the other is "
        "scored on: keep one row of each, or give both one fold",
    )


def read_weights(
    objects: Objects, config: Config, experts: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Read how many objects each stands for, up to a factor, (object,); NaN where missing.

    None where the configuration names no such column, or the table lacks it. An expert's object
    needs a finite weight above 0. Another's is infinite where experts could not be shown it:
    none of their objects stands for it.
    """
    column, inverse = config.classes.selection or config.classes.weight, not config.classes.weight
    if column is None or not objects.have([column]):
        return None
    values = objects.numbers(column)
    with np.errstate(divide="ignore"):
        weights = 1 / values if inverse else values
    is_expert = experts >= 0
    remedy = "give every object that has an expert's class a number above 0"
    lost = np.flatnonzero(np.isnan(values) & is_expert)
    objects.note(column, "expert object{s} without a number", lost, remedy)
    never = np.flatnonzero(np.isposinf(weights) & is_expert)
    objects.note(column, "expert object{s} that could not have been chosen", never, remedy)
    wrong = np.flatnonzero(weights <= 0)
    what = ("negative or infinite", "zero or more") if inverse else ("zero or less", "above zero")
    objects.note(column, f"number{{s}} that are {what[0]}", wrong, f"numbers are {what[1]}")
    return weights


def read_folds(objects: Objects, column: str, experts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Read the folds, (object,): 0, 1, … in the order of their numbers or names; -1 where missing.

    Every object of an expert needs a fold, and there are two folds or more.
    """
    texts = objects.text(column)
    found = [text for text in texts.unique().to_pylist() if text is not None]
    numeric = all(re.fullmatch(r"-?[0-9]+(\.[0-9]*)?", text) for text in found)
    order = sorted(found, key=float) if numeric else sorted(found)
    places = {text: place for place, text in enumerate(order)}
    folds = np.array([places.get(text, -1) for text in texts.to_pylist()], dtype=np.int64)
    lost = np.flatnonzero((folds < 0) & (experts >= 0))
    remedy = "give every object that has an expert's class a fold"
    objects.note(column, "expert object{s} without a fold", lost, remedy)
    if len(found) < 2:
        where = objects.where(column)
        objects.problems.add(where, f"{len(found)} fold", "two are needed, or leave 'fold' out")
    return folds
