"""Parquet tables, read by row groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from czsl.remote import opened

BUFFER = 2**20
"""Bytes of a column that are read at once, where a file is read in parts."""


def streamed(rows: int | None) -> dict[str, Any]:
    """Give the options that keep memory small: else a row group's columns are held whole."""
    return {} if rows is None else {"pre_buffer": False, "buffer_size": BUFFER}


def names(path: Path | str) -> list[str]:
    """List the columns."""
    with opened(path) as source, pq.ParquetFile(source) as file:
        return list(file.schema_arrow.names)


def bytes_columns(path: Path | str) -> list[str]:
    """List the columns of bytes."""
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    with opened(path) as source, pq.ParquetFile(source) as file:
        return [field.name for field in file.schema_arrow if any(k(field.type) for k in kinds)]


def count(path: Path | str) -> int:
    """Count the rows, from the footer."""
    with opened(path) as source, pq.ParquetFile(source) as file:
        return int(file.metadata.num_rows)


def scan(
    path: Path | str, columns: Sequence[str], as_given: Sequence[str], rows: int | None
) -> Iterator[pa.Table]:
    """Yield the columns with the types that they have in the file."""
    del as_given  # Parquet's types are exact.
    with opened(path) as source, pq.ParquetFile(source, **streamed(rows)) as file:
        # select: read and iter_batches keep the file's order of columns.
        if rows is None:
            yield file.read(columns=list(columns)).select(list(columns))
            return
        yield file.schema_arrow.empty_table().select(list(columns))
        for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
            yield pa.Table.from_batches([batch]).select(list(columns))
