"""Columns of a table as numpy: numbers, text, and text that a mapping names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from czsl.catalogue.arrow import MISSING, as_numbers, as_text
from czsl.errors import Problems, first_rows

Ids = Sequence[str] | NDArray[np.str_] | None
"""The objects' ids, in the order of the table; None where they are not known."""


def number_column(
    table: pa.Table, column: str, problems: Problems, *, name: str, ids: Ids = None, start: int = 0
) -> NDArray[np.float64]:
    """Give a column as numbers, shape (row,), NaN where missing.

    Values that are not numbers are noted in ``problems`` and come as NaN.

    Examples
    --------
    >>> problems = Problems()
    >>> number_column(pa.table({"n": ["1", "x"]}), "n", problems, name="a.csv")
    array([ 1., nan])
    >>> print(problems.found[0])
    a.csv, column 'n': 1 value that is not a number ('x'), first in row 2;
    give numbers, or leave it empty
    """
    values = as_numbers(table.column(column))
    if pa.types.is_float64(values.type):
        return np.array(pc.fill_null(values, np.nan).to_numpy(), dtype=np.float64)
    texts = values.to_pylist()
    numbers = np.array([_number(text) for text in texts], dtype=np.float64)
    given = np.array([text is not None and str(text).strip() not in MISSING for text in texts])
    slips = np.flatnonzero(given & np.isnan(numbers))
    if len(slips):
        phrase = f"value{{s}} that {{are}} not a number ({texts[slips[0]]!r})"
        where = f"{name}, column {column!r}"
        note_rows(problems, where, phrase, slips, "give numbers, or leave it empty", ids, start)
    return numbers


def text_column(table: pa.Table, column: str, problems: Problems, *, name: str) -> pa.ChunkedArray:
    """Give a column as text, missing where empty; numbers that lost digits are noted."""
    return as_text(table.column(column), f"{name}, column {column!r}", problems)


def note_rows(
    problems: Problems,
    where: str,
    phrase: str,
    rows: NDArray[np.int64],
    remedy: str,
    ids: Ids = None,
    start: int = 0,
) -> None:
    """Note a problem of some rows, if there are any: how many, what, and the first three.

    In the phrase ``{s}`` and ``{are}`` stand for what follows the number; ``start`` is
    the number of rows that came before.

    Examples
    --------
    >>> problems = Problems()
    >>> note_rows(problems, "a.csv", "negative count{s}", np.array([0, 3]), "mend them")
    >>> print(problems.found[0])
    a.csv: 2 negative counts, first in rows 1, 4; mend them
    """
    if len(rows):
        one = len(rows) == 1
        what = phrase.replace("{s}", "" if one else "s").replace("{are}", "is" if one else "are")
        listed = None if ids is None else ids if isinstance(ids, Sequence) else ids.tolist()
        first = first_rows(rows.tolist(), listed, start)
        problems.add(where, f"{len(rows):,} {what}, {first}", remedy)


def match_values(
    texts: pa.ChunkedArray,
    values: Mapping[str, Sequence[str]],
    problems: Problems,
    *,
    where: str,
    ignore: Sequence[str] = (),
    remedy: str,
) -> NDArray[np.int64]:
    """Find which name of a mapping each text stands for.

    Parameters
    ----------
    texts
        The column, as text.
    values
        The texts that stand for each name.
    problems
        Takes the texts that the mapping does not know, with how often each occurs.
    where
        The file and the column.
    ignore
        Texts that stand for none.
    remedy
        What to do about texts that are not known.

    Returns
    -------
    array, (row,)
        The place of the name in ``values``; -1 where missing, ignored or unknown.

    Examples
    --------
    >>> problems = Problems()
    >>> match_values(pa.chunked_array([["E", "S", None, "X"]]), {"early": ["E"], "late": ["S"]},
    ...              problems, where="a.csv, column 'type'", remedy="add it").tolist()
    [0, 1, -1, -1]
    >>> print(problems.found[0])
    a.csv, column 'type': 1 value that the mapping does not know: 'X' (1); it knows
    early = 'E', late = 'S'; add it
    """
    place = {text: index for index, name in enumerate(values) for text in values[name]}
    encoded = texts.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    found = encoded.dictionary.to_pylist()
    # One more entry at the end, for the code -1 of what is missing.
    matched = np.array([place.get(text, -1) for text in found] + [-1], dtype=np.int64)
    known = {*place, *ignore}
    often = np.bincount(codes[codes >= 0], minlength=len(found))
    unknown = sorted(
        (-int(often[code]), text) for code, text in enumerate(found) if text not in known
    )
    if unknown:
        number = -sum(count for count, _ in unknown)
        shown = ", ".join(f"{text!r} ({-count:,})" for count, text in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        problems.add(
            where,
            f"{number:,} {'value' if number == 1 else 'values'} that the mapping does not know: "
            f"{shown}{more}",
            f"it knows {spelled(values)}; {remedy}",
        )
    classes: NDArray[np.int64] = matched[codes]
    return classes


def spelled(values: Mapping[str, Sequence[str]]) -> str:
    """Spell a mapping of names to texts.

    Examples
    --------
    >>> spelled({"early": ["E", "S0"], "late": ["S"]})
    "early = 'E' or 'S0', late = 'S'"
    """
    return ", ".join(f"{name} = {' or '.join(map(repr, texts))}" for name, texts in values.items())


def _number(text: object) -> float:
    """Read a number, or NaN where it is none."""
    try:
        return float(str(text))
    except ValueError:
        return float("nan")
