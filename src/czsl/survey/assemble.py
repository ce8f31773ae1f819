"""From the parts of a prediction to the catalogue: duplicates, shares, one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.catalogue.duplicates import Seen
from czsl.catalogue.write import write_table
from czsl.flags import Flag, describe
from czsl.names import PASSING
from czsl.predictions import Posteriors
from czsl.survey.parts import Parts
from czsl.survey.shares import Shares, estimate_shares, moved
from czsl.verdicts import Judge

HASH, RIGHT, UP = PASSING
"""Columns of parts that the catalogue does not have."""


@dataclass
class Predicted:
    """What became of a table.

    Attributes
    ----------
    path
        The catalogue of predictions.
    rows
        Its rows.
    flags
        How many rows bear each flag, by its name.
    shares
        Shares of the classes, where they were estimated anew.
    notes
        Which votes the table lacks, and which classes stand in every set, for want of experts'
        objects.
    """

    path: Path
    rows: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    shares: Shares | None = None
    notes: tuple[str, ...] = ()


def with_identity(table: pa.Table, catalogue: Catalogue, posteriors: Posteriors) -> pa.Table:
    """Add to predictions what tells duplicates: the image's hash, and the place."""
    table = table.append_column(HASH, pa.array(posteriors.hashes))
    if catalogue.positions is not None:
        for name, angle in zip((RIGHT, UP), catalogue.positions.T, strict=True):
            table = table.append_column(name, pa.array(angle))
    return table


def assemble(
    parts: Parts,
    out: Path,
    judge: Judge,
    *,
    classes: tuple[str, ...],
    metadata: Mapping[str, str],
    reestimated: bool,
) -> Predicted:
    """Write the catalogue from its parts, which stay.

    Parameters
    ----------
    parts
        All parts of the table.
    out
        The catalogue; its ending says its kind.
    judge
        What decides, where shares are estimated anew.
    classes
        Names of the classes.
    metadata
        What the catalogue says of itself.
    reestimated
        Whether the shares of the classes are estimated anew, and the posteriors moved to them.

    Raises
    ------
    WriteError
        Where the catalogue cannot be written; an older one is intact.
    """
    done, metadata = Predicted(path=out), dict(metadata)
    tables = _counted(_flagged(parts.batches()), done)
    if reestimated:
        done.shares = estimate_shares(parts.batches(), judge.record.prior, classes)
        shares = {name: f"{share:.6g}" for name, share in done.shares.values.items()}
        metadata |= {f"share of {name}": share for name, share in shares.items()}
        tables = moved(tables, judge, done.shares, classes)
    write_table(tables, out, metadata=metadata)
    return done


def _flagged(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Flag objects that stood in the table before, and drop what told them."""
    seen = Seen()
    for table in tables:
        again = seen.add(table[HASH].to_numpy(), _positions(table))
        flags = table["flags"].to_numpy() | np.where(again, int(Flag.DUPLICATE), 0)
        extra = [name for name in (HASH, RIGHT, UP) if name in table.column_names]
        place = table.schema.get_field_index("flags")
        column = pa.array(flags.astype(np.int32))
        yield table.set_column(place, "flags", column).drop_columns(extra)


def _positions(table: pa.Table) -> NDArray[np.float64] | None:
    """Give the places of objects, shape (object, 2), in degrees; None where none are known."""
    if RIGHT not in table.column_names:
        return None
    return np.stack([table[name].to_numpy() for name in (RIGHT, UP)], axis=1)


def _counted(tables: Iterable[pa.Table], done: Predicted) -> Iterator[pa.Table]:
    """Count rows and flags as they go by."""
    for table in tables:
        done.rows += table.num_rows
        kinds, counts = np.unique(table["flags"].to_numpy(), return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            done.flags.update(dict.fromkeys(describe(kind), count))
        yield table
