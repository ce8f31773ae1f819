"""Compare arms on tasks: the one call behind ``czsl compare``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from czsl.compare.plan import Plan, Task
from czsl.compare.protocols import Protocol
from czsl.compare.results import Results
from czsl.compare.runner import Tally, run_plan
from czsl.compare.summary import summarise
from czsl.compare.sweeps import Setting, read_sweep
from czsl.compare.tasks import published_tables, published_tasks
from czsl.config import read_config
from czsl.errors import ArgumentError, check_seed
from czsl.model import Hardware
from czsl.train.progress import Reporter, silent


def compare(
    tasks: Sequence[Task],
    folder: str | Path,
    *,
    protocol: Protocol | None = None,
    sweeps: Sequence[str] = (),
    executions: int = 1,
    reference: str | None = None,
    jobs: int = 1,
    seed: int = 0,
    hardware: Hardware | None = None,
    resume: bool = False,
    decoded: Callable[[int, int], None] | None = None,
    report: Reporter = silent,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Results:
    """Run every arm on every fold of every execution, and sum up.

    Parameters
    ----------
    tasks
        What arms compete on.
    folder
        Of the comparison; see :mod:`czsl.compare.summary` for its tables.
    protocol
        How folds and tiers are made; by default the tiers as they are.
    sweeps
        As :func:`czsl.compare.sweeps.read_sweep` reads them.
    executions
        How often everything is done, each time with a seed of its own.
    reference
        The arm that others are compared with.
    jobs
        Processes that run cells; threads are divided among them.
    seed
        Of the first execution.
    hardware
        Device and threads.
    resume
        Go on with the comparison in the folder; arms and sweeps may be added.
    decoded, report, told
        Listeners of the decoding, of the training, of the cells.

    Returns
    -------
    Results
        What was found; also on disk.

    Raises
    ------
    ArgumentError
        Where a sweep, the reference, the seed or the tasks cannot be used.
    RunError
        Where the folder holds a comparison and ``resume`` is false.
    CzslError
        Where a table or the images as a whole cannot be used. An arm that fails is
        reported, and the others go on.
    """
    _check(tasks, reference)
    check_seed(seed)
    settings = {Setting(): None}
    for sweep in sweeps:
        settings |= dict.fromkeys(read_sweep(sweep))
    plan = Plan(
        folder=Path(folder),
        tasks=tuple(tasks),
        protocol=protocol or Protocol(),
        settings=tuple(settings),
        executions=executions,
        seed=seed,
        hardware=hardware or Hardware(),
    )
    run_plan(plan, resume=resume, jobs=jobs, decoded=decoded, report=report, told=told)
    return summarise(plan.folder, reference=reference)


def read_tasks(paths: Sequence[Path], arms: tuple[str, ...] = ()) -> list[Task]:
    """Read the tasks of configuration files, or those of the published tables.

    A task is called as its file, or where that is ``czsl.toml`` as its table.

    Parameters
    ----------
    paths
        Configuration files, or folders of a ``czsl.toml`` or of the published tables.
    arms
        Names of arms and groups; by default those of each ``[compare]``.

    Raises
    ------
    ConfigError
        Where a configuration cannot be used.
    ArgumentError
        Where there is no such arm.
    """
    tasks: list[Task] = []
    for path in paths:
        if published_tables(path):
            found = published_tasks(path, arms)
        else:
            name = path.stem if path.suffix and path.name != "czsl.toml" else ""
            found = [Task.of(read_config(path), name, arms=arms)]
        tasks += [replace(task, source=path.resolve()) for task in found]
    return tasks


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read what ``metrics.json`` of a comparison says."""
    return dict(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def _check(tasks: Sequence[Task], reference: str | None) -> None:
    """Refuse tasks of one name or without arms, and a reference that is not among the arms."""
    names = [task.name for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ArgumentError(
            f"tasks: {', '.join(map(repr, twice)) or 'there are none'}; give each task a name "
            "of its own, which is that of its file"
        )
    bare = [task.name for task in tasks if not task.arms]
    if bare:
        raise ArgumentError(
            f"tasks: {', '.join(map(repr, bare))} without any arm; give each task one at least"
        )
    arms = {arm for task in tasks for arm in task.arms}
    if reference is not None and reference not in arms:
        raise ArgumentError(
            f"reference {reference!r}: is not among the arms {', '.join(sorted(arms))}"
        )
