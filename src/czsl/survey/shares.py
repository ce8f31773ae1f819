"""Shares of the classes in the survey at hand, and posteriors moved to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from czsl.catalogue import read_table
from czsl.predictions import posterior_columns, words
from czsl.stages.prior import reestimate, shares_interval
from czsl.verdicts import Judge

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the classes, with their intervals.

    Attributes
    ----------
    values
        Share of each class.
    low, high
        Its 95% interval.
    """

    values: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]


def estimate_shares(path: Path, prior: Floats, classes: Sequence[str]) -> Shares:
    """Estimate the shares of the classes from a catalogue of predictions.

    Parameters
    ----------
    path
        The catalogue, Parquet.
    prior
        Shares that its posteriors take for granted, shape (class,).
    classes
        Names of the classes.
    """
    posterior = _posterior(read_table(path, columns=[f"p_{name}" for name in classes]), classes)
    shares = reestimate(posterior, prior)
    low, high = shares_interval(posterior, prior)

    def named(values: Floats) -> dict[str, float]:
        return dict(zip(classes, values.tolist(), strict=True))

    return Shares(values=named(shares), low=named(low), high=named(high))


def moved(path: Path, judge: Judge, shares: Shares, classes: Sequence[str]) -> Iterator[pa.Table]:
    """Move the posteriors of a catalogue of predictions to other shares, and decide anew.

    Parameters
    ----------
    path
        The catalogue, Parquet.
    judge
        What decides.
    shares
        The shares to move to.
    classes
        Names of the classes.

    Yields
    ------
    pyarrow.Table
        Parts of the catalogue; ``class`` and ``p_<class>`` are new.
    """
    judge = replace(judge, coverage=None, shares=np.array([shares.values[k] for k in classes]))
    names = np.array([*classes, ""])
    for batch in pq.ParquetFile(path).iter_batches():
        part = pa.Table.from_batches([batch])
        source = np.array(part["source"].fill_null("").to_pylist(), dtype=np.str_)
        verdicts = judge.judge(_posterior(part, classes), source)
        new = {
            "class": words(names[verdicts.decided], verdicts.decided < 0),
            **posterior_columns("p", verdicts.posterior, classes),
        }
        for name, column in new.items():
            part = part.set_column(part.schema.get_field_index(name), name, column)
        yield part


def _posterior(table: pa.Table, classes: Sequence[str]) -> Floats:
    """Take the posterior that counts, shape (object, class); NaN where it is null."""
    columns = [table[f"p_{name}"].to_numpy().astype(np.float64) for name in classes]
    return np.stack(columns, axis=1)
