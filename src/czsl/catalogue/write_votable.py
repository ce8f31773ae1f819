"""Write VOTable 1.4 with rows as text (TABLEDATA)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from czsl.catalogue.sink import Staged, spelled
from czsl.errors import WriteError

_KINDS = {
    "bool": "boolean",
    "uint8": "unsignedByte",
    "int8": "short",
    "int16": "short",
    "uint16": "int",
    "int32": "int",
    "uint32": "long",
    "int64": "long",
    "uint64": "long",
    "halffloat": "float",
    "float": "float",
    "double": "double",
}

_NUMBERS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # by XML 1.0


class VotableSink:
    """Writes the rows of a table whose texts are known to be ASCII or not.

    Parameters
    ----------
    file
        Takes the bytes.
    path
        What errors call the file.
    staged
        The columns and the number of rows.
    metadata
        An INFO each.
    """

    def __init__(
        self, file: BinaryIO, path: Path, staged: Staged, metadata: dict[str, str]
    ) -> None:
        self._file = file
        self._path = path
        self._is_float = [pa.types.is_floating(column.type) for column in staged.schema]
        infos = [
            f"<INFO name={quoteattr(key)} value={quoteattr(value)}/>"
            for key, value in metadata.items()
        ]
        self._write(
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
            + "\n".join(['<RESOURCE type="results">', *infos, f'<TABLE nrows="{staged.rows}">'])
            + "".join(f"\n{_field(column, staged)}" for column in staged.schema)
            + "\n<DATA>\n<TABLEDATA>\n"
        )

    def write(self, batch: pa.Table) -> None:
        """Write some rows."""
        columns = [
            [_NUMBERS.get(text or "", text) for text in column] if is_float else column
            for column, is_float in zip(spelled(batch), self._is_float, strict=True)
        ]
        self._write(
            "".join(
                "<TR>" + "".join(f"<TD>{escape(text or '')}</TD>" for text in row) + "</TR>\n"
                for row in zip(*columns, strict=True)
            )
        )

    def close(self) -> None:
        """Write the end."""
        self._write("</TABLEDATA>\n</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n")

    def _write(self, text: str) -> None:
        """Write text that XML can hold."""
        if found := _FORBIDDEN.search(text):
            raise WriteError(
                f"{self._path}: a text holds the character {found[0]!r}, which VOTable cannot "
                "hold; write Parquet"
            )
        self._file.write(text.encode("utf-8"))


def _field(column: pa.Field, staged: Staged) -> str:
    """Describe a column."""
    if pa.types.is_string(column.type):
        kind = "char" if staged.ascii.get(column.name, True) else "unicodeChar"
        return f'<FIELD name={quoteattr(column.name)} datatype="{kind}" arraysize="*"/>'
    return f'<FIELD name={quoteattr(column.name)} datatype="{_KINDS[str(column.type)]}"/>'
