"""Write docs/results.md from the comparisons on disk: every figure comes from here.

Usage: python docs/make_results.py [GZ1 DEMO [PAGE]], by default runs/gz1, demo/runs and
docs/results.md. 'make gz1' and 'make demo' make the comparisons. The demo's picture, which
lies beside its runs, is copied to _static beside the page.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czsl.compare.arms import ARM_NAMES, MAJORITY
from czsl.files import write_text
from czsl.recipes import RECIPES, Recipe

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison that the page shows.

    Parameters
    ----------
    title
        Its heading.
    command
        What makes it.
    about
        The data, and what is scored against what.
    """

    title: str
    command: str
    about: str


GZ1 = Comparison(
    title="Real galaxies: early or late type",
    command="make gz1",
    about=(
        "Galaxies of Galaxy Zoo 1. Every score is against the experts' class, out of fold: each "
        "galaxy is scored by a network that saw neither its class nor its votes. The networks "
        "see the image alone. Images: Sloan Digital Sky Survey, data release 7 (Abazajian et al. "
        "2009, ApJS 182, 543). Votes: Galaxy Zoo 1 (Lintott et al. 2008, MNRAS 389, 1179; 2011, "
        "MNRAS 410, 166). Votes and experts' classes as published with Jimenez et al. (2023, "
        "MNRAS 526, 1742). The configuration is `examples/gz1/czsl.toml`."
    ),
)
DEMO = Comparison(
    title="A simulated survey",
    command="make demo",
    about=(
        "The survey of [the demo](first_survey.md), which the package simulates. Every score is "
        "against the known truth of test objects that no arm was trained on. The networks see "
        "the image alone; the volunteers' votes on these objects serve the majority's row only."
    ),
)

HEAD = """\
# Results

Written by `make results` from the files that the commands below leave; not edited by hand.
Intervals are of 95% (Wilson), over the scored objects of one run with one seed. They say nothing of
other seeds. Figures may differ a little between machines and versions of torch: from the same
clone, with `constraints.txt`, they should agree within a small part of the interval.
[How the scores are taken](recipes.md#why-the-scores-are-honest).
"""

PICTURE = """\
![Cutouts of each class, and the accuracy of each arm with its interval](_static/demo.png)
"""

COLUMNS = ("arm", "accuracy", "95% interval", "balanced", "AUC", "log loss", "objects")


def main(gz1: Path, demo: Path, page: Path) -> None:
    """Write the page, or end with what is missing."""
    found = [(GZ1, gz1), (DEMO, demo)]
    picture = demo.parent / "demo.png"
    needed = [(picture, DEMO), *((folder / "metrics.json", one) for one, folder in found)]
    missing = [
        f"{path}: there is no such file; '{comparison.command}' writes it"
        for path, comparison in needed
        if not path.exists()
    ]
    if missing:
        sys.exit("\n".join(missing))
    parts = [HEAD, *("\n".join(section(*one)) for one in found), PICTURE]
    write_text(page, "\n".join(parts))
    (page.parent / "_static").mkdir(exist_ok=True)
    shutil.copyfile(picture, page.parent / "_static" / "demo.png")
    print(page)


def section(comparison: Comparison, folder: Path) -> Iterator[str]:
    """Write one comparison: what it is of, its table, its arms."""
    arms = _json(folder / "metrics.json")["arms"]
    models = {name: _json(folder / name / "model" / "model.json") for name in arms if _fits(name)}
    first = next(iter(models.values()))["content"]
    yield f"## {comparison.title}\n"
    yield f"{comparison.about}\n"
    tiers = ", ".join(f"{number:,} {tier}" for tier, number in first["data"]["tiers"].items())
    yield (
        f"Objects: {tiers}. Command: `{comparison.command}`; seed {first['data']['seed']}, "
        f"czsl {first['version']}.\n"
    )
    yield _line(COLUMNS)
    yield _line(["---", *["---:"] * (len(COLUMNS) - 1)])
    for name, score in arms.items():
        yield _line([ARM_NAMES.get(name, f"`{name}`"), *_figures(score)])
    yield "\nWhat each arm was:\n"
    majority = "the class whose answers have most votes; nothing is learned"
    for name in arms:
        if not _fits(name):
            yield f"- {ARM_NAMES[name]}: {majority}"
            continue
        content = models[name]["content"]
        yield f"- {ARM_NAMES.get(name, f'`{name}`')}: {changes(content['recipe'])}"
        yield from (f"  - note: {note}" for note in content["notes"])
    yield ""


def changes(content: Mapping[str, Any]) -> str:
    """Say how a recipe differs from the one that ships."""
    recipe = Recipe.model_validate(content)
    ships = RECIPES[recipe.name]
    now, then = _flat(recipe.model_dump(mode="json")), _flat(ships.model_dump(mode="json"))
    changed = {name: value for name, value in now.items() if then.get(name) != value}
    if not changed:
        return f"the recipe `{recipe.name}` as it ships"
    told = ", ".join(f"`{name} = {json.dumps(value)}`" for name, value in changed.items())
    return f"the recipe `{recipe.name}` with {told}"


def _flat(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name every setting by its place; a stage that is left out is false."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = False if value is None else value
    return found


def _figures(score: Mapping[str, Any]) -> list[str]:
    """Spell the scores of an arm; what it does not have stays empty."""
    if score.get("accuracy") is None:
        return ["", "", "", "", "", "0"]
    rest = [score.get(name) for name in ("balanced_accuracy", "auc", "log_loss")]
    return [
        f"{score['accuracy']:.3f}",
        f"{score['low']:.3f} to {score['high']:.3f}",
        *("" if value is None else f"{value:.3f}" for value in rest),
        f"{score['n']:,}",
    ]


def _fits(name: str) -> bool:
    """Whether an arm has a model: the majority has none."""
    return name != MAJORITY


def _line(cells: Any) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(cells)} |"


def _json(path: Path) -> Any:
    """Read a JSON file, or end with what is missing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{path}: cannot be read ({error}); run the comparison again")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    defaults = [ROOT / "runs" / "gz1", ROOT / "demo" / "runs", ROOT / "docs" / "results.md"]
    main(*[*given, *defaults[len(given) :]])
