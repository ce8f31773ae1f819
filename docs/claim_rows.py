"""The claims of the publication: differences that speak to them, kept or new, and their section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from goal_rows import BASE, DRAWS, gained, open_contest
from kept import Row, day, grouped, renewed
from shown import CLAIMS, TASKS, Pair

from czsl.compare.contest import Contest
from czsl.compare.results import Results
from czsl.compare.statistics import Interval

ROBUST = "It is robust to the confidence of the volunteers' labels"
"""The claim that a sweep speaks to, not pairs of arms."""

CONFIDENCE = "sweep-confidence"

HEAD = """\
## What the abstract of Jimenez et al. (2023) claims, and what we find

Differences on the test folds, of an arm less another; *better* and *worse* where the interval \
excludes 0. Favourable or not, all are shown.
"""

Key = tuple[str, ...]


def claim_rows(runs: Path, old: Sequence[Row]) -> list[Row]:
    """Give the differences of every claim: as on disk, else as they were."""
    keys = [
        (claim.text, where(pair.folder, task, pair.setting), arms(pair), pair.measure)
        for claim in CLAIMS
        for pair in claim.pairs
        for task in claim.tasks
    ]
    new = [*paired(runs), *confident(runs / CONFIDENCE)]
    found = renewed([*keys, (ROBUST,)], grouped(old, key), grouped(new, key))
    return [row for rows in found.values() for row in rows]


def key(row: Row) -> Key:
    """Say what is replaced together: each difference, but all of a sweep."""
    if row["claim"] == ROBUST:
        return (ROBUST,)
    return row["claim"], row["on"], row["arms"], row["measure"]


def where(folder: str, task: str, setting: str = BASE) -> str:
    """Name the data."""
    told = f"{'real' if folder.startswith('gz1') else 'simulated'}, {TASKS.get(task, task)}"
    return told if setting == BASE else f"{told}, {setting}"


def arms(pair: Pair) -> str:
    """Name a difference; the published recipe is shortened on the real galaxies."""
    shortened = pair.folder.startswith("gz1") and "czsl2023" in pair.arm + pair.other
    return f"`{pair.arm}` less `{pair.other}`{', both shortened' if shortened else ''}"


def paired(runs: Path) -> Iterator[Row]:
    """Give the differences of arms in the comparisons on disk."""
    opened = cache(open_contest)  # a task speaks to several claims
    for claim in CLAIMS:
        for pair in claim.pairs:
            for task in claim.tasks:
                contest = opened(runs / pair.folder, task, pair.setting)
                if contest is not None and {pair.arm, pair.other} <= set(contest.posteriors):
                    drawn = contest.difference(pair.arm, pair.other)
                    found = drawn.interval(pair.measure, contest.bootstrap)
                    place = where(pair.folder, task, pair.setting)
                    names = (claim.text, place, arms(pair), pair.measure)
                    yield from claim_row(names, found, runs / pair.folder)


def confident(folder: Path) -> Iterator[Row]:
    """Give what an arm gains where only surer volunteers' labels are used."""
    if not (folder / "comparison.json").exists():
        return
    results = Results(folder)
    for task in results.tasks:
        if any(results.under_way(task, name) for name in results.settings):
            continue  # of some cells alone, a difference would be of unlike objects
        base, *points = (Contest(results, task, name, DRAWS) for name in results.settings)
        for point in points:
            for arm in base.posteriors:
                drawn = point.measured[arm].less(base.measured[arm])
                names = (ROBUST, where(folder.name, task), f"`{arm}`, {point.setting} less all")
                found = drawn.interval("accuracy", base.bootstrap)
                yield from claim_row((*names, "accuracy"), found, folder)


def claim_row(names: Key, found: Interval, folder: Path) -> Iterator[Row]:
    """Write a difference as a row; none where it is not defined."""
    if values := gained(found):
        told = dict(zip(("claim", "on", "arms", "measure"), names, strict=True))
        yield told | values | {"measured": day(folder)}


def claim_section(rows: Sequence[Row]) -> Iterator[str]:
    """Say of every claim what the comparisons found."""
    yield HEAD
    by_claim = grouped(rows, lambda row: str(row["claim"]))
    for text in (*(claim.text for claim in CLAIMS), ROBUST):
        yield f"### {text}\n"
        yield from claim_table(by_claim[text]) if text in by_claim else ("Not measured.\n",)


def claim_table(rows: Sequence[Row]) -> Iterator[str]:
    """Write the differences of a claim, and count their verdicts by arms."""
    yield (
        "| task | arms | measure | difference | 95% interval | verdict | executions | measured |\n"
        f"| --- |{' ---: |' * 7}"
    )
    for row in rows:
        limits = f"{row['low']:+.3f} to {row['high']:+.3f}"
        cells = (row["on"], row["arms"], row["measure"], f"{row['value']:+.3f}", limits)
        rest = (row["verdict"], row["executions"], row["measured"])
        yield f"| {' | '.join(map(str, (*cells, *rest)))} |"
    yield ""
    for told, same in grouped(rows, lambda row: str(row["arms"])).items():
        verdicts = [row["verdict"] for row in same]
        counts = [f"{name} in {verdicts.count(name)}" for name in ("better", "worse", "undecided")]
        yield f"- {told.replace(' less ', ' against ')}: {', '.join(counts)} of {len(same)}."
    yield ""
