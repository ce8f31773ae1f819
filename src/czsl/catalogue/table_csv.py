"""CSV tables, streamed by pyarrow. Plain commas, a header line, UTF-8; may be gzipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from czsl.catalogue.arrow import MISSING, without_empty_text
from czsl.remote import opened


def names(path: Path | str) -> list[str]:
    """List the columns."""
    with _open(path, None, ()) as reader:
        return list(reader.schema.names)


def count(path: Path | str) -> int:
    """Count the rows, by reading one column."""
    first = names(path)[:1]
    with _open(path, first, first) as reader:
        return sum(batch.num_rows for batch in reader)


def scan(
    path: Path | str, columns: Sequence[str], as_given: Sequence[str], rows: int | None
) -> Iterator[pa.Table]:
    """Yield the columns; those in ``as_given`` as text, the others by their first block."""
    if not columns:
        yield pa.table({})
        return
    if rows is None:
        # All at once: pyarrow then tells a column's type from all of its values.
        with opened(path) as file:
            table = pa.csv.read_csv(
                file, parse_options=_parse(), convert_options=_convert(columns, as_given)
            )
        yield without_empty_text(table)
        return
    with _open(path, columns, as_given) as reader:
        yield reader.schema.empty_table()
        for batch in reader:
            yield without_empty_text(pa.Table.from_batches([batch]))


@contextmanager
def _open(
    path: Path | str, columns: Sequence[str] | None, as_given: Sequence[str]
) -> Iterator[pa.csv.CSVStreamingReader]:
    """Open a stream of batches."""
    convert = _convert(columns, as_given)
    with (
        opened(path) as file,
        pa.csv.open_csv(file, parse_options=_parse(), convert_options=convert) as reader,
    ):
        yield reader


def _parse() -> pa.csv.ParseOptions:
    """Allow a quoted value to run over several lines."""
    return pa.csv.ParseOptions(newlines_in_values=True)


def _convert(columns: Sequence[str] | None, as_given: Sequence[str]) -> pa.csv.ConvertOptions:
    """Read these columns, some of them as the text that stands there."""
    return pa.csv.ConvertOptions(
        include_columns=list(columns) if columns is not None else [],
        column_types=dict.fromkeys(as_given, pa.string()),
        null_values=list(MISSING),
        strings_can_be_null=False,
    )
