"""From columns of numpy, as astropy gives them, to columns of arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from czsl.errors import CatalogueError, Problems

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "--")
"""What stands for a missing number in a text file; a text is missing where it is empty."""

_WHOLE = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): 2**53}
"""Below these, every whole number is exact."""


def without_empty_text(table: pa.Table) -> pa.Table:
    """Make empty texts missing."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(index)
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(index, field.name, filled)
    return table


def as_text(column: pa.ChunkedArray, where: str, slips: Problems) -> pa.ChunkedArray:
    """Give a column as text, or note why digits may be lost."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        inexact = pc.or_(
            pc.not_equal(pc.round(values), values),
            pc.greater_equal(pc.abs(values), pa.scalar(float(_WHOLE[kind])).cast(kind)),
        )
        if pc.any(inexact).as_py():
            example = values.filter(inexact)[0].as_py()
            slips.add(
                where,
                f"holds floating-point numbers (such as {example!r}), which may have lost digits",
                "store the column as text or as 64-bit integers",
            )
            return pa.chunked_array([pa.nulls(len(column), pa.string())])
        column = values.cast(pa.int64())
    column = column.cast(pa.string())
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give a column as float64, or as text where it is not all numbers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if not _is_text(kind):
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        is_other = pa.types.is_boolean(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
        return column.cast(pa.float64(), safe=False) if is_number or is_other else column
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING))
    try:
        return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed).cast(pa.float64())
    except pa.ArrowInvalid:
        return column.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column's type is text."""
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string))


def arrow_column(values: NDArray[Any], mask: NDArray[np.bool_] | None, where: str) -> pa.Array:
    """Turn a column of numpy into one of arrow.

    Parameters
    ----------
    values
        Numbers in any byte order, booleans, bytes or text, shape (row,) or (row, item).
    mask
        True where a value is missing, same shape; NaN and empty text are missing too.
    where
        The file and the column, for errors.

    Raises
    ------
    CatalogueError
        Where the column holds what a table of ours cannot: complex numbers, objects.

    Examples
    --------
    >>> import numpy as np
    >>> arrow_column(np.array([b"a  ", b""]), None, "x.fits").to_pylist()
    ['a', None]
    """
    values = np.ma.getdata(values)
    missing = np.zeros(values.shape, bool) if mask is None else np.broadcast_to(mask, values.shape)
    kind = values.dtype.kind
    if values.ndim == 2 and kind in "iufb":
        inner = arrow_column(values.ravel(), missing.ravel(), where)
        return pa.FixedSizeListArray.from_arrays(inner, values.shape[1])
    if values.ndim != 1 or kind not in "iufbSUO":
        raise CatalogueError(
            f"{where}: holds {values.dtype.name} of {values.ndim} dimensions, which cannot be "
            "read; numbers and text can"
        )
    if kind == "S":
        # FITS fills text up with blanks; numpy drops the zeros that it may end in.
        texts = pc.ascii_rtrim(pa.array(values, mask=missing).cast(pa.string()), characters=" ")
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if kind in "UO":
        return _text(values, missing, where)
    if kind == "f":
        missing = missing | np.isnan(values)
    native = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("="))
    return pa.array(native, mask=missing)


def _text(values: NDArray[Any], missing: NDArray[np.bool_], where: str) -> pa.Array:
    """Take over text, which stands in objects where it is of any length."""
    texts: list[str | None] = []
    for value, gone in zip(values.tolist(), missing, strict=True):
        if not isinstance(value, str | bytes | None):
            kind = type(value).__name__
            raise CatalogueError(f"{where}: holds {kind}, which cannot be read; text can")
        text = value.decode("utf-8") if isinstance(value, bytes) else value
        texts.append(None if gone or not text else text)
    return pa.array(texts, pa.string())
