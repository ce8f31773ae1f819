"""Images that are bytes in a column of a Parquet file."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from czsl.catalogue.table_parquet import streamed
from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images.adapter import (
    MAX_BYTES,
    TABLE,
    Opened,
    Place,
    TableOrder,
    parse,
    rows_by_id,
)
from czsl.images.places import Places
from czsl.images.unusable import UnusableImageError
from czsl.remote import open_file

AHEAD = 64
"""Rows that are read at once."""


class ParquetSource:
    """Bytes of image files in a column of the catalogue's table or another Parquet file.

    ``{column}`` is a column of the table; ``file.parquet/column`` is one of another file,
    whose column of ids tells the objects apart, or, where there is none, the order of the
    table. Rows are named by a number in brackets, counted from 0, and are quick to read
    in the order of the file.

    Parameters
    ----------
    places
        Where files may lie.
    table
        Path or address of the catalogue's table.
    id_column
        Column of the ids.
    """

    def __init__(self, places: Places, *, table: Path | str | None, id_column: str) -> None:
        self.places = places
        self.table = table
        self.id_column = id_column
        self._order = TableOrder(table)
        self._open: Opened[_Column] = Opened()
        self._listed: Opened[dict[str, int]] = Opened()

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Name a row for each object, where the reference names none."""
        place = _place(reference)
        if place.row is not None:
            return [reference] * len(ids)
        column = self._column(place)
        named = place.kind != TABLE or rows is None
        if named and self.id_column in column.file.schema_arrow.names:
            if place.file not in self._listed:
                self._listed[place.file] = rows_by_id(self._ids(column.file, place), reference)
            listed = self._listed[place.file]
            found = [listed.get(one) for one in ids]
        elif place.kind == TABLE and rows is not None:
            found = rows.tolist()
        else:
            missing = self._no_ids(column.file.schema_arrow.names, reference)
            found = self._order.find(rows, column.starts[-1], reference, missing)
        return ["" if row is None else f"{reference}[{row}]" for row in found]

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; the table itself needs none."""
        place = _place(reference)
        return None if place.kind == TABLE else self.places.outside(place.file)

    def stamp(self, reference: str) -> str:
        """Give checksum and size of an image's bytes: a table changes when experts add to it."""
        place = _place(reference)
        try:
            value = None if place.row is None else self._column(place).value(place.row)
        except UnusableImageError:  # there, and to be read again as soon as it can be
            return "unreadable"
        return "" if value is None else f"{zlib.crc32(value):08x}-{len(value)}"

    def read(self, reference: str) -> bytes:
        """Give an image's bytes."""
        place = _place(reference)
        value = None if place.row is None else self._column(place).value(place.row)
        if value is None:
            raise UnusableImageError(Flag.IMAGE_MISSING, "the table holds no image in this row")
        if len(value) > MAX_BYTES:
            reason = f"{len(value)} bytes, of which {MAX_BYTES} at most are read"
            raise UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)
        return value

    def _no_ids(self, names: list[str], reference: str) -> str:
        """Say that a file has no column of ids; refuse one that is only spelled otherwise.

        Raises
        ------
        ImageError
            Names it.
        """
        wanted = self.id_column
        alike = [one for one in names if one != wanted and one.lower() == wanted.lower()]
        if alike:
            raise ImageError(
                f"{reference}: has no column {wanted!r}, as the ids' is called in the catalogue's "
                f"table, but {alike[0]!r}; call them alike, or its images would be taken in the "
                "order of the table"
            )
        return f"no column {wanted!r} of ids"

    def _ids(self, file: pq.ParquetFile, place: Place) -> list[str]:
        """Read the ids of all rows, as text.

        Raises
        ------
        ImageError
            Where their column is damaged.
        """
        try:
            ids: list[str] = file.read([self.id_column])[self.id_column].cast("string").to_pylist()
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise ImageError(
                f"{self.places.path(place.file)}: its column {self.id_column!r} cannot be read "
                f"({error}); copy or download the file again"
            ) from error
        return ids

    def _column(self, place: Place) -> _Column:
        """Open a column of bytes, once in each process.

        Raises
        ------
        ImageError
            Where there is none of that name.
        """
        key = f"{place.file}/{place.inside}"
        if key not in self._open:
            table = place.kind == TABLE and self.table is not None
            path = str(self.table) if table else self.places.path(place.file)
            try:
                file = pq.ParquetFile(open_file(path), **streamed(AHEAD))
            except (OSError, pa.ArrowException) as error:
                raise ImageError(f"{path}: cannot be opened as Parquet ({error})") from error
            schema = file.schema_arrow
            columns = [field.name for field in schema if _holds_bytes(field.type)]
            if place.inside not in columns:
                raise ImageError(
                    f"{path}: has no column {place.inside!r} of bytes; there are "
                    f"{', '.join(map(repr, columns)) or 'none'}"
                )
            self._open[key] = _Column(file, place.inside)
        return self._open[key]


class _Column:
    """A column of bytes, read forward some rows at a time.

    Parameters
    ----------
    file
        The open file.
    name
        Its column.
    """

    def __init__(self, file: pq.ParquetFile, name: str) -> None:
        self.file = file
        self.name = name
        groups = [
            file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)
        ]
        self.starts: list[int] = np.cumsum([0, *groups]).tolist()
        self._group = -1
        self._batches: Iterator[Any] = iter(())
        self._first = 0
        self._values: list[bytes | None] = []
        self._damaged: dict[int, tuple[int, str]] = {}

    def value(self, row: int) -> bytes | None:
        """Give the bytes of a row; None where there are none.

        Raises
        ------
        UnusableImageError
            Where they are damaged, or stand behind damaged ones in their row group.
        """
        if row >= self.starts[-1]:
            return None
        group = bisect_right(self.starts, row) - 1
        first, reason = self._damaged.get(group, (self.starts[group + 1], ""))
        if row >= first:
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
        if group != self._group or row < self._first:
            self._group, self._first, self._values = group, self.starts[group], []
            self._batches = self.file.iter_batches(
                AHEAD, row_groups=[group], columns=[self.name], use_threads=False
            )
        while row >= self._first + len(self._values):
            self._first, self._values = self._first + len(self._values), []
            self._values = self._following()
        return self._values[row - self._first]

    def _following(self) -> list[bytes | None]:
        """Read the next rows of the group; where they are damaged, none behind them is read."""
        try:
            values: list[bytes | None] = next(self._batches).column(0).to_pylist()
        except (OSError, pa.ArrowException, StopIteration) as error:
            said = str(error) or "it ends early"
            reason = f"cannot be read from the column {self.name!r}: {said}"
            self._damaged[self._group] = self._first, reason
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason) from error
        return values


def _place(reference: str) -> Place:
    """Take a reference apart that is known to lead into a table."""
    place = parse(reference)
    assert place is not None
    return place


def _holds_bytes(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
