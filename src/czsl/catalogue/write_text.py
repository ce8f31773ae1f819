"""Write CSV, and ECSV: CSV with a header of types and metadata (astropy's APE 6)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pyarrow as pa

from czsl.catalogue.sink import spelled


class TextSink:
    """Writes CSV; with metadata, even if empty, ECSV.

    Parameters
    ----------
    file
        Takes the bytes.
    schema
        The columns.
    metadata
        For the header of ECSV; None writes CSV.
    """

    def __init__(
        self, file: BinaryIO, schema: pa.Schema, metadata: dict[str, str] | None = None
    ) -> None:
        self._file = file
        self._is_ecsv = metadata is not None
        if metadata is not None:
            file.writelines(f"# {line}\n".encode() for line in _header(schema, metadata))
        self._write([schema.names])

    def write(self, batch: pa.Table) -> None:
        """Write some rows."""
        words = {"true": "True", "false": "False"} if self._is_ecsv else {}
        self._write(zip(*spelled(batch, **words), strict=True))

    def close(self) -> None:
        """Nothing comes last."""

    def _write(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Write rows together, which is faster than one by one."""
        text = io.StringIO(newline="")
        if self._is_ecsv:  # where a line that begins with # is a comment, and with " is none
            writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        else:
            writer = csv.writer(text, lineterminator="\n")
        writer.writerows(rows)
        self._file.write(text.getvalue().encode())


def _header(schema: pa.Schema, metadata: dict[str, str]) -> list[str]:
    """Spell the header of ECSV, each value as JSON, which is YAML."""
    kinds = {"string": "string", "bool": "bool", "halffloat": "float16", "float": "float32"}
    kinds["double"] = "float64"
    columns = [
        f"- {{name: {json.dumps(column.name)}, "
        f"datatype: {kinds.get(str(column.type), str(column.type))}}}"
        for column in schema
    ]
    meta = [f"meta: {json.dumps(metadata)}"] if metadata else []
    return ["%ECSV 1.0", "---", "delimiter: ','", "datatype:", *columns, *meta]
