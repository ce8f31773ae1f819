"""Write tables of any length, whole or not at all: Parquet, CSV, ECSV, FITS and VOTable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from czsl.catalogue.sink import Sink, Staged
from czsl.catalogue.table import KINDS, ending
from czsl.errors import ArgumentError, WriteError
from czsl.files import replacing
from czsl.remote import refuse_address

WRITABLE = tuple(name for name in KINDS if not name.endswith(".gz"))
"""Endings of the tables that can be written."""

Batches = Iterable[pa.Table | pa.RecordBatch]


def write_table(
    batches: Batches, path: str | Path, *, metadata: Mapping[str, str] | None = None
) -> int:
    """Write a table in constant memory, under its name only when it is whole.

    Parquet, CSV and ECSV are written as the batches come. For FITS and VOTable, which
    begin with the number of rows and the widths of texts, the batches are first kept in a
    temporary Parquet file beside the target.

    Parameters
    ----------
    batches
        Parts of the table, all with the columns of the first: numbers, booleans, text.
        One part or more; a part may have no rows.
    path
        The file; its ending says its kind.
    metadata
        What the file says of itself: in Parquet's schema, ECSV's and FITS's header,
        VOTable's INFO; CSV has no place for it.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    WriteError
        Where the disk is full, permission is missing, the ending is not known, or the
        format cannot hold what a column holds; what stood there before is intact.
    ArgumentError
        Where the path is an address; where there is no part, or parts have other columns than
        the first.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "classes.csv"
    >>> write_table([pa.table({"id": ["1", "2"], "p": [0.5, None]})], path)
    2
    >>> print(path.read_text(), end="")
    id,p
    1,0.5
    2,
    """
    refuse_address(path)
    path = Path(path)
    check_ending(path)
    kind = KINDS[ending(path)]
    parts = _alike(batches, path, kind)
    first = next(parts)
    parts = chain([first], parts)
    text = dict(metadata or {})
    with replacing(path) as temporary:
        if kind in ("fits", "votable"):
            return _write_staged(first, parts, path, temporary, text)
        with temporary.open("wb") as file, _sink(file, path, first.schema, text) as sink:
            return _pour(parts, sink)


def check_ending(path: str | Path) -> None:
    """Refuse a table's name that says no kind that can be written.

    Raises
    ------
    WriteError
        Names the endings that there are.
    """
    if ending(Path(path)) not in WRITABLE:
        raise WriteError(
            f"{path}: the ending {ending(Path(path))!r} is not one of a table that can be "
            f"written; there are {', '.join(WRITABLE)}"
        )


def check_texts(path: str | Path, texts: Iterable[str]) -> None:
    """Refuse texts, names of columns among them, that a table of the name's kind cannot hold.

    Raises
    ------
    WriteError
        Names the first that FITS cannot.

    Examples
    --------
    >>> check_texts("predictions.fits", ["587722952767439450", "p_elliptical"])
    """
    if KINDS[ending(Path(path))] != "fits":
        return
    for text in texts:
        if not text.isascii():
            raise WriteError(
                f"{path}: {text!r} is not ASCII, the only text that FITS holds; write Parquet, CSV "
                "or VOTable"
            )


GROUP = 65_536
"""Rows of a row group: of each the footer keeps some hundred bytes a column, in memory too."""


class ParquetSink:
    """Writes Parquet, in row groups of so many rows however short the batches are."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._held: list[pa.Table] = []
        self._rows = 0

    def write(self, batch: pa.Table) -> None:
        """Write some rows, or keep them until they fill a row group."""
        self._held.append(batch.replace_schema_metadata(self._writer.schema.metadata))
        self._rows += batch.num_rows
        if self._rows >= GROUP:
            whole = self._rows - self._rows % GROUP
            table = pa.concat_tables(self._held)
            self._writer.write_table(table.slice(0, whole), row_group_size=GROUP)
            self._held, self._rows = [table.slice(whole)], self._rows - whole

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._held), row_group_size=GROUP)
        self._writer.close()


@contextmanager
def _parquet(file: BinaryIO, schema: pa.Schema, metadata: dict[str, str]) -> Iterator[Sink]:
    """Open the sink of Parquet."""
    writer = pq.ParquetWriter(file, schema.with_metadata(metadata or None))
    try:
        yield ParquetSink(writer)
    finally:
        writer.is_open = False  # else what failed would write its footer to a closed file


def _sink(
    file: BinaryIO, path: Path, schema: pa.Schema, metadata: dict[str, str]
) -> AbstractContextManager[Sink]:
    """Open the sink of a format that needs to know nothing beforehand."""
    if KINDS[ending(path)] == "parquet":
        return _parquet(file, schema, metadata)
    from czsl.catalogue.write_text import TextSink

    return nullcontext(TextSink(file, schema, metadata if ending(path) == ".ecsv" else None))


def _write_staged(
    first: pa.Table,
    parts: Iterable[pa.Table],
    path: Path,
    temporary: Path,
    metadata: dict[str, str],
) -> int:
    """Keep the parts in a temporary file, then write them with all that was seen in them."""
    stage = temporary.with_name(f"{temporary.name}.rows")
    staged = Staged()
    try:
        with stage.open("wb") as file, _parquet(file, first.schema, {}) as sink:
            _pour(staged.watch(parts), sink)
        with temporary.open("wb") as target, pq.ParquetFile(stage) as rows:
            sink = _staged_sink(target, path, staged, metadata)
            return _pour((pa.Table.from_batches([part]) for part in rows.iter_batches()), sink)
    finally:
        stage.unlink(missing_ok=True)


def _staged_sink(target: BinaryIO, path: Path, staged: Staged, metadata: dict[str, str]) -> Sink:
    """Open the sink of a format that begins with what comes later."""
    if KINDS[ending(path)] == "fits":
        from czsl.catalogue.write_fits import FitsSink

        return FitsSink(target, path, staged, metadata)
    from czsl.catalogue.write_votable import VotableSink

    return VotableSink(target, path, staged, metadata)


def _pour(parts: Iterable[pa.Table], sink: Sink) -> int:
    """Write all parts and count their rows."""
    rows = 0
    for part in parts:
        sink.write(part)
        rows += part.num_rows
    sink.close()
    return rows


def _alike(batches: Batches, path: Path, kind: str) -> Iterator[pa.Table]:
    """Give every part the columns of the first, of types that the format knows."""
    schema: pa.Schema | None = None
    for batch in batches:
        part = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        if schema is None:
            schema = part.schema if kind == "parquet" else _plain(part.schema, path, kind)
        if part.schema.names != schema.names:
            raise ArgumentError(
                f"{path}: got a part with the columns {part.schema.names}, but the first part has "
                f"{schema.names}; every part has the columns of the first"
            )
        yield part.cast(schema)
    if schema is None:
        raise ArgumentError(f"{path}: got no part to write; a table has one, perhaps without rows")


def _plain(schema: pa.Schema, path: Path, kind: str) -> pa.Schema:
    """Give the types that every text format and FITS know: numbers, booleans, text."""
    fields = []
    for column in schema:
        inner = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if (
            pa.types.is_nested(inner)
            or pa.types.is_binary(inner)
            or pa.types.is_large_binary(inner)
        ):
            raise WriteError(
                f"{path}: column {column.name!r} holds {inner}, which {kind} cannot hold; "
                "write Parquet"
            )
        known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        fields.append(pa.field(column.name, inner if any(k(inner) for k in known) else pa.string()))
    return pa.schema(fields)
