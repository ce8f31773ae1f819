"""Sum a comparison up: means with intervals, differences to an arm, tables on disk."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.compare.measures import LOWER_IS_BETTER, MEASURES, prepare, rarest, shared
from czsl.compare.protocols import SETS
from czsl.compare.results import Results
from czsl.compare.statistics import (
    LEVELS,
    Draws,
    Interval,
    bayesian_correlated_t,
    corrected_resampled_t,
    holm,
    two_level_bootstrap,
    verdict,
)
from czsl.compare.sweeps import BASE
from czsl.files import replacing, write_json
from czsl.scores import wilson_interval

Floats = NDArray[np.float64]
Row = dict[str, Any]

SUMMARY = (
    *("task", "arm", "setting", "set", "measure", "mean", "low", "high"),
    *("executions", "folds", "failures"),
)
DIFFERENCES = (
    *("task", "setting", "arm", "reference", "measure", "difference", "low", "high", "verdict"),
    *("p", "p_holm", "worse", "equal", "better", "objects", "executions"),
)
CELLS = (
    *("task", "setting", "arm", "execution", "fold", "set", "measure", "value"),
    *("collapsed", "seconds", "error"),
)
STANDING = ("accuracy", "balanced_accuracy", "gmean", "auc")
"""Measures that are also averaged over the cells whose transfer did not collapse."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Every measure of one arm, on all objects and on those of each draw.

    Attributes
    ----------
    values
        By measure, shape (execution,).
    drawn
        By measure, shape (execution, draw).
    """

    values: dict[str, Floats]
    drawn: dict[str, Floats]

    def interval(self, measure: str, draws: Draws) -> Interval:
        """Give the mean of a measure over executions, with its interval."""
        return two_level_bootstrap(self.values[measure], self.drawn[measure], draws)

    def less(self, other: Drawn) -> Drawn:
        """Give the differences to another arm, draw by draw."""
        return Drawn(
            {name: self.values[name] - other.values[name] for name in self.values},
            {name: self.drawn[name] - other.drawn[name] for name in self.drawn},
        )


@dataclass(frozen=True, eq=False)
class Contest:
    """The arms of one task in one setting, measured on the same draws of the same objects.

    Parameters
    ----------
    results
        The comparison.
    task, setting
        Which.
    draws
        Number of draws of the bootstrap.
    """

    results: Results
    task: str
    setting: str
    draws: int

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The experts' class of each object, shape (object,)."""
        return self.results.labels(self.task)

    @cached_property
    def bootstrap(self) -> Draws:
        """The draws that all arms share."""
        return Draws(self.results.executions, len(self.labels), self.draws)

    @cached_property
    def weights(self) -> list[NDArray[np.uint16]]:
        """How often each object is in each draw, some draws at a time."""
        return list(self.bootstrap.object_weights())

    @cached_property
    def posteriors(self) -> dict[str, Floats]:
        """Each arm's posteriors, shape (execution, object, class)."""
        found = {}
        for arm in self.results.arms(self.task):
            posterior = self.results.posterior(self.task, self.setting, arm)
            if not np.isnan(posterior).all():
                found[arm] = posterior
        return found

    @cached_property
    def measured(self) -> dict[str, Drawn]:
        """Each arm's measures."""
        return {arm: self.measure(arm, posterior) for arm, posterior in self.posteriors.items()}

    def measure(self, arm: str, posterior: Floats) -> Drawn:
        """Measure posteriors of an arm, (execution, object, class), on all draws."""
        prior = self.results.prior(self.task, self.setting, arm)
        rare = rarest(self.labels)
        values: dict[str, list[float]] = {name: [] for name in MEASURES}
        drawn: dict[str, list[Floats]] = {name: [] for name in MEASURES}
        for one in posterior:
            if np.isnan(one).all():
                found = dict.fromkeys(MEASURES, np.nan)
                parts = dict.fromkeys(MEASURES, np.full(self.draws, np.nan))
            else:
                prepared = prepare(one, self.labels, prior, rare=rare)
                found = prepared.values()
                chunks = [prepared.measure(weights) for weights in self.weights]
                parts = {n: np.concatenate([chunk[n] for chunk in chunks]) for n in MEASURES}
            for name in MEASURES:
                values[name].append(found[name])
                drawn[name].append(parts[name])
        return Drawn(
            {name: np.array(values[name]) for name in MEASURES},
            {name: np.stack(drawn[name]) for name in MEASURES},
        )

    def difference(self, arm: str, reference: str) -> Drawn:
        """Measure the difference of two arms on the objects that both judge."""
        first, second = self.posteriors[arm], self.posteriors[reference]
        if np.array_equal(np.isnan(first), np.isnan(second)):
            return self.measured[arm].less(self.measured[reference])
        pairs = [shared(one, other) for one, other in zip(first, second, strict=True)]
        mine = self.measure(arm, np.stack([pair[0] for pair in pairs]))
        return mine.less(self.measure(reference, np.stack([pair[1] for pair in pairs])))


def summarise(folder: Path, *, reference: str | None = None, draws: int = 1000) -> Results:
    """Write ``summary.csv``, ``differences.csv``, ``cells.csv`` and ``metrics.json``.

    Parameters
    ----------
    folder
        Of the comparison; what has ended so far is summed up.
    reference
        The arm that others are compared with; by default ``default``, or else the last.
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
    metrics: dict[str, Any] = {}
    for task in results.tasks:
        for setting in results.settings:
            contest = Contest(results, task, setting, draws)
            summary += summary_rows(contest)
            against = _reference(results.arms(task), reference)
            differences += difference_rows(contest, against)
            if setting == BASE:
                metrics[task] = _metrics(contest)
    _write_csv(folder / "summary.csv", SUMMARY, summary)
    _write_csv(folder / "differences.csv", DIFFERENCES, differences)
    _write_csv(folder / "cells.csv", CELLS, cell_rows(results))
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
        if not good:
            yield {**shared_by, "set": "test", "measure": "accuracy", **counts}
            continue
        for measure in MEASURES:
            found = contest.measured[arm].interval(measure, contest.bootstrap)
            limits = {"mean": found.mean, "low": found.low, "high": found.high}
            yield {**shared_by, "set": "test", "measure": measure, **limits, **counts}
        for name, measure in itertools.product(SETS[1:], MEASURES):
            values = _by_execution(good, name, measure)
            if len(values):
                limits = _interval(values)
                yield {**shared_by, "set": name, "measure": measure, **limits, **counts}
        for row in _collapse_rows(good):
            yield {**shared_by, "set": "test", **row, **counts}


def difference_rows(contest: Contest, reference: str) -> list[Row]:
    """Give the rows of ``differences.csv``: every arm against one, on the test folds.

    The verdict is that of the two-level bootstrap's interval; the corrected resampled t
    test, adjusted over arms by Holm's method, and the probabilities of the Bayesian
    correlated t test stand beside it.
    """
    if reference not in contest.posteriors:
        return []
    arms = [arm for arm in contest.posteriors if arm != reference]
    rows = []
    for arm in arms:
        drawn = contest.difference(arm, reference)
        judged = ~np.isnan(contest.posteriors[arm]).any(axis=2)
        both = judged & ~np.isnan(contest.posteriors[reference]).any(axis=2)
        for measure in MEASURES:
            found = drawn.interval(measure, contest.bootstrap)
            rows.append(
                {
                    "task": contest.task,
                    "setting": contest.setting,
                    "arm": arm,
                    "reference": reference,
                    "measure": measure,
                    "difference": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "verdict": verdict(found.low, found.high, measure in LOWER_IS_BETTER),
                    **_tests(contest, arm, reference, measure),
                    "objects": int(both.sum(axis=1).max()),
                    "executions": found.executions,
                }
            )
    for measure in MEASURES:
        same = [row for row in rows if row["measure"] == measure]
        adjusted = holm(np.array([row["p"] for row in same]))
        for row, p in zip(same, adjusted, strict=True):
            row["p_holm"] = p
    return rows


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


def _tests(contest: Contest, arm: str, reference: str, measure: str) -> Row:
    """Test the differences of the cells that both arms have ended."""
    found = []
    for one in (arm, reference):
        cells = contest.results.cells(contest.task, contest.setting, one)
        found.append(
            {
                (name.execution, name.fold): content["scores"]["test"][measure]
                for name, content in cells
                if content["error"] is None
            }
        )
    mine, theirs = found
    pairs = [(mine[cell], theirs[cell]) for cell in mine if cell in theirs]
    differences = np.array([a - b for a, b in pairs if a is not None and b is not None])
    folds = max((fold for _, fold in mine), default=1)
    share = 1 / max(folds - 1, 1)
    resampled = corrected_resampled_t(differences, share)
    bayesian = bayesian_correlated_t(differences, share)
    worse, better = bayesian.worse, bayesian.better
    if measure in LOWER_IS_BETTER:
        worse, better = better, worse
    return {"p": resampled.p, "worse": worse, "equal": bayesian.equal, "better": better}


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
            yield {"measure": f"{measure}_standing", **_interval(known)}


def _metrics(contest: Contest) -> dict[str, Row]:
    """Give the scores of each arm's test folds, ready for JSON."""
    found = {}
    for arm, measured in contest.measured.items():
        accuracy = measured.interval("accuracy", contest.bootstrap)
        judged = ~np.isnan(contest.posteriors[arm]).any(axis=2)
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
    return "default" if "default" in arms else arms[-1]


def _plain(value: Any) -> Any:
    """Turn NaN, which JSON and tables cannot say, into nothing."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table, whole or not at all; numbers with six digits, NaN as nothing."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            spelled = {name: _plain(value) for name, value in row.items()}
            writer.writerow(
                {n: f"{v:.6g}" if isinstance(v, float) else v for n, v in spelled.items()}
            )
