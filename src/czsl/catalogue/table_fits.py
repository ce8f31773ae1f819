"""FITS tables, read by memory map: the first table of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits

from czsl.catalogue.arrow import arrow_column
from czsl.errors import CatalogueError


def names(path: Path) -> list[str]:
    """List the columns."""
    with _table(path) as table:
        return list(table.columns.names)


def count(path: Path) -> int:
    """Count the rows, from the header."""
    with _table(path) as table:
        return int(table.header["NAXIS2"])


def scan(
    path: Path, columns: Sequence[str], as_given: Sequence[str], rows: int | None
) -> Iterator[pa.Table]:
    """Yield the columns; NaN, an empty text and the header's TNULL are missing."""
    del as_given  # FITS types are exact.
    with _table(path) as table:
        number = int(table.header["NAXIS2"])
        step = rows or max(number, 1)
        for start in range(0, max(number, 1), step):
            part = table.data[start : start + step]
            yield pa.table(
                {name: _column(path, part, name, table.columns[name].null) for name in columns}
            )


def _column(path: Path, part: Any, name: str, null: object) -> pa.Array:
    """Read one column of some rows."""
    values = np.asarray(part[name])
    mask = values == null if null not in (None, "") and values.dtype.kind in "iu" else None
    return arrow_column(values, mask, f"{path}, column {name!r}")


@contextmanager
def _table(path: Path) -> Iterator[Any]:
    """Open the first table of a file."""
    with fits.open(path, memmap=path.suffix.lower() != ".gz") as file:
        for unit in file:
            if isinstance(unit, fits.BinTableHDU | fits.TableHDU) and not isinstance(
                unit, fits.CompImageHDU
            ):
                yield unit
                return
    raise CatalogueError(f"{path}: holds no table; give a FITS file with a table extension")
