"""Predict a table of any length in constant memory."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from czsl.catalogue import Catalogue, scan_catalogue
from czsl.catalogue.duplicates import Seen
from czsl.catalogue.write import check_ending, write_table
from czsl.fitted import make_judge
from czsl.flags import describe
from czsl.model import CzSL
from czsl.predictions import predictions_table
from czsl.predictor import Predictor
from czsl.remote import absolute, beside
from czsl.survey.shares import Shares, estimate_shares, moved
from czsl.verdicts import Judge

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
    shares
        Shares of the classes, where they were estimated anew.
    """

    path: Path
    rows: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    shares: Shares | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a model besides its posteriors.

    Parameters
    ----------
    decide
        How the class follows from the posterior: ``"accuracy"``, ``"gmean"``, ``"f1"``, or a
        file of costs (see :func:`czsl.decisions.read_costs`). The posterior stays as it is.
    coverage
        Coverage of the sets; by default that of the model's recipe.
    reestimate
        Whether the shares of the classes are estimated anew from the objects themselves, and
        the posterior is moved to them.
    """

    decide: str | Path = "accuracy"
    coverage: float | None = None
    reestimate: bool = False

    def judge(self, predictor: Predictor) -> Judge:
        """Make what decides, by what the model keeps of its experts' objects.

        Raises
        ------
        ConfigError
            Where the rule is not known, or the file of costs cannot be used.
        ModelError
            Where the model cannot keep the coverage that is asked for.
        """
        return make_judge(predictor, self.decide, self.coverage)


def predict_table(
    model: CzSL,
    table: str | Path,
    out: str | Path,
    *,
    images: str | None = None,
    folder: str | Path | None = None,
    asked: Asked | None = None,
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
        The objects, a file or its address: the model's id column, and what its image pattern
        names. Columns of votes are used where they are there.
    out
        The catalogue of predictions; its ending says its kind.
    images
        Another image pattern than that of the training.
    folder
        The folder that relative images start from; by default the table's, or the working
        folder where the table is given by its address.
    asked
        Decision, coverage and shares; by default those of the model.
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
    CatalogueError, ImageError, ModelError, ConfigError
        Where the table or its images cannot be used, or the model cannot do what is asked.
    WriteError
        Where the catalogue cannot be written; an older one is intact.
    """
    out, asked = Path(out), asked or Asked()
    check_ending(out)
    predictor = model.predictor
    judge = asked.judge(predictor)
    start = beside(table) if folder is None else Path(folder)
    config = predictor.config(start, absolute(table), images)
    done = Predicted(path=out)

    def parts() -> Iterator[pa.Table]:
        seen = Seen()
        with predictor.decoder(config, processes) as decoder:
            catalogues = limited(scan_catalogue(config, table, rows=ROWS), limit)
            for catalogue, found in predictor.stream(catalogues, decoder):
                posteriors = found.marked(seen.add(found.hashes, catalogue.positions))
                verdicts = judge.judge(posteriors.best, posteriors.source, catalogue.weights)
                part = predictions_table(catalogue, posteriors, verdicts)
                done.rows += len(part)
                for flag in part["flags"].to_pylist():
                    done.flags.update(describe(flag))
                yield part
                if progress is not None:
                    progress(done.rows)

    content = predictor.content
    metadata = {
        "model": content.name,
        "fingerprint": content.fingerprint,
        "czsl": content.version,
        "decide": str(asked.decide),
        "coverage": "" if judge.coverage is None else f"{judge.coverage:g}",
    }
    if not asked.reestimate:
        write_table(parts(), out, metadata=metadata)
        return done
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        first = Path(temporary) / "first.parquet"
        write_table(parts(), first)
        done.shares = estimate_shares(first, predictor.record.prior, content.classes.names)
        shares = {name: f"{share:.6g}" for name, share in done.shares.values.items()}
        metadata |= {f"share of {name}": share for name, share in shares.items()}
        write_table(moved(first, judge, done.shares, content.classes.names), out, metadata=metadata)
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
