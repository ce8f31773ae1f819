"""Read a comparison back: its plan, the scores of its cells, posteriors put together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.compare.plan import CellName, CellStore
from czsl.errors import RunError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Results:
    """A comparison on disk, whole or under way.

    Parameters
    ----------
    folder
        Of the comparison.
    """

    folder: Path

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What was to be done, as :meth:`czsl.compare.plan.Plan.describe` says it.

        Raises
        ------
        RunError
            Where the folder holds no comparison of ours.
        """
        path = self.folder / "comparison.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"{path}: cannot be read ({error}); name the folder of a comparison, which "
                "'czsl compare' writes"
            ) from error

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return list(self.plan["tasks"])

    @property
    def settings(self) -> list[str]:
        """Names of the settings, the base first."""
        return list(self.plan["settings"])

    @property
    def executions(self) -> int:
        """How often everything was to be done."""
        return int(self.plan["executions"])

    def arms(self, task: str) -> list[str]:
        """Give the names of a task's arms."""
        return list(self.plan["tasks"][task]["arms"])

    def classes(self, task: str) -> list[str]:
        """Give a task's classes, in the order of every probability."""
        return list(self.plan["tasks"][task]["classes"])

    def labels(self, task: str) -> Rows:
        """Give the experts' class of the objects that are scored, shape (object,)."""
        experts: Rows = np.load(self._folds(f"{task}-classes"))
        return experts[self._scored(task)]

    def folds(self, task: str, execution: int) -> Rows:
        """Give the fold of each scored object in an execution, from 1, shape (object,)."""
        numbers: Rows = np.load(self._folds(f"{task}-{execution}"))
        return numbers[self._scored(task)] + 1

    def cells(self, task: str, setting: str, arm: str) -> Iterator[tuple[CellName, dict[str, Any]]]:
        """Give the cells of an arm that have ended, well or not."""
        store = CellStore(self.folder)
        for execution in range(1, self.executions + 1):
            for fold in range(1, int(self.folds(task, execution).max()) + 1):
                name = CellName(execution, fold, task, setting, arm)
                content = store.read(name)
                if content is not None:
                    yield name, content

    def under_way(self, task: str, setting: str) -> bool:
        """Tell whether any cell of a task in a setting has not ended yet, well or not."""
        if not self._folds(f"{task}-{self.executions}").exists():
            return True
        ended = [len(list(self.cells(task, setting, arm))) for arm in self.arms(task)]
        executions = range(1, self.executions + 1)
        return min(ended) < sum(int(self.folds(task, one).max()) for one in executions)

    def posterior(self, task: str, setting: str, arm: str) -> Floats:
        """Put an arm's posteriors of all test folds together.

        Returns
        -------
        Array
            Shape (execution, object, class), objects as in :meth:`labels`; NaN where a cell
            is missing or failed, or has no posterior of an object.

        Raises
        ------
        RunError
            Where a cell's posterior is not of the objects of its fold.
        """
        shape = (self.executions, len(self.labels(task)), len(self.classes(task)))
        whole = np.full(shape, np.nan)
        for name, content in self.cells(task, setting, arm):
            if content["error"] is None:
                inside = self.folds(task, name.execution) == name.fold
                expected = (int(inside.sum()), shape[2])
                whole[name.execution - 1, inside] = self._cell_posterior(name, expected)
        return whole

    def _cell_posterior(self, name: CellName, shape: tuple[int, int]) -> Floats:
        """Read a cell's posterior; refuse one that is not of the objects of its fold."""
        store = CellStore(self.folder)
        posterior = store.posterior(name)
        if posterior is None or posterior.shape != shape:
            path = store.path(name)
            found = "no posterior" if posterior is None else f"a posterior of {posterior.shape}"
            raise RunError(
                f"{path.with_suffix('.npy')}: holds {found}, and the fold holds (object, class) "
                f"{shape}; the cell is of other folds or was damaged: delete {path} and go on with "
                "'czsl compare' and --resume, and it runs again"
            )
        return posterior

    def prior(self, task: str, setting: str, arm: str) -> Floats:
        """Give the shares of the classes among the experts' objects that a cell learned from.

        Returns
        -------
        Array
            Of the cell that judged each object, shape (execution, object, class); equal shares
            where it is missing or failed.
        """
        classes = len(self.classes(task))
        whole = np.full((self.executions, len(self.labels(task)), classes), 1 / classes)
        for name, content in self.cells(task, setting, arm):
            if content["error"] is None:
                inside = self.folds(task, name.execution) == name.fold
                whole[name.execution - 1, inside] = content["prior"]
        return whole

    def _folds(self, name: str) -> Path:
        return self.folder / "folds" / f"{name}.npy"

    def _scored(self, task: str) -> NDArray[np.bool_]:
        """Tell which objects of a task are scored: the same in every execution."""
        scored: NDArray[np.bool_] = np.load(self._folds(f"{task}-1")) >= 0
        return scored
