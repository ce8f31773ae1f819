"""The page of ablations says what the comparisons say, and the parts it changes are real."""

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
    assert page.count("Not measured.") == 2  # no comparison of parts, none of unlabelled images


def test_each_part_changes_the_default_in_what_its_name_says():
    content = tomllib.loads((ROOT / "examples" / "parts.toml").read_text(encoding="utf-8"))
    default = RECIPES["default"].model_dump()
    for name, changes in content["arms"].items():
        recipe = recipe_settings(changes)
        changed = {key for key, value in recipe.model_dump().items() if value != default[key]}
        assert changed - {"folds"} == set(changes) - {"folds"}, name


def test_the_command_runs_every_part():
    content = tomllib.loads((ROOT / "examples" / "parts.toml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$\\\n\t", "")
    line = next(line for line in makefile.splitlines() if line.startswith("PARTS = "))
    assert set(line.removeprefix("PARTS = ").split(",")) == {"default", *content["arms"]}
