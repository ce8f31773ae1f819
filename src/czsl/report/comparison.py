"""The report of a comparison: who reaches what, who is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from czsl.errors import RunError
from czsl.report.comparison_about import cautions, compared, settings
from czsl.report.comparison_data import Compared, read_comparison
from czsl.report.comparison_judged import calibration, confusions, rare_classes
from czsl.report.comparison_scores import arms, differences, known, ladder, result
from czsl.report.comparison_sweeps import sweeps
from czsl.report.page import Block, Cell, Section, Table, Text, require_report, write_page

PAGE = "report.html"


def write_comparison_report(folder: str | Path) -> Path:
    """Write the report of a comparison into its folder.

    Parameters
    ----------
    folder
        The folder that 'czsl compare' wrote.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    MissingExtraError
        Where Jinja2 or matplotlib is not installed.
    RunError
        Where the folder holds no comparison, one that was not summed up, or one in which no
        arm of any task has a score.
    WriteError
        Where the page cannot be written.
    """
    tasks = read_comparison(Path(folder))
    _refuse_without_scores(tasks)
    require_report()
    path = Path(folder) / PAGE
    names = ", ".join(task.task for task in tasks)
    write_page(
        path,
        title=f"Comparison on {names}",
        lead=_lead(tasks),
        sections=comparison_sections(tasks),
    )
    return path


def comparison_sections(tasks: Sequence[Compared]) -> list[Section]:
    """Make the sections of a comparison's page; those with nothing to show are left out.

    Parameters
    ----------
    tasks
        The tasks of one comparison, one at least of which has an arm with a score.
    """
    scored = [task for task in tasks if task.arms]
    if len(tasks) == 1:
        return [*_sections(scored[0]), settings(tasks)]
    grouped = [
        replace(section, group=task.task)
        for task in tasks
        for section in (_sections(task) if task.arms else _without_scores(task))
    ]
    return [_overview(scored), *grouped, settings(tasks)]


def _refuse_without_scores(tasks: Sequence[Compared]) -> None:
    """Refuse a comparison in which no arm of any task has a score."""
    if not any(task.arms for task in tasks):
        raise RunError(
            f"{tasks[0].results.folder}: no arm has a score, every cell failed or judged no object "
            "of its test fold; cells.csv has the errors"
        )


def _sections(task: Compared) -> list[Section]:
    """Make the sections of one task."""
    warnings: list[Block] = [Text(text=text, warning=True) for text in cautions(task)]
    made = [
        Section(title="Result", blocks=[*result(task), *warnings]),
        compared(task),
        arms(task),
        differences(task),
        ladder(task),
        sweeps(task),
        rare_classes(task),
        confusions(task),
        calibration(task),
    ]
    return [section for section in made if section is not None]


def _without_scores(task: Compared) -> list[Section]:
    """Make the sections of a task in which no arm has a score: why, and what was compared."""
    warnings = [Text(text=text, warning=True) for text in cautions(task)]
    return [
        Section(title="Result", blocks=[Text(text="No arm has a score."), *warnings]),
        compared(task),
    ]


def _overview(tasks: Sequence[Compared]) -> Section:
    """Show the best of each task."""
    rows: list[list[Cell]] = []
    for task in tasks:
        value = task.value(task.best)
        limits = [known(value.low), known(value.high)]
        majority = task.value("majority").mean
        rows.append(
            [
                task.task,
                len(task.labels),
                task.name(task.best),
                value.mean,
                *limits,
                known(majority),
            ]
        )
    heads = ("task", "objects", "highest accuracy", "accuracy", "95% from", "95% to", "majority")
    caption = "The arm of the highest accuracy in each task, ceilings left out"
    table = Table(caption=caption, heads=heads, rows=rows)
    return Section(title="In short", blocks=[table])


def _lead(tasks: Sequence[Compared]) -> list[str]:
    """Say in a line or two what this is."""
    results = tasks[0].results
    arms_of_all = {arm for task in tasks for arm in results.arms(task.task)}
    times = "once" if results.executions == 1 else f"{results.executions} times"
    protocol = tasks[0].protocol
    return [
        f"{len(arms_of_all)} arms on {len(tasks)} task{'s' if len(tasks) > 1 else ''}, "
        f"protocol {protocol.name}, everything done {times}.",
        "An arm is one way to learn from experts, volunteers and images; all arms are scored on "
        "the same experts' objects, each by what never saw it.",
    ]
