"""Shares of the classes in the survey at hand, and posteriors moved to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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


def estimate_shares(tables: Iterable[pa.Table], prior: Floats, classes: Sequence[str]) -> Shares:
    """Estimate the shares of the classes from predictions.

    Parameters
    ----------
    tables
        Parts of a catalogue of predictions, of which the posteriors alone are kept: 8 bytes for
        each object and class.
    prior
        Shares that its posteriors take for granted, shape (class,).
    classes
        Names of the classes.
    """
    posterior = np.concatenate([_posterior(table, classes) for table in tables])
    shares = reestimate(posterior, prior)
    low, high = shares_interval(posterior, prior)

    def named(values: Floats) -> dict[str, float]:
        return dict(zip(classes, values.tolist(), strict=True))

    return Shares(values=named(shares), low=named(low), high=named(high))


def moved(
    tables: Iterable[pa.Table], judge: Judge, shares: Shares, classes: Sequence[str]
) -> Iterator[pa.Table]:
    """Move the posteriors of predictions to other shares, and decide anew.

    Parameters
    ----------
    tables
        Parts of a catalogue of predictions.
    judge
        What decides.
    shares
        The shares to move to.
    classes
        Names of the classes.

    Yields
    ------
    pyarrow.Table
        The same parts; ``class`` and ``p_<class>`` are new.
    """
    judge = replace(judge, coverage=None, shares=np.array([shares.values[k] for k in classes]))
    names = np.array([*classes, ""])
    for part in tables:
        source = np.array(part["source"].fill_null("").to_pylist(), dtype=np.str_)
        verdicts = judge.judge(_posterior(part, classes), source)
        new = {
            "class": words(names[verdicts.decided], verdicts.decided < 0),
            **posterior_columns("p", verdicts.posterior, classes),
        }
        for name, column in new.items():
            part = part.set_column(part.schema.get_field_index(name), name, column)  # noqa: PLW2901
        yield part


def _posterior(table: pa.Table, classes: Sequence[str]) -> Floats:
    """Take the posterior that counts, shape (object, class); NaN where it is null."""
    columns = [table[f"p_{name}"].to_numpy().astype(np.float64) for name in classes]
    return np.stack(columns, axis=1)
