"""Run the cells of a comparison: in this process or several, each kept as it ends."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from czsl.catalogue import Catalogue
from czsl.compare.arms import COLLAPSED, judges_images
from czsl.compare.cell import Cell
from czsl.compare.measures import prepare, rarest
from czsl.compare.plan import CellName, CellStore, Plan, Task, identify_arm
from czsl.compare.sweeps import Setting, apply_setting
from czsl.errors import CzslError, RunError
from czsl.files import fingerprint, replacing, write_json
from czsl.imaging import open_images
from czsl.machine import cores, prepare_process
from czsl.stages.sets import coverage_by_class
from czsl.train.progress import Reporter, silent

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How far a comparison is.

    Attributes
    ----------
    done, total
        Cells that have ended, and all.
    seconds_left
        At the speed so far; None before the first has ended.
    failed
        Cells that failed.
    last
        The cell that ended last.
    error
        Why it failed, or None.
    """

    done: int
    total: int
    seconds_left: float | None
    failed: int
    last: CellName | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A cell that has ended."""

    name: CellName
    error: str | None


@dataclass(eq=False)
class Bench:
    """Runs cells of a plan; keeps the catalogues that it has read.

    Parameters
    ----------
    plan
        What to do.
    report
        Listener of the training's progress.
    """

    plan: Plan
    report: Reporter = silent
    catalogues: dict[str, Catalogue] = field(default_factory=dict)
    numbers: dict[tuple[str, int], NDArray[np.int64]] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)

    def catalogue(self, task: Task) -> Catalogue:
        """Read a task's catalogue, once."""
        if task.name not in self.catalogues:
            catalogue = Catalogue.read(task.config)
            self.catalogues[task.name] = catalogue
            self.contents[task.name] = _content(catalogue)
        return self.catalogues[task.name]

    def fold_numbers(self, task: Task, execution: int) -> NDArray[np.int64]:
        """Give the fold of each object in an execution, from 0; -1 for those never scored."""
        place = (task.name, execution)
        if place not in self.numbers:
            seed = self.seed(execution)
            self.numbers[place] = self.plan.protocol.fold_numbers(self.catalogue(task), seed)
        return self.numbers[place]

    def seed(self, execution: int) -> int:
        """Give the seed of an execution."""
        return self.plan.seed + execution - 1

    def key(self, name: CellName) -> str:
        """Hash what a cell's result depends on, besides the pixels of the images."""
        task = self.plan.task(name.task)
        self.catalogue(task)
        return fingerprint(
            task.config.model_dump(mode="json", exclude={"arms", "recipe", "compare"}),
            identify_arm(task.arms[name.arm]),
            self.plan.protocol.model_dump(mode="json"),
            [name.setting, self.seed(name.execution), name.fold, self.contents[name.task]],
        )

    def cell(self, name: CellName) -> Cell:
        """Make what the arm of a cell is given."""
        task, seed = self.plan.task(name.task), self.seed(name.execution)
        catalogue = self.catalogue(task)
        numbers = self.fold_numbers(task, name.execution)
        split = self.plan.protocol.split(catalogue, numbers, name.fold - 1, seed)
        catalogue, split = apply_setting(Setting.named(name.setting), catalogue, split, seed)
        return Cell(
            truth=catalogue,
            split=split,
            seed=seed,
            fold=name.fold,
            stages=self.plan.folder / "stages",
            hardware=self.plan.hardware,
            report=self.report,
        )

    def run(self, name: CellName) -> Ended:
        """Run a cell and keep what it gave, or why it failed."""
        store, start = CellStore(self.plan.folder), time.perf_counter()
        content: dict[str, Any] = {"key": self.key(name), "error": None}
        posterior = None
        try:
            cell = self.cell(name)
            given = np.asarray(self.plan.task(name.task).arms[name.arm](cell), float)
            posterior = given[np.isin(cell.scored, cell.split.test)]
            content |= {"notes": list(dict.fromkeys(cell.notes)), **_scores(cell, given)}
        except CzslError as error:
            content["error"] = str(error)
        # An arm may be a user's own and fail in any way: that is told of, and the others go on.
        except Exception:
            content["error"] = traceback.format_exc()
        content["seconds"] = round(time.perf_counter() - start, 3)
        store.write(name, content, posterior)
        return Ended(name=name, error=content["error"])


def run_plan(
    plan: Plan,
    *,
    resume: bool = False,
    jobs: int = 1,
    decoded: Callable[[int, int], None] | None = None,
    report: Reporter = silent,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Path:
    """Run the cells of a plan that have not ended yet.

    Parameters
    ----------
    plan
        What to do.
    resume
        Whether the folder may hold a comparison: cells that have ended with the same
        inputs are not run again.
    jobs
        Processes that run cells; they share the threads.
    decoded
        Listener of the decoding's progress.
    report
        Listener of the training's progress; not heard with several processes.
    told
        Called when a cell has ended.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RunError
        Where the folder holds a comparison and ``resume`` is false, or a process died.
    CatalogueError, ConfigError, ImageError
        Where a task cannot be used; before any cell runs.
    """
    record = plan.folder / "comparison.json"
    if record.exists() and not resume:
        raise RunError(
            f"{plan.folder}: holds a comparison already; go on with it by --resume, or choose "
            "another folder by --out"
        )
    threads = plan.hardware.threads or cores()
    plan = plan.with_threads(max(1, threads // jobs))
    bench = Bench(plan, report)
    names = _prepare(bench, decoded, threads)
    write_json(record, plan.describe())
    store = CellStore(plan.folder)
    left = [name for name in names if not store.ended(name, bench.key(name))]
    ended = _here(bench, left) if jobs == 1 else _elsewhere(plan, left, jobs)
    done, failed, start = len(names) - len(left), 0, time.perf_counter()
    told(Tally(done=done, total=len(names), seconds_left=None, failed=0))
    for count, one in enumerate(ended, 1):
        failed += one.error is not None
        speed = (time.perf_counter() - start) / count
        told(
            Tally(
                done=done + count,
                total=len(names),
                seconds_left=speed * (len(left) - count),
                failed=failed,
                last=one.name,
                error=one.error,
            )
        )
    return plan.folder


def _prepare(
    bench: Bench, decoded: Callable[[int, int], None] | None, threads: int
) -> list[CellName]:
    """Read every catalogue, decode the images that arms need, keep folds and classes."""
    plan, folds = bench.plan, {}
    for task in plan.tasks:
        catalogue = bench.catalogue(task)
        if any(judges_images(arm) for arm in task.arms.values()):
            open_images(catalogue, processes=threads, progress=decoded)
        _keep(plan.folder / "folds" / f"{task.name}-classes.npy", catalogue.experts)
        for execution in range(1, plan.executions + 1):
            numbers = bench.fold_numbers(task, execution)
            _keep(plan.folder / "folds" / f"{task.name}-{execution}.npy", numbers)
            folds[task.name] = int(numbers.max()) + 1
    return list(plan.cells(folds))


def _keep(path: Path, array: NDArray[np.int64]) -> None:
    """Write an array, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _here(bench: Bench, names: list[CellName]) -> Iterator[Ended]:
    """Run cells in this process."""
    for name in names:
        yield bench.run(name)


_bench: Bench | None = None


def _start_worker(plan: Plan) -> None:
    """Give a process its plan and its share of the threads."""
    global _bench  # noqa: PLW0603 (a worker process has one plan for all its life)
    Thread(target=_end_with_parent, daemon=True).start()
    prepare_process()
    threadpool_limits(plan.hardware.threads)
    _bench = Bench(plan)


def _end_with_parent() -> None:
    """End this process once the one that started it is gone: who is killed says no word."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _run(name: CellName) -> Ended:
    """Run a cell in a worker process."""
    assert _bench is not None  # set by _start_worker
    return _bench.run(name)


def _elsewhere(plan: Plan, names: list[CellName], jobs: int) -> Iterator[Ended]:
    """Run cells in several processes, in the order in which they end."""
    # Spawned, not forked: torch may have threads. What they inherit is read at their start.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(plan.hardware.threads)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start_worker, initargs=(plan,)
    )
    try:
        for future in as_completed([pool.submit(_run, name) for name in names]):
            yield future.result()
    except BrokenProcessPool as error:
        raise RunError(
            f"{plan.folder}: a process that ran cells died, perhaps for want of memory; go on "
            "with --resume and fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _scores(cell: Cell, posterior: Floats) -> dict[str, Any]:
    """Score every set of a cell, ready for JSON."""
    rare = rarest(cell.truth.experts[cell.scored])
    found = {}
    for name, rows in cell.split.sets().items():
        inside = np.isin(cell.scored, rows)
        if inside.any():
            labels = cell.truth.experts[cell.scored[inside]]
            values = prepare(posterior[inside], labels, cell.prior, rare=rare).values()
            found[name] = {n: v if np.isfinite(v) else None for n, v in values.items()}
    inside = np.isin(cell.scored, cell.split.test)
    sets = None if cell.sets is None else cell.sets[inside]
    labels = cell.truth.experts[cell.scored[inside]]
    covered = [] if sets is None else coverage_by_class(sets, labels, len(cell.truth.classes))
    sizes = {name: len(rows) for name, rows in cell.split.sets().items()}
    return {
        "scores": found,
        "prior": cell.prior.tolist(),
        "rare": rare,
        "sizes": sizes,
        "coverage": covered,
        "collapsed": any(COLLAPSED in note for note in cell.notes),
    }


def _content(catalogue: Catalogue) -> str:
    """Hash what a catalogue says of its objects."""
    votes = [np.nan_to_num(question.fractions, nan=-1) for question in catalogue.questions]
    totals = [np.nan_to_num(question.total, nan=-1) for question in catalogue.questions]
    parts = [catalogue.experts, np.nan_to_num(catalogue.extra, nan=-1), *votes, *totals]
    if catalogue.folds is not None:
        parts.append(catalogue.folds[catalogue.is_expert])
    ids = "\n".join(catalogue.ids.tolist()).encode()
    return fingerprint(ids, *(np.ascontiguousarray(part).tobytes() for part in parts))
