"""What a comparison left, read back for its report, one task at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.compare.arms import ARM_NAMES
from czsl.compare.plan import CellName
from czsl.compare.protocols import Protocol
from czsl.compare.results import Results
from czsl.compare.sweeps import BASE, Setting
from czsl.errors import RunError
from czsl.report.comparison_plots import Style, Value, arm_styles
from czsl.scores import known_rows

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Row = dict[str, str]
Key = tuple[str, ...]

TEST = "test"

MAIN = ("experts", "majority", "volunteers", "czsl2023", "default")
"""Arms that are shown where there is no room for all."""

MOST_ARMS = 6


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How an arm differs from another in one measure.

    Attributes
    ----------
    arm, reference
        The two.
    value
        Of the arm less that of the other.
    verdict
        ``"better"``, ``"worse"`` or ``"undecided"``.
    p
        Adjusted by Holm's method; NaN where unknown.
    worse, equal, better
        Probabilities; NaN where unknown.
    objects
        That both judged.
    """

    arm: str
    reference: str
    value: Value
    verdict: str
    p: float
    worse: float
    equal: float
    better: float
    objects: int


@dataclass(frozen=True, eq=False)
class Compared:
    """One task of a comparison that has been summed up.

    Parameters
    ----------
    results
        The comparison.
    task
        The task's name.
    """

    results: Results
    task: str
    tables: dict[str, list[Row]] = field(repr=False)

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of every probability."""
        return self.results.classes(self.task)

    @cached_property
    def labels(self) -> Labels:
        """The experts' class of the objects that are scored, shape (object,)."""
        return self.results.labels(self.task)

    @cached_property
    def counts(self) -> Labels:
        """Scored objects of each class, shape (class,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @property
    def rarest(self) -> int:
        """The class that the fewest objects have, of those that occur."""
        return int(np.where(self.counts > 0, self.counts, len(self.labels) + 1).argmin())

    @property
    def protocol(self) -> Protocol:
        """How folds and tiers were made."""
        return Protocol.model_validate(self.results.plan["protocol"])

    @cached_property
    def arms(self) -> list[str]:
        """The arms that have scores on the test folds, in their order."""
        return [arm for arm in self.results.arms(self.task) if self.score(arm) is not None]

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Colour, marker and line of every arm, by the name that is shown."""
        main = self.main
        ordered = [*main, *(arm for arm in self.arms if arm not in main)]
        return arm_styles([self.name(arm) for arm in ordered])

    @property
    def main(self) -> list[str]:
        """The arms that are shown where there is no room for all, in their order."""
        if len(self.arms) <= MOST_ARMS:
            return self.arms
        chosen = {*MAIN, self.reference}
        found = [arm for arm in self.arms if arm in chosen]
        return found if len(found) > 1 else self.arms[:MOST_ARMS]

    @property
    def reference(self) -> str | None:
        """The arm that others are compared with; None where there is no other."""
        rows = self._differences
        return next((key[2] for key in rows if key[0] == BASE), None)

    @property
    def best(self) -> str:
        """The arm of the highest accuracy, of those that learn from the experts' objects alone.

        A ceiling learns from experts' classes that a survey does not have.
        """
        fair = [arm for arm in self.arms if not arm.endswith("ceiling")] or self.arms
        return max(fair, key=lambda arm: self.value(arm).mean)

    @property
    def highest(self) -> str:
        """What that arm is, in words."""
        ceilings = [arm for arm in self.arms if arm.endswith("ceiling")]
        but = " but " + " and ".join(map(self.name, ceilings)) if ceilings else ""
        return f"the highest{but}"

    def name(self, arm: str) -> str:
        """Give what an arm is called."""
        return ARM_NAMES.get(arm, arm)

    def about(self, arm: str) -> str:
        """Say what an arm is; nothing where the comparison does not tell."""
        return str(self.results.plan["tasks"][self.task].get("about", {}).get(arm, ""))

    def stages(self, arm: str) -> list[str]:
        """Name the stages of an arm that learn; none where the comparison does not tell."""
        return list(self.results.plan["tasks"][self.task].get("stages", {}).get(arm, []))

    def score(
        self, arm: str, measure: str = "accuracy", setting: str = BASE, kind: str = TEST
    ) -> Value | None:
        """Give a measure of an arm on one of the sets; None where there is none."""
        return self._scores.get((arm, setting, kind, measure))

    def value(self, arm: str, measure: str = "accuracy") -> Value:
        """Give a measure on the test folds; NaN where there is none."""
        return self.score(arm, measure) or Value(mean=np.nan, low=np.nan, high=np.nan)

    def differences(self, measure: str = "accuracy", setting: str = BASE) -> list[Difference]:
        """Give the differences to the arm that others are compared with."""
        return [
            row for key, row in self._differences.items() if (key[0], key[3]) == (setting, measure)
        ]

    def step(self, arm: str, before: str, measure: str = "accuracy") -> Difference | None:
        """Give the difference of an arm to the one before it on a ladder."""
        return self._steps.get((BASE, arm, before, measure))

    def sweeps(self) -> dict[str, list[str]]:
        """Give the settings of each sweep."""
        found: dict[str, list[str]] = {}
        for setting in self.results.settings:
            sweep = Setting.named(setting).sweep
            if sweep is not None:
                found.setdefault(sweep, []).append(setting)
        return found

    def cells(self, arm: str, setting: str = BASE) -> list[tuple[CellName, dict[str, Any]]]:
        """Give the cells of an arm, those that failed among them."""
        place = (arm, setting)
        if place not in self._cells:
            self._cells[place] = list(self.results.cells(self.task, setting, arm))
        return self._cells[place]

    def every_cell(self) -> Iterator[tuple[CellName, dict[str, Any]]]:
        """Give the cells of all arms and settings."""
        for setting in self.results.settings:
            for arm in self.results.arms(self.task):
                yield from self.cells(arm, setting)

    def sizes(self, setting: str = BASE) -> dict[str, float]:
        """Give the mean number of objects of each set of a fold, over the folds."""
        for arm in self.results.arms(self.task):
            found = [
                content["sizes"]
                for _, content in self.cells(arm, setting)
                if content["error"] is None
            ]
            if found:
                mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
                return {**mean, "A": mean["U_published"] - mean["U"]}
        return {}

    def judged(self, arm: str) -> int:
        """Give the number of objects that an arm has a posterior of, in its best execution."""
        return int(known_rows(self.posterior(arm)).sum(axis=1).max())

    def posterior(self, arm: str) -> Floats:
        """Give an arm's posteriors of the test folds, shape (execution, object, class)."""
        return self.results.posterior(self.task, BASE, arm)

    @cached_property
    def _cells(self) -> dict[tuple[str, str], list[tuple[CellName, dict[str, Any]]]]:
        return {}

    @cached_property
    def _scores(self) -> dict[Key, Value]:
        return {
            (row["arm"], row["setting"], row["set"], row["measure"]): _value(row, "mean")
            for row in self._rows("summary")
            if row["mean"]
        }

    @cached_property
    def _differences(self) -> dict[Key, Difference]:
        return _by_pair(self._rows("differences"))

    @cached_property
    def _steps(self) -> dict[Key, Difference]:
        return _by_pair(self._rows("steps"))

    def _rows(self, table: str) -> list[Row]:
        return [row for row in self.tables[table] if row["task"] == self.task]


def read_comparison(folder: Path) -> list[Compared]:
    """Read what a comparison left.

    Parameters
    ----------
    folder
        Of the comparison.

    Raises
    ------
    RunError
        Where the folder holds no comparison, or one that was not summed up.
    """
    results = Results(folder)
    names = results.tasks
    tables = {name: _read(folder / f"{name}.csv") for name in ("summary", "differences", "steps")}
    return [Compared(results, name, tables) for name in names]


def _read(path: Path) -> list[Row]:
    """Read a table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error}); the comparison has not ended: go on with "
            "'czsl compare' and --resume"
        ) from error


def _number(text: str) -> float:
    """Read a number of a table; NaN where there is none."""
    return float(text) if text else np.nan


def _value(row: Row, name: str) -> Value:
    """Read a value with its interval."""
    return Value(mean=_number(row[name]), low=_number(row["low"]), high=_number(row["high"]))


def _by_pair(rows: list[Row]) -> dict[Key, Difference]:
    """Read differences, by setting, arm, other arm and measure."""
    return {
        (row["setting"], row["arm"], row["reference"], row["measure"]): Difference(
            arm=row["arm"],
            reference=row["reference"],
            value=_value(row, "difference"),
            verdict=row["verdict"],
            **{name: _number(row[name]) for name in ("worse", "equal", "better")},
            p=_number(row["p_holm"]),
            objects=int(row["objects"]),
        )
        for row in rows
        if row["difference"]
    }
