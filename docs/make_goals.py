"""Write results.json and goals.md in docs: figures to reach, and what was reached.

Usage: python docs/make_goals.py [RUNS [DOCS]], by default runs and docs. Figures of comparisons
that are not there stay as results.json has them, with the day when they were measured; what was
never measured is left empty: nothing is made up for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from czsl.compare.sweeps import BASE
from czsl.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from goal_rows import (  # noqa: E402 (lies beside)
    Aim,
    Place,
    against_the_better,
    blank_row,
    coverage,
    errors_ratio,
    fewer_experts,
    measured,
    renewed_rows,
    score,
)
from kept import Row, read_rows  # noqa: E402 (lies beside)

REAL = "407 real galaxies, early or late type, out of fold"
COMMAND = "make gz1-fusion"
TRANSFER = "votes-transfer"

VERDICTS = {None: "", True: "reached", False: "missed"}
"""Words for whether a goal is met."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure of the transfer to reach, and where it is measured.

    Parameters
    ----------
    on, measure, goal
        What is measured, how, and the figure to reach.
    file, column
        File of the transfer's scores, and what is read from it.
    """

    on: str
    measure: str
    goal: str
    file: str
    column: str


def votes(
    on: str, task: str, experts: int, measure: str, goal: str, column: str = "score"
) -> tuple[Goal, Goal]:
    """Name a figure of the transfer on the published votes, alone and with debiased columns."""
    alone, debiased = (
        Goal(
            on=f"{on}, {inputs}, {experts:,} experts",
            measure=measure,
            goal=goal,
            file=f"{task}-{experts}{more}.json",
            column=column,
        )
        for inputs, more in (("votes alone", ""), ("votes with debiased columns", "-extra"))
    )
    return alone, debiased


CALIBRATED = ("calibration error", "at most .02", "calibration_error")
EARLY_LATE = ("40,902 rows, two classes", "early_late")
SPIRALS = ("40,902 rows, three classes", "spirals")
MERGERS = ("43,779 rows, mergers", "mergers")

GOALS = (
    *votes(*EARLY_LATE, 100, "accuracy", ".963"),
    *votes(*EARLY_LATE, 100, *CALIBRATED),
    *votes(*EARLY_LATE, 1636, "accuracy", ".969"),
    *votes(*EARLY_LATE, 1636, *CALIBRATED),
    *votes(*EARLY_LATE, 1636, "fits that lost a class", "at most 0", "collapsed"),
    *votes(*SPIRALS, 100, "accuracy", ".945"),
    *votes(*SPIRALS, 100, *CALIBRATED),
    *votes(*MERGERS, 100, "G-mean, moved decision", ".987"),
    *votes(*MERGERS, 100, "log loss", "at most .037", "log_loss"),
    *votes(*MERGERS, 100, *CALIBRATED),
)


GZ1 = Place(folder="gz1", task="galaxies", on=REAL, command=COMMAND)
DEBIASED = Place(
    folder="gz1-debiased", task="debiased", on=f"{REAL}, debiased columns", command=COMMAND
)
OTHERS = tuple(
    Place(
        folder=f"gz1-{task}",
        task=task,
        on=f"{number} real galaxies, {name}, out of fold",
        command=f"make gz1-{task}",
    )
    for task, number, name in (
        ("spirals", 407, "elliptical or a spiral of either sense"),
        ("mergers", 439, "mergers"),
    )
)
SIMULATED = tuple(
    Place(folder="simulated", task=task, on=f"simulated survey, {name}", command="make simulated")
    for task, name in (
        ("early_late", "early or late type"),
        ("spirals", "three classes"),
        ("mergers", "mergers"),
    )
)
FEWER = 9
FEW_VOTES = ("votes=1", "votes=5")


def main(runs: Path, docs: Path = ROOT / "docs") -> None:
    """Write both files."""
    aims = [*real(runs), *(transfer(runs, goal) for goal in GOALS), *compared(runs)]
    rows = renewed_rows(aims, read_rows(docs / "results.json"))
    write_json(docs / "results.json", rows)
    write_text(docs / "goals.md", "\n".join([*page(rows), ""]))


def compared(runs: Path) -> Iterator[Aim]:
    """Give the goals that compare arms, and those of every task."""
    for place in SIMULATED:
        yield errors_ratio(place, runs, "default", "czsl2023", "at most .5")
    for place in SIMULATED[:2]:
        fewer = replace(place, folder="sweep-experts", command="make sweep-experts")
        yield from fewer_experts(fewer, runs, FEWER, place)
    for place in (GZ1, DEBIASED, *OTHERS, *SIMULATED):
        votes_arm = "logistic_extra" if place is DEBIASED else "logistic"
        yield from against_the_better(place, runs, votes_arm, BASE)
    few = replace(SIMULATED[0], folder="sweep-fusion", command="make sweep-fusion")
    for setting in FEW_VOTES:
        yield from against_the_better(few, runs, "logistic", setting)
    fewest = replace(SIMULATED[0], folder="sweep-experts", command="make sweep-experts")
    yield from against_the_better(fewest, runs, "logistic", f"experts={FEWER}")
    for place in (DEBIASED, *OTHERS, *SIMULATED):
        for arm in ("default", "fused"):
            told = f"calibration error, {arm}"
            yield score(place, runs, arm, "calibration_error", told, "at most .02")
    for place in (GZ1, *OTHERS, *SIMULATED):
        for arm in ("default", "fused"):
            yield coverage(place, runs, arm)


def transfer(runs: Path, goal: Goal) -> Aim:
    """Give a goal of the transfer."""
    path = runs / TRANSFER / goal.file
    blank = blank_row(goal.on, goal.measure, goal.goal, f"make {TRANSFER}")
    found = {goal.measure: transferred(path, goal.column)} if path.exists() else {}
    return measured(blank, found, path)


def real(runs: Path) -> Iterator[Aim]:
    """Give the goals on real galaxies."""
    told = {"accuracy": "accuracy", "calibration_error": "calibration error"}
    for place, arm, inputs, column, goal in (
        (GZ1, "default", "image alone", "accuracy", ".975"),
        (GZ1, "fused", "image and raw votes", "accuracy", ".978"),
        (DEBIASED, "fused", "image and votes with debiased columns", "accuracy", ".987"),
        (GZ1, "default", "image alone", "calibration_error", "at most .02"),
        (GZ1, "fused", "image and raw votes", "calibration_error", "at most .02"),
        (GZ1, "logistic", "raw votes alone", "accuracy", ""),
    ):
        named = replace(place, on=f"{REAL}, {inputs}")
        yield score(named, runs, arm, column, told[column], goal)


def transferred(path: Path, column: str) -> Row:
    """Give what was measured of the transfer with all votes."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if column == "collapsed":
        return {"value": found["collapsed"], "seeds": found["seeds"]}
    one = found["votes"]["all"][column]
    return {"value": one["mean"], "low": one["low"], "high": one["high"], "seeds": found["seeds"]}


def page(rows: list[Row]) -> Iterator[str]:
    """Write the rows as a page."""
    yield from (
        "# Figures to reach",
        "",
        "Written by `python docs/make_goals.py`, beside `docs/results.json`; not edited by hand. A",
        "figure stays, with the day when it was measured, until its comparison is run again.",
        "Intervals are of 95%; with one seed they say nothing of another training. Those of votes",
        "hold the middle 95% of the seeds, of which each draws other experts' objects. *Not",
        "measured* means just that. A goal is *reached* or *missed* by the figure, not by its",
        "interval; a number alone is the least that reaches it.",
        "",
        "Sets are never empty, so their coverage is at least the accuracy. *The better source* is",
        "that of image and votes alone whose posterior is likelier. A calibration error sums",
        "absolute values, so that objects drawn anew have larger ones: of a small error the",
        "interval lies too high.",
        "",
        "| on | measure | figure | 95% interval | goal | | seeds | measured | command |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    )
    for row in rows:
        limits = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
        aim = (row["goal"], VERDICTS[row["met"]])
        cells = (row["on"], row["measure"], reached(row), limits, *aim, len(row["seeds"]))
        yield f"| {' | '.join(map(str, cells))} | {row['measured'] or ''} | `{row['command']}` |"


def reached(row: Row) -> str:
    """Spell what was reached."""
    if row["measured"] is None:
        return "not measured"
    if row["value"] is None:
        return "not reached"
    return f"{row['value']:.3f}" if isinstance(row["value"], float) else str(row["value"])


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*(given or [ROOT / "runs"]))
