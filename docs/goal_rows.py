"""Rows of figures to reach that compare arms: errors, fewer experts, the better source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czsl.compare.contest import Contest, Drawn
from czsl.compare.results import Results
from czsl.compare.statistics import Draws, Interval, two_level_bootstrap
from czsl.compare.sweeps import BASE
from czsl.scores import known_rows, wilson_interval

DRAWS = 1000
Row = dict[str, Any]


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

    def row(self, measure: str, goal: str, found: Mapping[str, Any] | None) -> Row:
        """Write a row of the results; empty where nothing was measured."""
        values = found or {"value": None, "low": None, "high": None, "seeds": []}
        return {
            "on": self.on,
            "measure": measure,
            "goal": goal,
            **values,
            "command": self.command if found else "",
        }


def open_contest(folder: Path, task: str, setting: str = BASE) -> Contest | None:
    """Open a task of a comparison in one setting; None where it is not there."""
    if not (folder / "comparison.json").exists():
        return None
    results = Results(folder)
    known = task in results.tasks and setting in results.settings
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


def errors_ratio(place: Place, runs: Path, arm: str, other: str, goal: str) -> Row:
    """Divide the errors of an arm by those of another, on the same objects."""
    measure, contest = f"errors of {arm} over errors of {other}", place.contest(runs)
    if contest is None or not judged(contest, arm, other):
        return place.row(measure, goal, None)
    mine, theirs = contest.measured[arm], contest.measured[other]
    found = two_level_bootstrap(
        (1 - mine.values["accuracy"]) / (1 - theirs.values["accuracy"]),
        (1 - mine.drawn["accuracy"]) / (1 - theirs.drawn["accuracy"]),
        contest.bootstrap,
    )
    return place.row(measure, goal, values_of(found))


def fewer_experts(place: Place, runs: Path, fewer: int, base: Place) -> Iterator[Row]:
    """Give the share of the experts that the default needs to do as well as czsl2023 with all.

    Only one smaller number was tried: the share is that, or nothing where it is not enough.
    """
    measure = "share of the experts that default needs for the accuracy of czsl2023 with all"
    contest, whole = place.contest(runs, f"experts={fewer}"), base.contest(runs)
    if contest is None or whole is None:
        yield place.row(measure, "at most .1", None)
        return
    if not (judged(contest, "default") and judged(whole, "czsl2023")):
        yield place.row(measure, "at most .1", None)
        return
    less = contest.measured["default"].less(whole.measured["czsl2023"])
    gained = interval(less, "accuracy", whole.bootstrap)
    sizes = [cell["sizes"]["L"] for _, cell in whole.results.cells(base.task, BASE, "czsl2023")]
    every = min(sizes)
    enough = {"value": fewer / every, "low": None, "high": None, "seeds": gained["seeds"]}
    yield place.row(f"{measure}, or fewer", "at most .1", enough if gained["value"] >= 0 else None)
    told = f"accuracy of default with {fewer} experts less that of czsl2023 with {every}"
    yield place.row(told, "at least 0", gained)


def against_the_better(place: Place, runs: Path, votes_arm: str, setting: str) -> Iterator[Row]:
    """Take the fused posterior less the likelier of image and votes alone."""
    contest = place.contest(runs, setting)
    where = "" if setting == BASE else f", {setting}"
    if contest is None or not judged(contest, "fused", "default", votes_arm):
        yield place.row(f"fused less the better source{where}", "not below 0", None)
        return
    likelihood = {
        arm: contest.measured[arm].values["log_likelihood"].mean() for arm in ("default", votes_arm)
    }
    better = max(likelihood, key=lambda arm: float(likelihood[arm]))
    less = contest.measured["fused"].less(contest.measured[better])
    name = "image" if better == "default" else "votes"
    for measure, short in (("accuracy", "accuracy"), ("log_likelihood", "ln L")):
        told = f"fused less the better source ({name}){where}, {short}"
        yield place.row(told, "not below 0", interval(less, measure, contest.bootstrap))


def score(place: Place, runs: Path, arm: str, column: str, told: str, goal: str) -> Row:
    """Give a measure of an arm."""
    contest = place.contest(runs)
    found = None
    if contest is not None and judged(contest, arm):
        found = interval(contest.measured[arm], column, contest.bootstrap)
    return place.row(told, goal, found)


def coverage(place: Place, runs: Path, arm: str) -> Iterator[Row]:
    """Give the coverage of the sets of each class, on objects that nothing was fitted to."""
    contest = place.contest(runs)
    if contest is None or arm not in contest.posteriors:
        return
    results = contest.results
    cells = [cell.get("coverage") or [] for _, cell in results.cells(place.task, BASE, arm)]
    for k, name in enumerate(results.classes(place.task)):
        found = [cell[k] for cell in cells if cell]
        number = sum(one["n"] for one in found)
        if number:
            right = round(sum(one["covered"] * one["n"] for one in found if one["n"]))
            low, high = wilson_interval(right, number)
            seeds = list(range(results.executions))
            values = {"value": right / number, "low": low, "high": high, "seeds": seeds}
            told = f"coverage of sets of 90%, {arm}, class {name} ({number:,} objects)"
            yield place.row(told, ".88 to .92", values)
