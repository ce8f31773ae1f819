"""What a comparison is to do: tasks, arms, settings, executions, folds; and where it is kept."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from czsl import __version__
from czsl.compare.about import about_arm, arm_stages
from czsl.compare.arms import Probe, select_arms
from czsl.compare.cell import Arm, Arms
from czsl.compare.protocols import Protocol
from czsl.compare.sweeps import Setting
from czsl.config import Config
from czsl.errors import RunError
from czsl.files import replacing, write_json
from czsl.model import Hardware


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One question that arms compete on: a configuration and its arms.

    Parameters
    ----------
    name
        What tables call it.
    config
        The table, the images, the classes.
    arms
        By name, in the order of the tables.
    source
        The file or folder that it was read from, which repeats it; None if made in Python.
    """

    name: str
    config: Config
    arms: Arms
    source: Path | None = None

    @classmethod
    def of(
        cls, config: Config, name: str = "", *, arms: tuple[str, ...] = (), more: Arms | None = None
    ) -> Task:
        """Make a task of a configuration.

        Parameters
        ----------
        config
            The configuration.
        name
            By default the name of its table.
        arms
            Names of arms and groups of them; by default those of ``[compare]``.
        more
            Arms of your own, by name.

        Raises
        ------
        ArgumentError
            Where there is no such arm.
        """
        chosen = select_arms(config, arms or config.compare.arms)
        return cls(
            name=name or Path(config.catalogue.table).stem,
            config=config,
            arms={**chosen, **(more or {})},
        )


@dataclass(frozen=True, order=True)
class CellName:
    """Which cell: execution and fold count from 1."""

    execution: int
    fold: int
    task: str
    setting: str
    arm: str

    def __str__(self) -> str:
        return f"{self.task}, {self.setting}, {self.arm}, {self.execution}.{self.fold}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Everything that a comparison is to do.

    Parameters
    ----------
    folder
        The comparison's own.
    tasks
        What arms compete on.
    protocol
        How folds and tiers are made.
    settings
        Points of sweeps, the base among them.
    executions
        How often everything is done, each time with a seed of its own.
    seed
        Of the first execution; the others count on from it.
    hardware
        Device, and threads of one cell.
    """

    folder: Path
    tasks: tuple[Task, ...]
    protocol: Protocol
    settings: tuple[Setting, ...]
    executions: int
    seed: int
    hardware: Hardware

    def task(self, name: str) -> Task:
        """Find a task by its name."""
        return next(task for task in self.tasks if task.name == name)

    def cells(self, folds: dict[str, int]) -> Iterator[CellName]:
        """List the cells in the order in which they run.

        Executions are outermost, so that what is there early is whole. A process that needs
        a stage which another is making waits for it; so the first fold of an arm with an
        autoencoder, the longest of stages, starts before everything else, the other arms
        come then, each first in one fold, and the other cells with an autoencoder last.

        Parameters
        ----------
        folds
            Number of folds of each task.
        """
        for execution in range(1, self.executions + 1):
            names = [
                CellName(execution, fold, task.name, setting.name, arm)
                for task in self.tasks
                for setting in self.settings
                for arm in task.arms
                for fold in range(1, folds[task.name] + 1)
            ]
            slow = [name for name in names if self._has_autoencoder(name)]
            quick = [name for name in names if name not in set(slow)]
            first = [name for name in quick if name.fold == 1]
            yield from slow[:1]
            yield from first
            yield from (name for name in quick if name.fold > 1)
            yield from slow[1:]

    def _has_autoencoder(self, name: CellName) -> bool:
        arm = self.task(name.task).arms[name.arm]
        return isinstance(arm, Probe) or "reconstruct" in arm_stages(arm)

    def describe(self) -> dict[str, Any]:
        """Say the plan in JSON."""
        return {
            "tasks": {
                task.name: {
                    "table": str(task.config.table),
                    "classes": list(task.config.classes.names),
                    "source": None if task.source is None else str(task.source),
                    "arms": {name: arm_settings(arm) for name, arm in task.arms.items()},
                    "about": {name: about_arm(arm) for name, arm in task.arms.items()},
                    "stages": {name: arm_stages(arm) for name, arm in task.arms.items()},
                }
                for task in self.tasks
            },
            "protocol": self.protocol.model_dump(mode="json"),
            "settings": [setting.name for setting in self.settings],
            "executions": self.executions,
            "seed": self.seed,
            "version": __version__,
        }

    def with_threads(self, threads: int) -> Plan:
        """Give each cell so many threads."""
        return replace(self, hardware=replace(self.hardware, threads=threads))


def arm_settings(arm: Arm) -> dict[str, Any]:
    """Give the kind and the settings of an arm, ready for JSON; of a plain function its name.

    Examples
    --------
    >>> from czsl.compare.arms import Majority
    >>> arm_settings(Majority())
    {'kind': 'Majority', 'settings': {'debiased': []}}
    """
    if not is_dataclass(arm):
        return {"kind": describe_arm(arm), "settings": {}}
    values = {one.name: getattr(arm, one.name) for one in fields(arm)}
    return {
        "kind": type(arm).__name__,
        "settings": {
            name: value.model_dump(mode="json")
            if isinstance(value, BaseModel)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        },
    }


def describe_arm(arm: Arm) -> str:
    """Say all settings of an arm in a line; of a plain function its name.

    Examples
    --------
    >>> from czsl.compare.arms import Majority
    >>> describe_arm(Majority())
    'Majority(debiased=())'
    """
    name = getattr(arm, "__qualname__", None)
    if name is None:
        return repr(arm)
    # In the processes that a script starts, its own functions are of another module.
    module = "__main__" if arm.__module__ == "__mp_main__" else arm.__module__
    return f"{module}.{name}"


def identify_arm(arm: Arm) -> str:
    """Say what an arm's result depends on: all settings, or the name and code of a function."""
    described = describe_arm(arm)
    if not inspect.isfunction(arm):
        return described
    try:
        return described + inspect.getsource(arm)
    except OSError:  # typed at a prompt
        return described


@dataclass(frozen=True)
class CellStore:
    """The results of cells on disk, each whole or not there.

    Parameters
    ----------
    folder
        Of the comparison.
    """

    folder: Path

    def path(self, name: CellName) -> Path:
        """Where a cell's scores are; its posterior lies beside."""
        place = self.folder / "cells" / name.task / name.setting / name.arm
        return place / f"{name.execution}-{name.fold}.json"

    def write(
        self, name: CellName, content: dict[str, Any], posterior: NDArray[np.float64] | None
    ) -> None:
        """Keep what a cell gave: first the posterior, then the scores, which say it is there.

        Raises
        ------
        WriteError
            Where a file cannot be written.
        """
        path = self.path(name)
        if posterior is not None:
            with replacing(path.with_suffix(".npy")) as temporary, temporary.open("wb") as file:
                np.save(file, posterior.astype(np.float32), allow_pickle=False)
        write_json(path, content)

    def read(self, name: CellName) -> dict[str, Any] | None:
        """Give a cell's scores, or None where it has not ended.

        Raises
        ------
        RunError
            Where the file is not whole or not ours.
        """
        path = self.path(name)
        if not path.exists():
            return None
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"{path}: is not whole or not ours ({error}); delete it, and the cell runs again"
            ) from error

    def posterior(self, name: CellName) -> NDArray[np.float64] | None:
        """Give a cell's posterior of its test objects, (object, class); None where it failed."""
        path = self.path(name).with_suffix(".npy")
        return np.load(path, allow_pickle=False).astype(np.float64) if path.exists() else None

    def ended(self, name: CellName, key: str) -> bool:
        """Tell whether a cell has ended well, with the same inputs."""
        content = self.read(name)
        return content is not None and content["key"] == key and content["error"] is None
