"""One door for tables: CSV, ECSV, Parquet, FITS and VOTable, whole or in batches.

Every format has an adapter (``table_csv.py``, ``table_parquet.py``, ``table_fits.py``,
``table_astropy.py``) with the same three functions, :class:`TableFormat`; what a column
becomes is decided here, for all of them alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

import pyarrow as pa

from czsl.catalogue.arrow import as_numbers, as_text
from czsl.errors import CatalogueError, Problems, nearest
from czsl.remote import is_address, plain

KINDS: dict[str, str] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".ecsv": "ecsv",
    ".parquet": "parquet",
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}
ENDINGS: tuple[str, ...] = tuple(KINDS)
"""Endings of the files that can be read as tables."""


Place = Path | str
"""The path of a table, or its address."""


class TableFormat(Protocol):
    """What an adapter of a table format can do."""

    def names(self, path: Place) -> list[str]:
        """List the columns."""
        ...

    def count(self, path: Place) -> int:
        """Count the rows."""
        ...

    def scan(
        self, path: Place, columns: Sequence[str], as_given: Sequence[str], rows: int | None
    ) -> Iterator[pa.Table]:
        """Yield the columns in about so many rows at a time, or (None) all at once.

        Columns in ``as_given`` keep the spelling of the file, where it is a text file.
        """
        ...


def _place(path: Place) -> Place:
    """Tell addresses from paths, which may come as text too."""
    return path if is_address(path) else Path(path)


def column_names(path: str | Path) -> list[str]:
    """List the columns of a table.

    Raises
    ------
    CatalogueError
        Where the file is missing, broken, of an unknown kind, or names a column twice.
    """
    path = _place(path)
    with _reading(path):
        names = _format(path).names(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        shown = ", ".join(repr(name) for name in twice)
        raise CatalogueError(f"{path}: more than one column is called {shown}; rename them")
    return names


def count_rows(path: str | Path) -> int:
    """Count the rows of a table, without holding it in memory where its format allows.

    Raises
    ------
    CatalogueError
        Where the file cannot be read.
    """
    path = _place(path)
    with _reading(path):
        return _format(path).count(path)


def bytes_columns(path: str | Path) -> list[str]:
    """List the columns that hold bytes, such as images; only Parquet has them.

    Raises
    ------
    CatalogueError
        Where the file cannot be read.
    """
    path = _place(path)
    if KINDS.get(ending(path)) != "parquet":
        return []
    from czsl.catalogue import table_parquet

    with _reading(path):
        return table_parquet.bytes_columns(path)


def read_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    numbers: Sequence[str] = (),
    problems: Problems | None = None,
) -> pa.Table:
    """Read a table whole.

    Parameters
    ----------
    path
        The file, or its address; its ending says its kind.
    columns
        The columns to read, in this order; by default all.
    text
        Of these, the columns that come as text, digit for digit: leading zeros stay,
        and so do all 18 digits of an id. An empty text is missing. Numbers with a
        decimal point are refused, unless they are whole and small enough to be exact.
    numbers
        Of these, the columns that come as float64. A column with a text that is not a
        number comes as text, for the caller to report.
    problems
        Where given, slips of single columns are noted there, and such a column comes
        as missing throughout; otherwise they are raised.

    Raises
    ------
    CatalogueError
        Where the file is missing, broken or of an unknown kind, or has no such column.
    """
    parts = list(_scan(_place(path), columns, text, numbers, None, problems))
    return pa.concat_tables(parts)


def scan_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    numbers: Sequence[str] = (),
    rows: int = 65_536,
    problems: Problems | None = None,
) -> Iterator[pa.Table]:
    """Read a table in batches of ``rows`` rows, in constant memory.

    CSV, Parquet and uncompressed FITS are streamed; ECSV, VOTable and compressed FITS
    are read whole, then cut. Parameters and errors are those of :func:`read_table`. A
    table without rows gives one batch without rows.
    """
    return _scan(_place(path), columns, text, numbers, rows, problems)


def _scan(
    path: Place,
    columns: Sequence[str] | None,
    text: Sequence[str],
    numbers: Sequence[str],
    rows: int | None,
    problems: Problems | None,
) -> Iterator[pa.Table]:
    """Read, cut to size and give every column its type."""
    names = column_names(path)
    wanted = names if columns is None else list(dict.fromkeys(columns))
    if unknown := [name for name in wanted if name not in names]:
        told = "; ".join(f"there is no column {name!r}: {nearest(name, names)}" for name in unknown)
        raise CatalogueError(f"{path}: {told}")
    with _reading(path):
        batches = _format(path).scan(path, wanted, (*text, *numbers), rows)
        for batch in _cut(batches, rows):
            yield _typed(batch, path, text, numbers, problems)


def _cut(batches: Iterable[pa.Table], rows: int | None) -> Iterator[pa.Table]:
    """Cut and join batches of any size to batches of ``rows`` rows."""
    if rows is None:
        yield pa.concat_tables(list(batches))
        return
    held: list[pa.Table] = []
    size = 0
    any_given = False
    for batch in batches:
        held.append(batch)
        size += batch.num_rows
        if size < rows:
            continue
        joined = pa.concat_tables(held)
        whole = size - size % rows
        for start in range(0, whole, rows):
            yield joined.slice(start, rows)
        any_given = True
        held, size = [joined.slice(whole)], size - whole
    if size or not any_given:
        yield pa.concat_tables(held)


def _typed(
    batch: pa.Table,
    path: Place,
    text: Sequence[str],
    numbers: Sequence[str],
    problems: Problems | None,
) -> pa.Table:
    """Turn the columns of a batch into text and numbers, as asked."""
    slips = Problems()
    for index, name in enumerate(batch.column_names):
        if name in text:
            column = as_text(batch.column(name), f"{path}, column {name!r}", slips)
            batch = batch.set_column(index, name, column)
        elif name in numbers:
            batch = batch.set_column(index, name, as_numbers(batch.column(name)))
    if problems is None:
        slips.raise_if_fatal(CatalogueError)
    else:
        problems.extend(slips)
    return batch


def _format(path: Place) -> TableFormat:
    """Find the adapter of a file by its ending."""
    kind = KINDS.get(ending(path))
    if kind is None:
        raise CatalogueError(
            f"{path}: the ending {ending(path)!r} is not one of a table that can be read; "
            f"there are {', '.join(ENDINGS)}"
        )
    if kind == "csv":
        from czsl.catalogue import table_csv

        return table_csv
    if kind == "parquet":
        from czsl.catalogue import table_parquet

        return table_parquet
    if kind == "fits":
        from czsl.catalogue import table_fits

        return table_fits
    from czsl.catalogue import table_astropy

    return table_astropy


def ending(path: Place) -> str:
    """Tell the ending that says a table's kind, in small letters.

    Examples
    --------
    >>> ending(Path("a.b.CSV")), ending("https://zenodo.org/survey.fits.gz?download=1")
    ('.csv', '.fits.gz')
    """
    name = PurePosixPath(plain(path)) if isinstance(path, str) else path
    suffix = name.suffix.lower()
    if suffix == ".gz":
        return Path(name.stem).suffix.lower() + suffix
    return suffix


@contextmanager
def _reading(path: Place) -> Iterator[None]:
    """Translate what the system and the libraries say of a file that cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise CatalogueError(f"{path}: there is no such file") from error
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        told = f"{path}: cannot be read as a {ending(path)} table ({reason})"
        raise CatalogueError(told) from error
