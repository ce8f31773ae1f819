"""What the columns of a table look like, and what each of them may be for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from czsl.catalogue.arrow import as_numbers
from czsl.names import id_slips

FEW = 12
"""A column with more different texts than this is no class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """What a column looks like.

    Parameters
    ----------
    name
        Its name.
    kind
        ``"text"``, ``"whole"`` (whole numbers), ``"number"``, ``"bytes"`` or ``"other"``.
    values
        For text and whole numbers, as the table spells them, None where missing; empty for other
        kinds.
    numbers : (row,)
        For numbers and whole numbers, NaN where missing; else empty.
    unique
        Whether every row has a value of its own.
    """

    name: str
    kind: str
    values: list[str | None]
    numbers: NDArray[np.float64]
    unique: bool

    @property
    def often(self) -> Counter[str]:
        """How often each value occurs."""
        return Counter(value for value in self.values if value is not None)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One guess.

    Parameters
    ----------
    setting
        The setting, as ``[catalogue] id``.
    value
        What was guessed; None where nothing was.
    reason
        Why.
    """

    setting: str
    value: Any
    reason: str


def describe_columns(table: pa.Table, *, spelled: bool = False) -> list[Column]:
    """Look at every column of a table, whole numbers and text as they stand there.

    Parameters
    ----------
    table
        Some rows.
    spelled
        Whether every column is text that may spell numbers, as in a CSV file.

    Examples
    --------
    >>> some = pa.table({"id": ["007", "012"], "n": ["3.0", None], "z": ["0.1", "NA"]})
    >>> [(one.kind, one.values) for one in describe_columns(some, spelled=True)]
    [('whole', ['007', '012']), ('whole', ['3.0', None]), ('number', [])]
    """
    look = _spelled if spelled else _stored
    return [look(name, table.column(name)) for name in table.column_names]


def _stored(name: str, column: pa.ChunkedArray) -> Column:
    """Look at a column with a type of its own."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = _kind(column.type)
    if kind == "number" and _is_whole(column):
        kind = "whole"
    values: list[str | None] = []
    numbers = np.zeros(0)
    if kind in ("whole", "number"):
        numbers = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
    if kind == "whole":
        # Floats are spelled with a point, and 64 bits without a sign do not fit 64 with one.
        whole = column.cast(pa.int64()) if pa.types.is_floating(column.type) else column
        values = whole.cast(pa.string()).to_pylist()
    elif kind == "text":
        values = [value or None for value in column.cast(pa.string()).to_pylist()]
    return _described(name, kind, values, numbers)


def _spelled(name: str, column: pa.ChunkedArray) -> Column:
    """Look at a column of text: at numbers where all that is given spells one."""
    numbers = as_numbers(column)
    if not pa.types.is_floating(numbers.type):
        return _described(name, "text", column.to_pylist(), np.zeros(0))
    if numbers.null_count == len(numbers):
        return _described(name, "other", [], np.zeros(0))
    values = pc.if_else(pc.is_null(numbers), pa.scalar(None, pa.string()), column)
    digits = pc.all(pc.match_substring_regex(values, r"^\s*[+-]?[0-9]+\s*$")).as_py()
    kind = "whole" if digits or _is_whole(numbers) else "number"
    given = np.asarray(numbers.fill_null(np.nan))
    return _described(name, kind, values.to_pylist() if kind == "whole" else [], given)


def _described(
    name: str, kind: str, values: list[str | None], numbers: NDArray[np.float64]
) -> Column:
    """Describe a column, and whether each row has a value of its own."""
    is_unique = bool(values) and None not in values and len(set(values)) == len(values)
    return Column(name=name, kind=kind, values=values, numbers=numbers, unique=is_unique)


def _kind(kind: pa.DataType) -> str:
    """Name the kind of a type of arrow."""
    checks = {
        "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean),
        "whole": (pa.types.is_integer,),
        "number": (pa.types.is_floating,),
        "bytes": (pa.types.is_binary, pa.types.is_large_binary),
    }
    return next((name for name, some in checks.items() if any(c(kind) for c in some)), "other")


def _is_whole(column: pa.ChunkedArray) -> bool:
    """Whether floats are whole and exact, as pandas writes whole numbers with a missing one."""
    values = column.drop_null().cast(pa.float64())
    finite = pc.and_(pc.is_finite(values), pc.less(pc.abs(values), 2.0**53))
    whole = pc.and_(finite, pc.equal(pc.round(values), values))
    return len(values) > 0 and bool(pc.all(whole).as_py())


_ID_NAMES = re.compile(r"(^|_)(id|name|objid|specobjid|dr\d*objid|iauname|zooniverse_id)(_str)?$")


def guess_id(columns: Sequence[Column]) -> Finding:
    """Guess the column of ids: each row another text or whole number, best called id."""
    candidates = [c for c in columns if c.unique and not any(id_slips(c.name, ()))]
    if not candidates:
        reason = "no column holds another text or whole number in every row"
        taken = [repr(column.name) for column in columns if column.unique]
        if taken:
            reason += f" but {', '.join(taken[:5])}, called as a column of predictions: rename it"
        return Finding(setting="[catalogue] id", value=None, reason=reason)
    named = [c for c in candidates if _ID_NAMES.search(c.name.lower()) or "objid" in c.name.lower()]
    best = (named or candidates)[0]
    reason = "every row has a value of its own" + (", and the name is that of an id" * bool(named))
    others = [repr(column.name) for column in candidates if column is not best]
    if others:
        reason += f" (so has {', '.join(others[:5])})"
    return Finding(setting="[catalogue] id", value=best.name, reason=reason)


VOLUNTEERS = re.compile(
    r"amateur|volunteer|citizen|crowd|plurality|majority|consensus|most_likely|winner|vote"
)
_EXPERTS = re.compile(r"expert|class|label|type|morph|truth|gold|hubble")
_NO_CLASS = re.compile(r"fold|split|survey|filter|band|flag|version|instrument|telescope|path|file")


def guess_class(columns: Sequence[Column]) -> Finding:
    """Guess the column of experts' classes: few texts, each in several rows."""
    setting = "[classes] column"
    candidates = [column for column in columns if _is_class(column)]
    if not candidates:
        return Finding(
            setting=setting, value=None, reason=f"no column of text has 2 to {FEW} different values"
        )
    best = min(
        candidates,
        key=lambda c: (
            "expert" not in c.name.lower(),
            not _EXPERTS.search(c.name.lower()),
            c.kind != "text",
        ),
    )
    often = ", ".join(f"{value} {number:,}" for value, number in best.often.most_common())
    reason = f"a column with few values: {often}"
    others = [repr(column.name) for column in candidates if column is not best]
    if others:
        reason += f" (another is {', '.join(others[:5])})"
    return Finding(setting=setting, value=best.name, reason=reason)


def _is_class(column: Column) -> bool:
    """Whether a column may hold experts' classes; numbers only where the name says so."""
    name = column.name.lower()
    if column.kind == "whole" and "expert" not in name:
        return False
    return has_few(column) and not VOLUNTEERS.search(name) and not _NO_CLASS.search(name)


def has_few(column: Column) -> bool:
    """Whether few different values occur, most of them more than once."""
    often = column.often
    return 2 <= len(often) <= FEW and len(often) * 2 <= sum(often.values())


def guess_fold(columns: Sequence[Column]) -> Finding:
    """Guess the column of folds: called so, with 2 to 20 different values, none missing."""
    for column in columns:
        is_named = re.search(r"(^|_)(cv_?)?fold(s|_?id|_?number)?$", column.name.lower())
        if is_named and 2 <= len(column.often) <= 20 and None not in column.values:
            return Finding(
                setting="[catalogue] fold",
                value=column.name,
                reason=f"called so, with {len(column.often)} values",
            )
    reason = "no column is called fold: folds are made by seed"
    return Finding(setting="[catalogue] fold", value=None, reason=reason)


_PLACES = (
    (r"(^|_)right_?asc(ension)?", "declination"),
    (r"(^|_)alpha(?=.*(j2000|sky))", "delta"),
    (r"(^|_)ra", "dec"),
    (r"(^|_)ra", "de"),
)


def guess_position(columns: Sequence[Column]) -> Finding:
    """Guess right ascension and declination: two columns of angles named alike, as RA and DEC."""
    setting = "[catalogue] position"
    angles = {c.name.lower(): c for c in columns if c.kind in ("number", "whole")}
    for pattern, other in _PLACES:
        for name, right in angles.items():
            partner = re.sub(pattern, rf"\1{other}", name, count=1)
            up = angles.get(partner) if partner != name else None
            if up is not None and _within(right, -180, 360) and _within(up, -90, 90):
                reason = "called so, and their numbers may be degrees"
                return Finding(setting=setting, value=(right.name, up.name), reason=reason)
    reason = "no two columns are called RA and DEC, or alike: objects that stand at the same place "
    return Finding(setting=setting, value=None, reason=reason + "are not found")


def _within(column: Column, low: float, high: float) -> bool:
    """Whether a column has numbers, and all of them are in a range."""
    numbers = column.numbers[~np.isnan(column.numbers)]
    return len(numbers) > 0 and bool(((numbers >= low) & (numbers <= high)).all())
