"""Write docs/results.md and docs/claims.json from the comparisons on disk.

Usage: python docs/make_results.py [RUNS DEMO [PAGE]], by default runs, demo and
docs/results.md; claims.json lies beside the page. The commands that the page names make the
comparisons. The section of a comparison that is not on disk stays as the page has it, and what
it says of the claims as claims.json has it, with the day when it was measured. The demo's picture
is copied to _static beside the page.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from czsl.compare.arms import ARM_NAMES, MAJORITY, TIERS
from czsl.compare.results import Results
from czsl.compare.sweeps import BASE
from czsl.errors import RunError
from czsl.files import write_json, write_text
from czsl.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "_ext")]

from claim_rows import claim_rows, claim_section  # noqa: E402 (lies beside)
from kept import day, read_rows, renewed  # noqa: E402 (lies beside)
from shown import COMPARISONS, SWEEPS, TASKS, Comparison  # noqa: E402 (lies beside)

HEAD = """\
# Results

Written by `make results` from the files that the commands below leave; not edited by hand. A
figure stays, with the day when it was measured, until its command is run again. Intervals are of
95%. In comparisons they are those of a bootstrap over executions and objects ([how](comparing.md));
with one execution they say nothing of another training. Figures may differ a little between
machines and versions of torch: from the same clone, with `constraints.txt`, they should agree
within a small part of the interval. On 2026-11-28 `default` changed: its
[pre-training](recipes.md#pretrain), its [calibration](recipes.md#calibrate), where its
[fusion](recipes.md#fuse) starts, how long networks are [trained](recipes.md#finetune) where
volunteers taught nothing, which images stand beside their mirror images, and that fine-tuning
learns no votes. Figures from before are of the default of their day: beside each arm stands how it
differs from the present one.
"""

DEMO = "The demo's survey"

PICTURE = """\
![Cutouts of each class, and the accuracy of each arm with its interval](_static/demo.png)
"""


def main(runs: Path, demo: Path, page: Path) -> None:
    """Write the page, with what is on disk anew and the rest as it is."""
    claims = page.with_name("claims.json")
    rows = claim_rows(runs, read_rows(claims))
    shown = (*COMPARISONS, *SWEEPS)
    new = measured(runs)
    if (demo / "metrics.json").exists() and (demo / "demo.png").exists():
        new[DEMO] = whole([*demo_section(demo), PICTURE])
        (page.parent / "_static").mkdir(exist_ok=True)
        shutil.copyfile(demo / "demo.png", page.parent / "_static" / "demo.png")
    found = renewed([*(one.title for one in shown), DEMO], sections(page), new)
    absent = not_measured([one for one in shown if one.title not in found])
    write_json(claims, rows)
    write_text(page, "\n".join([HEAD, *claim_section(rows), *found.values(), *absent]))
    print(page)


def measured(runs: Path) -> dict[str, str]:
    """Write the sections of the comparisons on disk, by title."""
    return {
        one.title: whole(make(one, runs / one.folder))
        for make, some in ((comparison_section, COMPARISONS), (sweep_section, SWEEPS))
        for one in some
        if ended(runs / one.folder)
    }


def ended(folder: Path) -> bool:
    """Tell whether a comparison is there, and whole: one that was taken up again may not be."""
    if not (folder / "summary.csv").exists():
        return False
    results = _results(folder)
    parts = [(task, setting) for task in results.tasks for setting in results.settings]
    return not any(results.under_way(*part) for part in parts)


def sections(page: Path) -> dict[str, str]:
    """Read the sections of the page as it is, by title; none where there is no page."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    found = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {one.partition("\n")[0].removeprefix("## "): whole([one]) for one in found}


def whole(lines: Iterable[str]) -> str:
    """Put a section together; it ends with one newline, however it was made."""
    return "\n".join(lines).rstrip("\n") + "\n"


def not_measured(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Name the comparisons that have no section."""
    if comparisons:
        yield "## Not measured\n"
        yield from (f"- {one.title}: `{one.command}`" for one in comparisons)
        yield ""


def comparison_section(comparison: Comparison, folder: Path) -> Iterator[str]:
    """Write one comparison: what it is of, a table for each task, its arms."""
    results = _results(folder)
    yield f"## {comparison.title}\n"
    yield f"{comparison.about}\n"
    yield f"{_setup(results)} {_made(comparison, folder)}\n"
    rows = _read(folder / "summary.csv")
    for task in results.tasks:
        if len(results.tasks) > 1:
            yield f"### {comparison.title.split(':')[0]}: {TASKS.get(task, task)}\n"
        mine = [row for row in rows if row["task"] == task and row["setting"] == BASE]
        yield from _scores(results, task, mine)
    yield "Arms:\n"
    for name, told in _described(results).items():
        yield f"- {ARM_NAMES.get(name, f'`{name}`')}: {told}"
    yield ""


def _scores(results: Results, task: str, rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Write the scores of a task's arms on the test folds."""
    measures = ("accuracy", "gmean", "gmean_moved", "auc", "log_likelihood")
    several = [row["measure"] for row in rows if row["measure"] in ("collapsed",)]
    lines = []
    for arm in results.arms(task):
        mine = {row["measure"]: row for row in rows if (row["arm"], row["set"]) == (arm, "test")}
        spelled = [_interval(mine.get(measure)) for measure in measures]
        counts = mine["accuracy"]
        cells = f"{counts['executions']} x {counts['folds']}"
        if counts["failures"] != "0":
            cells += f", {counts['failures']} failed"
        lines.append(_line([ARM_NAMES.get(arm, f"`{arm}`"), *spelled, cells]))
    headings = ("arm", "accuracy", "G-mean", "G-mean, moved decision", "AUC", "log-likelihood")
    yield from _table((*headings, "executions x folds"), lines)
    if several:
        yield from _collapses(results, task, rows)
    yield from _sets(rows)


def _sets(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Write how image, votes and both judge what they did and did not learn from."""
    found = {(row["arm"], row["set"]): row for row in rows if row["measure"] == "log_likelihood"}
    if ("fused", "A") not in found:
        return
    yield (
        "Log-likelihood by what was learned from an object: its experts' class (L), its votes (A), "
        "its image at most (U), nothing (test). On A the networks have learned from the votes that "
        "are fused with what they say.\n"
    )
    kinds = ("L", "A", "U", "test")
    lines = [
        _line([f"`{arm}`", *(f"{float(found[arm, kind]['mean']):.3f}" for kind in kinds)])
        for arm in ("default", "logistic", "fused")
    ]
    yield from _table(("arm", *kinds), lines)


def _collapses(results: Results, task: str, rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Write how often a transfer collapsed, and the scores where it stands."""
    measures = ("collapsed", "accuracy_standing", "balanced_accuracy_standing", "gmean_standing")
    lines = []
    for arm in results.arms(task):
        mine = {row["measure"]: row for row in rows if row["arm"] == arm and row["set"] == "test"}
        if "collapsed" in mine:
            spelled = [_interval(mine.get(measure)) for measure in measures]
            lines.append(_line([ARM_NAMES.get(arm, f"`{arm}`"), *spelled]))
    yield from _table(("arm that collapsed", *measures), lines)


def sweep_section(comparison: Comparison, folder: Path) -> Iterator[str]:
    """Write a sweep: a row for each point, a column for each arm."""
    results = _results(folder)
    yield f"## {comparison.title}\n"
    yield f"{comparison.about} {_setup(results)} {_made(comparison, folder)}\n"
    rows = {
        (row["task"], row["setting"], row["arm"]): row
        for row in _read(folder / "summary.csv")
        if (row["set"], row["measure"]) == ("test", "accuracy")
    }
    for task in results.tasks:
        arms = results.arms(task)
        lines = [
            _line([setting, *(_interval(rows.get((task, setting, arm))) for arm in arms)])
            for setting in results.settings
        ]
        yield f"### {comparison.title.split(':')[0]}, sweep: {TASKS.get(task, task)}\n"
        yield from _table(("setting", *(ARM_NAMES.get(arm, f"`{arm}`") for arm in arms)), lines)


def demo_section(folder: Path) -> Iterator[str]:
    """Write the table of the demo."""
    arms = _json(folder / "metrics.json")["arms"]
    yield f"## {DEMO}\n"
    yield (
        "The survey of [the demo](first_survey.md), which the package simulates. Every score is "
        "against the known truth of test objects that no arm was trained on, with one seed and the "
        "interval of Wilson. The networks see the image alone; the volunteers' votes on these "
        "objects serve the majority's row only. Command: `make demo`. "
        f"Measured {day(folder / 'metrics.json')}.\n"
    )
    lines = []
    for name in TIERS:
        score = arms[name]
        rest = [score.get(key) for key in ("balanced_accuracy", "auc", "log_loss")]
        numbers = ["" if value is None else f"{value:.3f}" for value in rest]
        accuracy = f"{score['accuracy']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        lines.append(
            _line([ARM_NAMES.get(name, f"`{name}`"), accuracy, *numbers, f"{score['n']:,}"])
        )
    yield from _table(("arm", "accuracy", "balanced", "AUC", "log loss", "objects"), lines)
    yield "Arms:\n"
    for name in TIERS:
        if name != MAJORITY:
            model = _json(folder / "runs" / name / "model" / "model.json")
            yield f"- {ARM_NAMES.get(name, f'`{name}`')}: {changes(model['content']['recipe'])}"
    yield ""


def changes(content: Mapping[str, Any]) -> str:
    """Say how a recipe, of whatever day, differs from the one that ships."""
    now, name = flat(content), content["name"]
    ships = flat(RECIPES[name].model_dump(mode="json"))
    # A stage that is left out is false; a setting that there is no more was off where it is 0.
    off = {key: 0.0 for key, value in now.items() if value is not False}
    changed = {key: value for key, value in now.items() if (off | ships).get(key) != value}
    if not changed:
        return f"the recipe `{name}` as it ships"
    told = ", ".join(f"`{key} = {json.dumps(value)}`" for key, value in changed.items())
    return f"the recipe `{name}` with {told}"


def _described(results: Results) -> dict[str, str]:
    """Say what each arm of a comparison is."""
    found: dict[str, str] = {}
    for task in results.plan["tasks"].values():
        for name, about in task["about"].items():
            settings = task["arms"][name]["settings"]
            recipe = f" {changes(settings['recipe']).capitalize()}." if "recipe" in settings else ""
            found.setdefault(name, f"{about}{recipe}")
    return found


def _setup(results: Results) -> str:
    """Say how a comparison was made."""
    protocol = results.plan["protocol"]
    objects = ", ".join(
        f"{len(results.labels(task)):,} experts' objects ({TASKS.get(task, task)})"
        for task in results.tasks
    )
    order = "in file order" if protocol["order"] == "file" else "redrawn by each execution"
    return (
        f"Scored: {objects}. Protocol `{protocol['name']}`, {order}; executions "
        f"{results.executions}, first seed {results.plan['seed']}."
    )


def _made(comparison: Comparison, folder: Path) -> str:
    """Say what made a comparison, and when."""
    return f"Command: `{comparison.command}`. Measured {day(folder)}."


def _results(folder: Path) -> Results:
    """Open a comparison, or end with what is wrong."""
    results = Results(folder)
    try:
        _ = results.plan
    except RunError as error:
        sys.exit(str(error))
    return results


def _interval(row: Mapping[str, str] | None) -> str:
    """Spell a mean with its interval; what is not there stays empty."""
    if row is None or not row["mean"]:
        return ""
    mean = f"{float(row['mean']):.3f}"
    if not row["low"]:
        return mean
    return f"{mean} ({float(row['low']):.3f} to {float(row['high']):.3f})"


def flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name every setting by its place; a stage that is left out is false."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = False if value is None else value
    return found


def _table(headings: Sequence[str], lines: Sequence[str]) -> Iterator[str]:
    """Write a table: the first column text, the others numbers."""
    yield _line(headings)
    yield _line(["---", *["---:"] * (len(headings) - 1)])
    yield from lines
    yield ""


def _line(cells: Sequence[str]) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cells)} |"


def _read(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> Any:
    """Read a JSON file, or end with what is missing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{path}: cannot be read ({error}); run its command again")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    defaults = [ROOT / "runs", ROOT / "demo", ROOT / "docs" / "results.md"]
    main(*[*given, *defaults[len(given) :]])
