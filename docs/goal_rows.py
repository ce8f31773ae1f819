"""Rows of figures to reach: errors, fewer experts, the better source; which of them are new."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from kept import Row, day, grouped, renewed

from czsl.compare.contest import Contest, Drawn
from czsl.compare.results import Results
from czsl.compare.statistics import Draws, Interval, two_level_bootstrap, verdict
from czsl.compare.sweeps import BASE
from czsl.scores import known_rows, wilson_interval

DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A figure to reach, and what of it is on disk.

    Parameters
    ----------
    blank
        Its row where it was never measured.
    found
        Its rows as measured, one or more; none where the comparison is not on disk.
    """

    blank: Row
    found: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A task of a comparison, what the page calls it, and the command that makes it."""

    folder: str
    task: str
    on: str
    command: str

    def contest(self, runs: Path, setting: str = BASE) -> Contest | None:
        """Open it; None where it is not on disk."""
        return open_contest(runs / self.folder, self.task, setting)

    def aim(self, measure: str, goal: str, found: Mapping[str, Row], *of: Path) -> Aim:
        """Put a goal together with what was found, by the words of each row.

        ``of`` are the folders of the comparisons that it was found in.
        """
        blank = blank_row(self.on, measure, goal, self.command)
        return measured(blank, found, *of)


def blank_row(on: str, measure: str, goal: str, command: str) -> Row:
    """Write the row of what was never measured."""
    nothing: Row = {"value": None, "low": None, "high": None, "seeds": []}
    row = {"on": on, "measure": measure, "goal": goal, **nothing}
    return row | {"command": command, "measured": None, "met": None}


def measured(blank: Row, found: Mapping[str, Row], *of: Path) -> Aim:
    """Fill the row of a goal with what was found, once for each measure's words."""
    rows = (
        blank | {"measure": told, **values, "measured": day(*of)} for told, values in found.items()
    )
    return Aim(blank=blank, found=tuple(row | {"met": met(row)} for row in rows))


GOAL = re.compile(
    r"(?P<kind>|at most |at least |not below )(?P<low>[\d.]+)(?: to (?P<high>[\d.]+))?"
)
"""The words of a goal; a number alone is the least that reaches it."""


def met(row: Row) -> bool | None:
    """Tell whether the figure of a row, not its interval, reaches the goal; None where none can.

    >>> row = {"value": 0.9, "measured": "2026-11-28"}
    >>> [met(row | {"goal": goal}) for goal in (".9", "at most .02", ".88 to .92", "")]
    [True, False, True, None]
    """
    if row["measured"] is None or not row["goal"]:
        return None
    if row["value"] is None:  # what was tried is not enough
        return False
    goal = GOAL.fullmatch(row["goal"])
    if goal is None:
        raise ValueError(f"the goal {row['goal']!r} is spelled in no known way")
    if goal["kind"] == "at most ":
        return bool(row["value"] <= float(goal["low"]))
    return bool(float(goal["low"]) <= row["value"] <= float(goal["high"] or "inf"))


DETAIL = re.compile(
    r"(?<=the better source) \((?:image|votes)\)"
    r"|(?<=less that of czsl2023 with )(?:all|\d+)$"
    r"|, (?:each )?class.*$"
)
"""What the words of a measure tell of the outcome."""


def key(row: Row) -> tuple[str, str]:
    """Say which goal a row belongs to, whatever came out.

    >>> key({"on": "a survey", "measure": "fused less the better source (image), accuracy"})
    ('a survey', 'fused less the better source, accuracy')
    """
    return row["on"], DETAIL.sub("", row["measure"])


def renewed_rows(aims: Iterable[Aim], old: Iterable[Row]) -> list[Row]:
    """Give the rows of every goal: as on disk, else as they were, else blank.

    A row that is kept takes its goal and its command from here, which may have changed, and so
    may have whether the goal is met.
    """
    known = {key(aim.blank): aim for aim in aims}
    new = {name: list(aim.found) for name, aim in known.items() if aim.found}
    found = renewed(
        known, {name: [aim.blank] for name, aim in known.items()} | grouped(old, key), new
    )
    current = (
        row | {name: known[place].blank[name] for name in ("goal", "command")}
        for place, rows in found.items()
        for row in rows
    )
    return [row | {"met": met(row)} for row in current]


def open_contest(folder: Path, task: str, setting: str = BASE) -> Contest | None:
    """Open a task of a comparison in one setting; None where it is not there, or under way."""
    if not (folder / "comparison.json").exists():
        return None
    results = Results(folder)
    known = task in results.tasks and setting in results.settings
    known = known and not results.under_way(task, setting)
    return Contest(results, task, setting, DRAWS) if known else None


def judged(contest: Contest, *arms: str) -> bool:
    """Tell whether all of these arms judged every object."""
    return all(
        arm in contest.posteriors and known_rows(contest.posteriors[arm]).all() for arm in arms
    )


def values_of(found: Interval) -> dict[str, Any]:
    """Give a mean with its interval, as a row has it."""
    seeds = list(range(found.executions))
    return {"value": found.mean, "low": found.low, "high": found.high, "seeds": seeds}


def interval(drawn: Drawn, measure: str, draws: Draws) -> dict[str, Any]:
    """Give the mean of a measure with its interval, as a row has it."""
    return values_of(drawn.interval(measure, draws))


def gained(found: Interval) -> Row:
    """Give a difference with its interval and verdict; nothing where it is not defined.

    The verdict is that of the unrounded limits, which those of a page may not tell.
    """
    if not all(map(isfinite, (found.mean, found.low, found.high))):
        return {}
    limits = {"value": found.mean, "low": found.low, "high": found.high}
    return limits | {"verdict": verdict(found.low, found.high), "executions": found.executions}


def errors_ratio(place: Place, runs: Path, arm: str, other: str, goal: str) -> Aim:
    """Divide the errors of an arm by those of another, on the same objects."""
    measure, contest = f"errors of {arm} over errors of {other}", place.contest(runs)
    if contest is None or not judged(contest, arm, other):
        return place.aim(measure, goal, {})
    mine, theirs = contest.measured[arm], contest.measured[other]
    found = two_level_bootstrap(
        (1 - mine.values["accuracy"]) / (1 - theirs.values["accuracy"]),
        (1 - mine.drawn["accuracy"]) / (1 - theirs.drawn["accuracy"]),
        contest.bootstrap,
    )
    return place.aim(measure, goal, {measure: values_of(found)}, runs / place.folder)


def fewer_experts(place: Place, runs: Path, fewer: int, base: Place) -> Iterator[Aim]:
    """Give the share of the experts that the default needs to do as well as czsl2023 with all.

    Only one smaller number was tried: the share is that, or nothing where it is not enough.
    """
    share = (
        "share of the experts that default needs for the accuracy of czsl2023 with all, or fewer"
    )
    less = f"accuracy of default with {fewer} experts less that of czsl2023 with"
    contest, whole = place.contest(runs, f"experts={fewer}"), base.contest(runs)
    if (
        contest is None
        or whole is None
        or not (judged(contest, "default") and judged(whole, "czsl2023"))
    ):
        yield place.aim(share, "at most .1", {})
        yield place.aim(f"{less} all", "at least 0", {})
        return
    drawn = contest.measured["default"].less(whole.measured["czsl2023"])
    gained = interval(drawn, "accuracy", whole.bootstrap)
    sizes = [cell["sizes"]["L"] for _, cell in whole.results.cells(base.task, BASE, "czsl2023")]
    every = min(sizes)
    enough = fewer / every if gained["value"] >= 0 else None
    of = (runs / place.folder, runs / base.folder)
    yield place.aim(share, "at most .1", {share: {"value": enough, "seeds": gained["seeds"]}}, *of)
    yield place.aim(f"{less} all", "at least 0", {f"{less} {every}": gained}, *of)


def against_the_better(place: Place, runs: Path, votes_arm: str, setting: str) -> Iterator[Aim]:
    """Take the fused posterior less the likelier of image and votes alone."""
    contest = place.contest(runs, setting)
    where = "" if setting == BASE else f", {setting}"
    measures = {"accuracy": "accuracy", "log_likelihood": "ln L"}
    if contest is None or not judged(contest, "fused", "default", votes_arm):
        for short in measures.values():
            told = f"fused less the better source{where}, {short}"
            yield place.aim(told, "not below 0", {})
        return
    likelihood = {
        arm: contest.measured[arm].values["log_likelihood"].mean() for arm in ("default", votes_arm)
    }
    better = max(likelihood, key=lambda arm: float(likelihood[arm]))
    less = contest.measured["fused"].less(contest.measured[better])
    name = "image" if better == "default" else "votes"
    for measure, short in measures.items():
        told = f"fused less the better source ({name}){where}, {short}"
        found = {told: interval(less, measure, contest.bootstrap)}
        yield place.aim(told, "not below 0", found, runs / place.folder)


def score(place: Place, runs: Path, arm: str, column: str, told: str, goal: str) -> Aim:
    """Give a measure of an arm."""
    contest = place.contest(runs)
    if contest is None or not judged(contest, arm):
        return place.aim(told, goal, {})
    found = interval(contest.measured[arm], column, contest.bootstrap)
    return place.aim(told, goal, {told: found}, runs / place.folder)


def coverage(place: Place, runs: Path, arm: str) -> Aim:
    """Give the coverage of the sets of each class, on objects that nothing was fitted to."""
    measure, goal, contest = f"coverage of sets of 90%, {arm}", ".88 to .92", place.contest(runs)
    if contest is None or arm not in contest.posteriors:
        return place.aim(f"{measure}, each class", goal, {})
    results = contest.results
    cells = [cell.get("coverage") or [] for _, cell in results.cells(place.task, BASE, arm)]
    rows: dict[str, Row] = {}
    for k, name in enumerate(results.classes(place.task)):
        found = [cell[k] for cell in cells if cell]
        number = sum(one["n"] for one in found)
        if number:
            right = round(sum(one["covered"] * one["n"] for one in found if one["n"]))
            low, high = wilson_interval(right, number)
            seeds = list(range(results.executions))
            values = {"value": right / number, "low": low, "high": high, "seeds": seeds}
            rows[f"{measure}, class {name} ({number:,} objects)"] = values
    return place.aim(f"{measure}, each class", goal, rows, runs / place.folder)
