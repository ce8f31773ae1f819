"""Predict a table of any length in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from czsl.catalogue import Catalogue, scan_catalogue
from czsl.catalogue.write import check_ending, write_table
from czsl.flags import describe
from czsl.model import CzSL
from czsl.predictions import predictions_table

ROWS = 4096
"""Objects that are in memory at once."""


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
    """

    path: Path
    rows: int = 0
    flags: Counter[str] = field(default_factory=Counter)


def predict_table(
    model: CzSL,
    table: str | Path,
    out: str | Path,
    *,
    images: str | None = None,
    folder: str | Path | None = None,
    processes: int | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predicted:
    """Predict every object of a table and write the catalogue, whole or not at all.

    Parameters
    ----------
    model
        A fitted model.
    table
        The objects: the model's id column, and what its image pattern names. Columns of
        votes are used where they are there.
    out
        The catalogue of predictions; its ending says its kind.
    images
        Another image pattern than that of the training.
    folder
        The folder that relative images start from; by default the table's.
    processes
        How many processes decode; by default one for each processor.
    limit
        Stop after so many rows.
    progress
        Called with the rows done.

    Returns
    -------
    Predicted
        How many rows, and how many bear each flag.

    Raises
    ------
    CatalogueError, ImageError, ModelError
        Where the table or its images cannot be used.
    WriteError
        Where the catalogue cannot be written; an older one is intact.
    """
    table, out = Path(table), Path(out)
    check_ending(out)
    predictor = model.predictor
    start = table.parent if folder is None else Path(folder)
    config = predictor.config(start, str(table.resolve()), images)
    done = Predicted(path=out)

    def parts() -> Iterator[pa.Table]:
        with predictor.decoder(config, processes) as decoder:
            for catalogue in limited(scan_catalogue(config, table, rows=ROWS), limit):
                posteriors = predictor.posteriors(catalogue, decoder)
                part = predictions_table(catalogue, posteriors)
                done.rows += len(part)
                for flag in part["flags"].to_pylist():
                    done.flags.update(describe(flag))
                yield part
                if progress is not None:
                    progress(done.rows)

    content = predictor.content
    write_table(
        parts(),
        out,
        metadata={
            "model": content.name,
            "fingerprint": content.fingerprint,
            "czsl": content.version,
        },
    )
    return done


def limited(catalogues: Iterator[Catalogue], limit: int | None) -> Iterator[Catalogue]:
    """Give catalogues until they hold so many objects."""
    left = limit
    for catalogue in catalogues:
        if left is None:
            yield catalogue
        elif len(catalogue) < left:
            left -= len(catalogue)
            yield catalogue
        else:
            yield catalogue.select(np.arange(left))
            return
