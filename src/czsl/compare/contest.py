"""The arms of one task in one setting, measured on the same draws of the same objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.compare.measures import MEASURES, prepare, rarest, shared
from czsl.compare.results import Results
from czsl.compare.statistics import Draws, Interval, two_level_bootstrap
from czsl.scores import known_rows

Floats = NDArray[np.float64]

Scores = dict[str, float | None]
"""Measures of a cell by their names; None where undefined."""


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

    @cached_property
    def ended(self) -> dict[str, dict[tuple[int, int], dict[str, Any]]]:
        """What each arm's cells that ended well say, by execution and fold."""
        found: dict[str, dict[tuple[int, int], dict[str, Any]]] = {}
        for arm in self.results.arms(self.task):
            cells = self.results.cells(self.task, self.setting, arm)
            found[arm] = {(n.execution, n.fold): c for n, c in cells if c["error"] is None}
        return found

    def measure(self, arm: str, posterior: Floats) -> Drawn:
        """Measure posteriors of an arm, (execution, object, class), on all draws."""
        priors = self.results.prior(self.task, self.setting, arm)
        rare = rarest(self.labels)
        values: dict[str, list[float]] = {name: [] for name in MEASURES}
        drawn: dict[str, list[Floats]] = {name: [] for name in MEASURES}
        for one, prior in zip(posterior, priors, strict=True):
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

    def fold_scores(self, arm: str, reference: str) -> list[tuple[Scores, Scores]]:
        """Score the test folds that two arms have ended, on the objects that both judge.

        Returns
        -------
        list
            The scores of both, for each fold of each execution.
        """
        mine, theirs = self.ended[arm], self.ended[reference]
        return [
            self._fold_scores((arm, mine[cell]), (reference, theirs[cell]), *cell)
            for cell in mine
            if cell in theirs
        ]

    def _fold_scores(
        self,
        first: tuple[str, dict[str, Any]],
        second: tuple[str, dict[str, Any]],
        execution: int,
        fold: int,
    ) -> tuple[Scores, Scores]:
        """Score a test fold of two arms, each with what its cell says."""
        inside = self.results.folds(self.task, execution) == fold
        one, other = (self.posteriors[arm][execution - 1, inside] for arm, _ in (first, second))
        if np.array_equal(known_rows(one), known_rows(other)):
            return first[1]["scores"]["test"], second[1]["scores"]["test"]
        labels = self.labels[inside]
        scored = [
            prepare(both, labels, np.array(content["prior"]), rare=content["rare"]).values()
            for both, (_, content) in zip(shared(one, other), (first, second), strict=True)
        ]
        return dict(scored[0]), dict(scored[1])
