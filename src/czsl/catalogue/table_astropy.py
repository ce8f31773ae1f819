"""ECSV and VOTable, read whole by astropy: the first table of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from xml.parsers.expat import ExpatError

import numpy as np
import pyarrow as pa
from astropy.io.votable import parse_single_table
from astropy.io.votable.exceptions import VOTableSpecError
from astropy.table import Table

from czsl.catalogue.arrow import arrow_column
from czsl.errors import CatalogueError
from czsl.remote import plain, read_bytes, stamp_and_size


def names(path: Path | str) -> list[str]:
    """List the columns."""
    return list(_read(path).colnames)


def count(path: Path | str) -> int:
    """Count the rows."""
    return len(_read(path))


def scan(
    path: Path | str, columns: Sequence[str], as_given: Sequence[str], rows: int | None
) -> Iterator[pa.Table]:
    """Yield the columns in one batch; masked values are missing."""
    del as_given, rows  # Both formats name their types; neither can be read in parts.
    table = _read(path)
    _parse.cache_clear()
    yield pa.table(
        {
            name: arrow_column(
                np.asarray(table[name]),
                getattr(table[name], "mask", None),
                f"{path}, column {name!r}",
            )
            for name in columns
        }
    )


def _read(path: Path | str) -> Table:
    """Read the file, or take what was read for its names, if it has not changed since."""
    if isinstance(path, str):
        return _parse(path, stamp_and_size(path)[0])
    status = path.stat()
    return _parse(path, f"{status.st_mtime_ns}-{status.st_size}")


@lru_cache(maxsize=1)
def _parse(path: Path | str, stamp: str) -> Table:
    """Parse the file; the last one is kept until its columns were given."""
    del stamp  # It only tells a file from what stood there before.
    # Opened here, since astropy leaves files open that it fails to read.
    try:
        content = read_bytes(path) if isinstance(path, str) else path.read_bytes()
        if plain(path).lower().endswith(".ecsv"):
            # Not splitlines(): it splits at form feeds too, and at others that stand in texts.
            lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
            return Table.read(lines, format="ascii.ecsv")
        return parse_single_table(BytesIO(content)).to_table(use_names_over_ids=True)
    except (ValueError, IndexError, VOTableSpecError, ExpatError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CatalogueError(f"{path}: cannot be read ({reason})") from error
