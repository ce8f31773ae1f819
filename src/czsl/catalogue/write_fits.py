"""Write FITS: one binary table, row by row (FITS standard 4.0, section 7.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits
from numpy.typing import NDArray

from czsl.catalogue.sink import Staged
from czsl.errors import WriteError

_BLOCK = 2880  # bytes; every part of a FITS file fills whole blocks

_KINDS = {  # of arrow: how the table's rows hold it, and the letter of TFORM
    "bool": ("u1", "L"),
    "uint8": ("u1", "B"),
    "int8": (">i2", "I"),
    "int16": (">i2", "I"),
    "uint16": (">i4", "J"),
    "int32": (">i4", "J"),
    "uint32": (">i8", "K"),
    "int64": (">i8", "K"),
    "uint64": (">i8", "K"),
    "halffloat": (">f4", "E"),
    "float": (">f4", "E"),
    "double": (">f8", "D"),
}

_NULL = {">i2": -(2**15), ">i4": -(2**31), ">i8": -(2**63)}


class FitsSink:
    """Writes the rows of a table whose size is known.

    Parameters
    ----------
    file
        Takes the bytes.
    path
        What errors call the file.
    staged
        The columns, the number of rows, the widths of texts.
    metadata
        Header cards ``HIERARCH CZSL <key>``, or lines of HISTORY where they are too long.

    Raises
    ------
    WriteError
        Where a column's name or text is not ASCII, the only text that FITS has.
    """

    def __init__(
        self, file: BinaryIO, path: Path, staged: Staged, metadata: dict[str, str]
    ) -> None:
        self._file = file
        self._path = path
        self._staged = staged
        self._check_ascii()
        self._types = {column.name: self._type(column) for column in staged.schema}
        self._dtype = np.dtype([(name, kind) for name, (kind, _) in self._types.items()])
        self._size = 0
        file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        file.write(self._header(metadata).tostring().encode("ascii"))

    def write(self, batch: pa.Table) -> None:
        """Write some rows."""
        rows = np.zeros(batch.num_rows, dtype=self._dtype)
        for name in self._dtype.names or ():
            rows[name] = self._values(name, batch.column(name))
        self._file.write(rows.tobytes())
        self._size += rows.nbytes

    def close(self) -> None:
        """Fill the last block."""
        self._file.write(bytes(-self._size % _BLOCK))

    def _check_ascii(self) -> None:
        """Refuse what FITS cannot hold."""
        staged = self._staged
        names = [name for name in staged.schema.names if not name.isascii()]
        texts = [name for name, plain in staged.ascii.items() if not plain]
        for what, found in (("name", names), ("text", texts)):
            if found:
                raise WriteError(
                    f"{self._path}: the {what} of column {found[0]!r} is not ASCII, the only text "
                    "that FITS holds; write Parquet, CSV or VOTable"
                )

    def _type(self, column: pa.Field) -> tuple[str, str]:
        """Give how the rows hold a column, and its TFORM."""
        if pa.types.is_string(column.type):
            width = max(self._staged.widths.get(column.name, 0), 1)
            return f"S{width}", f"{width}A"
        kind, letter = _KINDS[str(column.type)]
        if str(column.type) == "uint8" and column.name in self._staged.missing:
            return ">i2", "I"  # all 256 values may occur, so that none can say "missing"
        return kind, letter

    def _header(self, metadata: dict[str, str]) -> fits.Header:
        """Make the table's header."""
        columns = [
            fits.Column(name=name, format=form, null=self._null(name, kind))
            for name, (kind, form) in self._types.items()
        ]
        header = fits.BinTableHDU.from_columns(fits.ColDefs(columns), nrows=0).header
        header["NAXIS2"] = self._staged.rows
        for key, value in metadata.items():
            _tell(header, _printable(key), _printable(value))
        return header

    def _null(self, name: str, kind: str) -> int | None:
        """Give the number that says "missing" in a column of whole numbers."""
        is_whole = pa.types.is_integer(self._staged.schema.field(name).type)
        return _NULL[kind] if is_whole and name in self._staged.missing else None

    def _values(self, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
        """Turn a column into what the rows hold."""
        kind, form = self._types[name]
        if form.endswith("A"):
            width = int(kind[1:])
            padded = pc.ascii_rpad(pc.fill_null(column, ""), width, padding="\0")
            fixed = padded.combine_chunks().cast(pa.binary(width))
            return np.frombuffer(fixed.buffers()[1], dtype=kind, count=len(fixed))
        if form == "L":
            letters = pc.if_else(column, ord("T"), ord("F"))
            return np.asarray(pc.fill_null(letters, 0))
        if pa.types.is_floating(column.type):
            return np.asarray(column.cast(pa.float64()).fill_null(np.nan))
        try:
            whole = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise WriteError(
                f"{self._path}: column {name!r} holds whole numbers above 2**63 - 1, the largest "
                "that FITS holds; write Parquet, or give the column as text"
            ) from error
        return np.asarray(whole.fill_null(_NULL[kind]) if column.null_count else whole)


def _tell(header: fits.Header, key: str, value: str) -> None:
    """Put metadata into a header: a card where it fits into one."""
    if len(key) + len(value) + value.count("'") <= 50:
        header[f"HIERARCH CZSL {key}"] = value
    else:
        header.add_history(f"CZSL {key} = {value}")


def _printable(text: str) -> str:
    """Spell text in the printable ASCII that header cards hold."""
    return text.encode("unicode_escape").decode("ascii")
