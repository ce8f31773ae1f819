"""The page of ablations says what the comparisons say, and the parts it changes are real."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from czsl.compare.contest import Contest
from czsl.compare.results import Results
from czsl.recipes import RECIPES, recipe_settings
from scripts import load
from votes_only import compare_votes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made():
    """The script that writes the page."""
    return load(ROOT / "docs" / "make_ablations.py")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A comparison of votes alone, under the name of one that the page shows."""
    folder = tmp_path_factory.mktemp("ablations")
    compare_votes(folder / "table", folder / "runs" / "simulated")
    return folder / "runs"


def test_a_gain_is_the_difference_of_its_arms(made, runs, tmp_path):
    made.main(runs, tmp_path / "ablations.md")
    page = (tmp_path / "ablations.md").read_text(encoding="utf-8")
    contest = Contest(Results(runs / "simulated"), "spirals", "all", 1000)
    for measure in ("accuracy", "log_likelihood"):
        found = contest.difference("default", "experts").interval(measure, contest.bootstrap)
        told = f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        sure = found.low > 0 or found.high < 0
        assert f"classes alone) | {f'**{told}**' if sure else told} |" in page
    assert page.count("Not measured.") == 5  # no arm that fuses, no parts, no unlabelled images


def test_figures_that_are_not_on_disk_stay_as_they_were(made, tmp_path):
    for name in ("ablations.md", "ablations.json"):
        (tmp_path / name).write_bytes((ROOT / "docs" / name).read_bytes())
    made.main(tmp_path / "runs", tmp_path / "ablations.md")
    for name in ("ablations.md", "ablations.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_a_comparison_under_way_changes_nothing(made, runs, tmp_path):
    for name in ("ablations.md", "ablations.json"):
        (tmp_path / name).write_bytes((ROOT / "docs" / name).read_bytes())
    shutil.copytree(runs, tmp_path / "runs")
    assert not Results(runs / "simulated").under_way("spirals", "all")
    next((tmp_path / "runs" / "simulated" / "cells").rglob("default/*.json")).unlink()
    assert Results(tmp_path / "runs" / "simulated").under_way("spirals", "all")
    made.main(tmp_path / "runs", tmp_path / "ablations.md")
    for name in ("ablations.md", "ablations.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_a_comparison_on_disk_changes_its_own_figures(made, runs, tmp_path):
    page, figures = tmp_path / "ablations.md", tmp_path / "ablations.json"
    kept = json.loads((ROOT / "docs" / "ablations.json").read_text(encoding="utf-8"))
    old = [row | {"of": 9, "measured": "2001-02-03"} for row in kept]
    figures.write_text(json.dumps([*old, old[0] | {"part": "a part that is gone"}]))
    made.main(runs, page)
    new = json.loads(figures.read_text(encoding="utf-8"))
    # All that the comparison has are two arms, of one row of the first table.
    changed = [(now, was) for now, was in zip(new, old, strict=True) if now != was]
    assert [now["measure"] for now, _ in changed] == ["accuracy", "ln L"]
    for now, was in changed:
        assert now["on"] == "simulated, three classes"
        assert now["part"] == was["part"] == "volunteers' votes (against experts' classes alone)"
        assert now["of"] == 300
        assert now["measured"] > was["measured"]
    first, _, _ = page.read_text(encoding="utf-8").partition("## Image and votes together")
    assert f"- simulated, three classes: {made.basis(changed[0][0])}\n" in first
    # What was not measured again is marked, and the mark says what it is of: three rows of both
    # measures.
    assert f"\n- (a) {made.basis(changed[0][1])}\n" in first
    assert first.count(" (a) |") == 6


def test_each_part_changes_the_default_in_what_its_name_says():
    content = tomllib.loads((ROOT / "examples" / "parts.toml").read_text(encoding="utf-8"))
    default = RECIPES["default"].model_dump()
    for name, changes in content["arms"].items():
        recipe = recipe_settings(changes)
        changed = {key for key, value in recipe.model_dump().items() if value != default[key]}
        assert changed - {"folds"} == set(changes) - {"folds"}, name


def test_every_part_has_a_row(made):
    content = tomllib.loads((ROOT / "examples" / "parts.toml").read_text(encoding="utf-8"))
    tables = [table for table in made.TABLES if table.data == made.PARTS]
    told = {arm for table in tables for pair in table.pairs.values() for arm in pair}
    assert told == {"default", *content["arms"]}


def test_the_command_runs_every_part():
    content = tomllib.loads((ROOT / "examples" / "parts.toml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$\\\n\t", "")
    line = next(line for line in makefile.splitlines() if line.startswith("PARTS = "))
    asked = set(line.removeprefix("PARTS = ").split(","))
    asked |= set(re.findall(r"\$\(PARTS\),(\w+)", makefile))
    assert asked == {"default", *content["arms"]}
