"""Rows of figures to reach that compare arms: errors, fewer experts, the better source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from czsl.compare.contest import Contest, Drawn
from czsl.compare.results import Results
from czsl.compare.statistics import Draws, two_level_bootstrap
from czsl.compare.sweeps import BASE
from czsl.scores import wilson_interval

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
        if not (runs / self.folder / "comparison.json").exists():
            return None
        results = Results(runs / self.folder)
        known = self.task in results.tasks and setting in results.settings
        return Contest(results, self.task, setting, DRAWS) if known else None

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


def judged(contest: Contest | None, *arms: str) -> bool:
    """Tell whether all of these arms judged every object."""
    return contest is not None and all(
        arm in contest.posteriors and not np.isnan(contest.posteriors[arm]).all(axis=2).any()
        for arm in arms
    )


def interval(drawn: Drawn, measure: str, draws: Draws) -> dict[str, Any]:
    """Give the mean of a measure with its interval, as a row has it."""
    found = drawn.interval(measure, draws)
    seeds = list(range(found.executions))
    return {"value": found.mean, "low": found.low, "high": found.high, "seeds": seeds}


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
    seeds = list(range(found.executions))
    values = {"value": found.mean, "low": found.low, "high": found.high, "seeds": seeds}
    return place.row(measure, goal, values)


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


def calibration(place: Place, runs: Path, arm: str) -> Row:
    """Give the expected calibration error of an arm."""
    contest = place.contest(runs)
    found = None
    if contest is not None and judged(contest, arm):
        found = interval(contest.measured[arm], "calibration_error", contest.bootstrap)
    return place.row(f"calibration error, {arm}", "at most .02", found)


def coverage(place: Place, runs: Path, arm: str) -> Iterator[Row]:
    """Give the coverage of the sets of each class, on objects that nothing was fitted to."""
    folder = runs / place.folder
    if place.contest(runs) is None:
        return
    results = Results(folder)
    cells = [
        json.loads(path.read_text(encoding="utf-8")).get("coverage") or []
        for path in sorted((folder / "cells" / place.task / BASE / arm).glob("*.json"))
    ]
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
