"""Sum a comparison up: means with intervals, differences to an arm, tables on disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.compare.arms import MAJORITY
from czsl.compare.contest import Contest
from czsl.compare.differences import DIFFERENCES, Row, difference_rows, step_rows
from czsl.compare.measures import MEASURES
from czsl.compare.protocols import SETS
from czsl.compare.results import Results
from czsl.compare.sweeps import BASE
from czsl.files import write_csv, write_json
from czsl.scores import LEVELS, known_rows, wilson_interval

Floats = NDArray[np.float64]

SUMMARY = (
    *("task", "arm", "setting", "set", "measure", "mean", "low", "high"),
    *("executions", "folds", "failures"),
)
CELLS = (
    *("task", "setting", "arm", "execution", "fold", "set", "measure", "value"),
    *("collapsed", "seconds", "error"),
)
STANDING = ("accuracy", "balanced_accuracy", "gmean", "auc")
"""Measures that are also averaged over the cells whose transfer did not collapse."""

FEW_CELLS = 10
"""Of fewer cells such a mean has no interval: they would be drawn from too few."""


def summarise(folder: Path, *, reference: str | None = None, draws: int = 1000) -> Results:
    """Write the tables of a comparison, and ``metrics.json``.

    ``summary.csv`` holds the scores of every arm, ``differences.csv`` those to one arm,
    ``steps.csv`` those from tier to tier, ``cells.csv`` every score of every cell.

    Parameters
    ----------
    folder
        Of the comparison; what has ended so far is summed up.
    reference
        The arm that others are compared with; by default ``default``, or else
        ``majority``, or else the last.
    draws
        Number of draws of the bootstrap.

    Raises
    ------
    RunError
        Where the folder holds no comparison.
    WriteError
        Where a table cannot be written.
    """
    results = Results(folder)
    summary: list[Row] = []
    differences: list[Row] = []
    steps: list[Row] = []
    metrics: dict[str, Any] = {}
    for task in results.tasks:
        for setting in results.settings:
            contest = Contest(results, task, setting, draws)
            summary += summary_rows(contest)
            against = _reference(results.arms(task), reference)
            differences += difference_rows(contest, against)
            if setting == BASE:
                metrics[task] = _metrics(contest)
                steps += step_rows(contest)
    write_csv(folder / "summary.csv", SUMMARY, map(_spelled, summary))
    write_csv(folder / "differences.csv", DIFFERENCES, map(_spelled, differences))
    write_csv(folder / "steps.csv", DIFFERENCES, map(_spelled, steps))
    write_csv(folder / "cells.csv", CELLS, map(_spelled, cell_rows(results)))
    single = len(metrics) == 1
    content = {"arms": next(iter(metrics.values()))} if single else {"tasks": metrics}
    write_json(folder / "metrics.json", content)
    return results


def summary_rows(contest: Contest) -> Iterator[Row]:
    """Give the rows of ``summary.csv``.

    On the test folds a measure is taken over all objects of an execution, then averaged
    over executions; its interval is that of the two-level bootstrap. On the other sets,
    which overlap from fold to fold, it is averaged over cells, and its interval comes from
    the executions alone: with one execution there is none.
    """
    for arm in contest.results.arms(contest.task):
        cells = list(contest.results.cells(contest.task, contest.setting, arm))
        good = [(name, content) for name, content in cells if content["error"] is None]
        shared_by = {"task": contest.task, "arm": arm, "setting": contest.setting}
        counts = {
            "executions": len({name.execution for name, _ in good}),
            "folds": len({name.fold for name, _ in good}),
            "failures": len(cells) - len(good),
        }
        # Nothing where every cell failed, or no object could be judged: without votes, say.
        measured = contest.measured.get(arm)
        if measured is None:
            yield {**shared_by, "set": "test", "measure": "accuracy", **counts}
        else:
            for measure in MEASURES:
                found = measured.interval(measure, contest.bootstrap)
                limits = {"mean": found.mean, "low": found.low, "high": found.high}
                yield {**shared_by, "set": "test", "measure": measure, **limits, **counts}
        for name, measure in itertools.product(SETS[1:], MEASURES):
            values = _by_execution(good, name, measure)
            if len(values):
                limits = _interval(values)
                yield {**shared_by, "set": name, "measure": measure, **limits, **counts}
        for row in _collapse_rows(good):
            yield {**shared_by, "set": "test", **row, **counts}


def cell_rows(results: Results) -> Iterator[Row]:
    """Give every score of every cell, failures among them."""
    for task, setting in itertools.product(results.tasks, results.settings):
        for arm in results.arms(task):
            for name, content in results.cells(task, setting, arm):
                row = {
                    "task": task,
                    "setting": setting,
                    "arm": arm,
                    "execution": name.execution,
                    "fold": name.fold,
                    "collapsed": content.get("collapsed", False),
                    "seconds": content["seconds"],
                }
                if content["error"] is not None:
                    yield {**row, "error": content["error"].strip().splitlines()[-1]}
                for kind, scores in content.get("scores", {}).items():
                    for measure, value in scores.items():
                        yield {**row, "set": kind, "measure": measure, "value": value}


def _by_execution(
    cells: Sequence[tuple[Any, Mapping[str, Any]]], kind: str, measure: str
) -> Floats:
    """Average a score of a set over the folds of each execution, shape (execution,)."""
    found: dict[int, list[float]] = {}
    for name, content in cells:
        value = content["scores"].get(kind, {}).get(measure)
        if value is not None:
            found.setdefault(name.execution, []).append(value)
    return np.array([np.mean(values) for values in found.values()])


def _interval(values: Floats, draws: int = 2000) -> Row:
    """Give the mean of independent values with its bootstrap interval; none of a single one."""
    if len(values) < 2:
        return {"mean": float(values.mean()), "low": np.nan, "high": np.nan}
    chosen = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[chosen].mean(axis=1), LEVELS)
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def _collapse_rows(cells: Sequence[tuple[Any, Mapping[str, Any]]]) -> Iterator[Row]:
    """Count the cells whose transfer collapsed, and average those that stand."""
    collapsed = sum(content["collapsed"] for _, content in cells)
    if not collapsed:
        return
    low, high = wilson_interval(collapsed, len(cells))
    yield {"measure": "collapsed", "mean": collapsed / len(cells), "low": low, "high": high}
    standing = [content for _, content in cells if not content["collapsed"]]
    for measure in STANDING:
        values = [content["scores"]["test"][measure] for content in standing]
        known = np.array([value for value in values if value is not None])
        if len(known):
            found = _interval(known)
            if len(known) < FEW_CELLS:
                found |= {"low": np.nan, "high": np.nan}
            yield {"measure": f"{measure}_standing", **found}


def _metrics(contest: Contest) -> dict[str, Row]:
    """Give the scores of each arm's test folds, ready for JSON."""
    found = {}
    for arm, measured in contest.measured.items():
        accuracy = measured.interval("accuracy", contest.bootstrap)
        judged = known_rows(contest.posteriors[arm])
        rest = {
            name: measured.interval(name, contest.bootstrap).mean
            for name in ("balanced_accuracy", "gmean", "auc")
        }
        likelihood = measured.interval("log_likelihood", contest.bootstrap).mean
        score = {
            "accuracy": accuracy.mean,
            "low": accuracy.low,
            "high": accuracy.high,
            "n": int(judged.sum(axis=1).max()),
            **rest,
            "log_loss": -likelihood,
            "executions": accuracy.executions,
        }
        found[arm] = {name: _plain(value) for name, value in score.items()}
    return found


def _reference(arms: Sequence[str], wanted: str | None) -> str:
    """Choose the arm that others are compared with."""
    if wanted is not None and wanted in arms:
        return wanted
    return next((arm for arm in ("default", MAJORITY) if arm in arms), arms[-1])


def _plain(value: Any) -> Any:
    """Turn NaN, which JSON and tables cannot say, into nothing."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _spelled(row: Row) -> Row:
    """Write the numbers of a row with six digits, and NaN as nothing."""
    plain = {name: _plain(value) for name, value in row.items()}
    return {n: f"{v:.6g}" if isinstance(v, float) else v for n, v in plain.items()}
