"""FITS tables, read by memory map: the first table of the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from czsl.catalogue.arrow import arrow_column
from czsl.errors import CatalogueError
from czsl.remote import opened


def names(path: Path | str) -> list[str]:
    """List the columns."""
    with _table(path) as table:
        return list(table.columns.names)


def count(path: Path | str) -> int:
    """Count the rows, from the header."""
    with _table(path) as table:
        return int(table.header["NAXIS2"])


def scan(
    path: Path | str, columns: Sequence[str], as_given: Sequence[str], rows: int | None
) -> Iterator[pa.Table]:
    """Yield the columns; NaN, an empty text and the header's TNULL are missing."""
    del as_given  # FITS types are exact.
    with _table(path) as table:
        number = int(table.header["NAXIS2"])
        step = rows or max(number, 1)
        for start in range(0, max(number, 1), step):
            part = table.data[start : start + step]
            yield pa.table({name: _column(path, part, table.columns[name]) for name in columns})


def _column(path: Path | str, part: Any, column: fits.Column) -> pa.Array:
    """Read one column of some rows."""
    where = f"{path}, column {column.name!r}"
    as_stored = part.view(np.ndarray)[column.name]
    if column.format.format == "L":
        # Astropy takes what is neither T nor F for false.
        letters = as_stored.view(np.uint8)
        return arrow_column(letters == ord("T"), letters == 0, where)
    is_text = as_stored.dtype.kind == "S" and (
        column.format.endswith("A") or (column.ascii and column.format.format == "A")
    )
    values = as_stored if is_text else np.asarray(part[column.name])
    gone = None if is_text or values.dtype.kind not in "iuf" else _undefined(as_stored, column)
    return arrow_column(values, None if gone is None else gone.reshape(values.shape), where)


def _undefined(as_stored: NDArray[Any], column: fits.Column) -> NDArray[np.bool_] | None:
    """Find what equals the header's TNULL, which is a number before TSCAL and TZERO apply to it.

    Parameters
    ----------
    as_stored
        What the file holds, shape (row,) or (row, item): numbers, or in an ASCII table text.
    column
        Its column.
    """
    if column.null in (None, ""):
        return None
    if as_stored.dtype.kind == "S":
        gone: NDArray[np.bool_] = np.char.strip(as_stored) == str(column.null).strip().encode()
        return gone
    return as_stored == column.null if as_stored.dtype.kind in "iu" else None


@contextmanager
def _table(path: Path | str) -> Iterator[Any]:
    """Open the first table of a file; one of an address is read whole."""
    mapped = isinstance(path, Path) and path.suffix.lower() != ".gz"
    with opened(path) as source, fits.open(source, memmap=mapped) as file:
        yield _first_table(path, file)


def _first_table(path: Path | str, file: fits.HDUList) -> Any:
    """Find the first table of an open file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*truncated", AstropyUserWarning)
        try:
            for unit in file:
                is_table = isinstance(unit, fits.BinTableHDU | fits.TableHDU)
                if is_table and not isinstance(unit, fits.CompImageHDU):
                    return unit
        except AstropyUserWarning as warning:
            raise CatalogueError(f"{path}: cannot be read ({warning})") from warning
    raise CatalogueError(f"{path}: holds no table; give a FITS file with a table extension")
