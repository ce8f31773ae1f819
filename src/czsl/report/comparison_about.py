"""Sections of a comparison's report: what was compared, what to beware of, how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from czsl.compare.about import compare_command
from czsl.compare.protocols import Protocol
from czsl.report.comparison_data import Compared
from czsl.report.page import Beside, Block, Cell, Code, Items, Section, Table, Text

FEW_OBJECTS = 20
WIDE = 0.1
MOST_FAILURES = 8

SETS = {
    "L": "experts' class is learned from",
    "A": "volunteers' votes are learned from",
    "U": "the image alone is learned from",
    "test": "nothing is learned from; scored",
}
"""The sets of a fold, and what becomes of their objects."""


def cautions(task: Compared) -> list[str]:
    """Say what a reader must beware of before believing a number.

    Parameters
    ----------
    task
        The task.
    """
    found = [*_few(task), *_once(task), *_in_file_order(task)]
    if wide := [arm for arm in task.arms if _width(task, arm) > WIDE]:
        names = "; ".join(task.name(arm) for arm in wide)
        if len(wide) == len(task.arms):
            names = "every arm"
        found.append(
            f"Too uncertain to conclude: the interval of the accuracy is wider than {WIDE:g} for "
            f"{names}. More executions or more experts' objects would narrow it."
        )
    return [*found, *_collapses(task), *_failed(task), *_judged_nothing(task)]


def compared(task: Compared) -> Section:
    """Say what was compared, and how."""
    failures = _failures(task)
    blocks: list[Block] = [
        Items(items=_protocol(task)),
        Beside(blocks=[_classes(task), *_sizes(task)]),
        Text(text="The arms, and the mean time that each took for a fold:"),
        Items(items=[_arm(task, arm) for arm in task.results.arms(task.task)]),
    ]
    if failures:
        blocks.append(
            Table(
                caption="Cells that failed",
                heads=("setting", "arm", "cells", "error"),
                rows=failures,
                folded=len(failures) > MOST_FAILURES,
            )
        )
    return Section(title="What was compared", blocks=blocks)


def settings(tasks: Sequence[Compared]) -> Section:
    """Show what it takes to do the same again."""
    plan, results = tasks[0].results.plan, tasks[0].results
    reference = tasks[0].reference
    command = compare_command(plan, "NEW_FOLDER", reference)
    made = [name for name, task in plan["tasks"].items() if not task.get("source")]
    blocks: list[Block] = [Code(caption="To compare the same again", text=command)]
    if made:
        blocks.append(
            Text(
                text=f"The configuration of {', '.join(made)} was made in Python; in the command "
                "CONFIG stands for a czsl.toml that says the same."
            )
        )
    where = [["folder", str(results.folder.resolve())], ["czsl", str(plan.get("version", ""))]]
    where += [[f"table of {name}", task["table"]] for name, task in plan["tasks"].items()]
    where += [[f"protocol: {name}", str(value)] for name, value in plan["protocol"].items()]
    lines = {
        f"{arm}: {json.dumps(settings, ensure_ascii=False)}": None
        for task in plan["tasks"].values()
        for arm, settings in task["arms"].items()
    }
    blocks += [
        Table(caption="Where and how", heads=("what", "value"), rows=where),
        Text(
            text="Beside this page: summary.csv (every score with its interval), differences.csv, "
            "steps.csv, cells.csv (every score of every fold), metrics.json and comparison.json."
        ),
        Code(caption="Every setting of every arm", text="\n".join(lines)),
    ]
    return Section(title="Settings", blocks=blocks)


def _protocol(task: Compared) -> list[str]:
    """Say the protocol in words."""
    results, protocol = task.results, task.protocol
    folds = int(max(results.folds(task.task, 1)))
    seed, executions = int(results.plan["seed"]), results.executions
    joined = "and" if executions == 2 else "to"
    several = f"the seeds {seed} {joined} {seed + executions - 1}"
    seeds = f"the seed {seed}" if executions == 1 else several
    times = "once" if executions == 1 else f"{executions} times"
    return [
        f"{len(task.labels):,} objects with an expert's class, in {folds} folds: each fold is "
        "judged by what learned from the others.",
        _tiers(protocol),
        f"Everything was done {times} (executions), with {seeds}.",
        f"{len(results.arms(task.task))} arms; classes {', '.join(task.classes)}.",
    ]


def _tiers(protocol: Protocol) -> str:
    """Say how labels were given out."""
    if protocol.name == "own":
        return (
            "Protocol own, tiers as the table has them: a fold learns from the experts' classes of "
            "the other folds (L), from the votes on all objects without experts' class (A) and "
            "from the images of all others (U)."
        )
    order = (
        "drawn anew by each execution and fold"
        if protocol.order == "redrawn"
        else "the first of the table, in every execution, as published"
    )
    return (
        f"Protocol czsl2023: of the training objects of a fold, {protocol.experts:.0%} give their "
        f"experts' class (L), {protocol.volunteers:.0%} their votes (A), and of the others only "
        f"the image is used (U). Which they are: {order}."
    )


def _classes(task: Compared) -> Table:
    """Count the scored objects of each class."""
    rows: list[list[Cell]] = [
        [name, int(count), float(count / max(len(task.labels), 1))]
        for name, count in zip(task.classes, task.counts, strict=True)
    ]
    return Table(
        caption="Scored objects of each class", heads=("class", "objects", "share"), rows=rows
    )


def _sizes(task: Compared) -> list[Table]:
    """Count the objects of each set."""
    sizes = task.sizes()
    rows: list[list[Cell]] = [
        [name, round(sizes[name]), words] for name, words in SETS.items() if name in sizes
    ]
    heads = ("set", "objects", "what they are for")
    return [Table(caption="Objects in a fold, mean", heads=heads, rows=rows)] if rows else []


def _arm(task: Compared, arm: str) -> str:
    """Say what an arm is and how long it took."""
    cells = task.cells(arm)
    if not cells:
        return f"{task.name(arm)}: {task.about(arm)}"
    seconds = float(np.mean([content["seconds"] for _, content in cells]))
    time = f"{seconds:.2f}" if seconds < 10 else f"{seconds:,.0f}"
    return f"{task.name(arm)}: {task.about(arm)} {time} s."


def _width(task: Compared, arm: str) -> float:
    """Give the width of the interval of an arm's accuracy."""
    value = task.value(arm)
    return value.high - value.low if value.bounded else 0.0


def _few(task: Compared) -> list[str]:
    """Name the classes of too few objects."""
    few = [
        f"{name} ({count})"
        for name, count in zip(task.classes, task.counts, strict=True)
        if count < FEW_OBJECTS
    ]
    if not few:
        return []
    return [
        f"Too few objects to conclude: fewer than {FEW_OBJECTS} scored objects of {', '.join(few)}."
    ]


def _once(task: Compared) -> list[str]:
    """Warn of a single execution."""
    if task.results.executions > 1:
        return []
    return [
        "There was one execution only: intervals say how much other objects would change a score, "
        "but nothing of another training, another choice of labels or another seed."
    ]


def _in_file_order(task: Compared) -> list[str]:
    """Warn of what the published order of objects does."""
    if task.protocol.name != "czsl2023" or task.protocol.order != "file":
        return []
    alike = task.protocol.folds_alike(task.results.folds(task.task, 1) - 1)
    found = [
        "Objects are taken in the table's order, as published, in every execution: executions "
        "differ in the training alone, and intervals leave out the choice of L and A."
    ]
    if alike:
        names = f"{', '.join(map(str, alike[:-1]))} and {alike[-1]}"
        found.append(
            f"The folds {names} learn from nearly the same labelled objects (L and A), so that the "
            "spread between folds, and p and the probabilities that rest on it, mislead."
        )
    found.append("U as published contains A, the objects whose votes were learned from.")
    return found


def _collapses(task: Compared) -> list[str]:
    """Count transfers that collapsed."""
    counted = []
    for arm in task.arms:
        good = _good(task, arm)
        collapsed = sum(content["collapsed"] for content in good)
        if collapsed:
            counted.append(f"{task.name(arm)} in {collapsed} of {len(good)} cells")
    if not counted:
        return []
    return [
        f"A transfer collapsed, it gives a class or more to no object: {'; '.join(counted)}. These "
        "cells are counted in all scores; summary.csv has the scores without them too."
    ]


def _failed(task: Compared) -> list[str]:
    """Count the cells that failed."""
    cells = list(task.every_cell())
    failed = sum(content["error"] is not None for _, content in cells)
    if not failed:
        return []
    silent = [arm for arm in _without_score(task) if not _good(task, arm)]
    nothing = (
        f" {'; '.join(map(task.name, silent))} failed in all, and has no score." if silent else ""
    )
    return [
        f"{failed} of {len(cells)} cells failed (a cell is an arm on a fold of an execution in one "
        "setting). Their objects are left out of the scores of that arm; errors stand below."
        f"{nothing}"
    ]


def _judged_nothing(task: Compared) -> list[str]:
    """Name the arms that ended well and have no score all the same."""
    names = [task.name(arm) for arm in _without_score(task) if _good(task, arm)]
    if not names:
        return []
    return [
        f"{'; '.join(names)} judged no object of the test folds, and has no score: arms of votes "
        "judge objects that have votes, arms of images those whose image can be used."
    ]


def _without_score(task: Compared) -> list[str]:
    """Name the arms that have no score on the test folds."""
    return [arm for arm in task.results.arms(task.task) if arm not in task.arms]


def _good(task: Compared, arm: str) -> list[dict[str, Any]]:
    """Give what the cells of an arm say that ended well."""
    return [content for _, content in task.cells(arm) if content["error"] is None]


def _failures(task: Compared) -> list[list[Cell]]:
    """List the errors, equal ones together."""
    found: dict[tuple[str, str, str], int] = {}
    for name, content in task.every_cell():
        if content["error"] is not None:
            error = _last_line(content)
            place = (name.setting, task.name(name.arm), error)
            found[place] = found.get(place, 0) + 1
    return [[setting, arm, count, error] for (setting, arm, error), count in found.items()]


def _last_line(content: dict[str, Any]) -> str:
    """Give the last line of an error."""
    return str(content["error"]).strip().splitlines()[-1]
