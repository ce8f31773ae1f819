"""What the writers of all table formats share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc


class Sink(Protocol):
    """Takes a table's batches, one after another, and writes them to a file."""

    def write(self, batch: pa.Table) -> None:
        """Write some rows."""
        ...

    def close(self) -> None:
        """Write what comes last."""
        ...


@dataclass
class Staged:
    """What was seen of a table while its parts went by.

    Attributes
    ----------
    rows
        Their number.
    schema
        The columns.
    widths
        For each column of text, the most bytes of a value.
    ascii
        For each column of text, whether it is all ASCII.
    missing
        Columns with a missing value.

    Examples
    --------
    >>> staged = Staged()
    >>> _ = list(staged.watch([pa.table({"a": ["x", "naïve"]}), pa.table({"a": ["y", None]})]))
    >>> staged.rows, staged.widths, staged.ascii, staged.missing
    (4, {'a': 6}, {'a': False}, {'a'})
    """

    rows: int = 0
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    widths: dict[str, int] = field(default_factory=dict)
    ascii: dict[str, bool] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def watch(self, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Let the parts pass and keep what is seen of them."""
        for part in parts:
            self.rows += part.num_rows
            self.schema = part.schema
            for name, column in zip(part.schema.names, part.columns, strict=True):
                self._see(name, column)
            yield part

    def _see(self, name: str, column: pa.ChunkedArray) -> None:
        """Keep what is seen of one column."""
        if column.null_count:
            self.missing.add(name)
        if pa.types.is_string(column.type):
            longest = pc.max(pc.binary_length(column)).as_py() or 0
            self.widths[name] = max(self.widths.get(name, 0), longest)
            plain = pc.all(pc.string_is_ascii(column), min_count=0).as_py()
            self.ascii[name] = self.ascii.get(name, True) and plain


def spelled(batch: pa.Table, *, true: str = "true", false: str = "false") -> list[list[str | None]]:
    """Spell every column of a batch as text, None where missing.

    Floats are spelled as short as tells them from every other of their precision.

    Examples
    --------
    >>> spelled(pa.table({"p": pa.array([0.1, None], pa.float32()), "n": [588015510343123099, 2]}))
    [['0.1', None], ['588015510343123099', '2']]
    """
    columns = [
        pc.if_else(column, true, false) if pa.types.is_boolean(column.type) else column
        for column in batch.columns
    ]
    return [column.cast(pa.string()).to_pylist() for column in columns]
