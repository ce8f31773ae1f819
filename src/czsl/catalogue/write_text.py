"""Write CSV, and ECSV: CSV with a header of types and metadata (astropy's APE 6)."""

from __future__ import annotations

import csv
import io
import json
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
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._is_ecsv = metadata is not None
        self._writer = csv.writer(self._text, lineterminator="\n")
        if metadata is not None:
            self._text.writelines(f"# {line}\n" for line in _header(schema, metadata))
        self._writer.writerow(schema.names)

    def write(self, batch: pa.Table) -> None:
        """Write some rows."""
        words = {"true": "True", "false": "False"} if self._is_ecsv else {}
        self._writer.writerows(zip(*spelled(batch, **words), strict=True))

    def close(self) -> None:
        """Hand everything over to the file, which stays open."""
        self._text.detach()


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
