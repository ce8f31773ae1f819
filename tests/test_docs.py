"""The documentation says what is so: its snippets run, its names exist, it builds unwarned."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import czsl
from czsl.cli import main as cli
from czsl.compare.arms import TIERS, all_arms
from czsl.compare.contest import Contest
from czsl.compare.differences import DIFFERENCES
from czsl.compare.measures import MEASURES
from czsl.compare.protocols import SETS
from czsl.compare.results import Results
from czsl.compare.summary import CELLS, SUMMARY
from czsl.compare.sweeps import SWEEPS
from czsl.config import make_config, write_config
from czsl.decisions import read_costs
from czsl.errors import CzslError
from czsl.flags import MEANING, Flag
from czsl.recipes import RECIPES, recipe_settings
from czsl.sections import GROUPS
from scripts import load
from tiny import quick, tiny_config, write_survey
from votes_only import compare_votes

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES, *TUTORIALS]


def blocks(page: Path, language: str) -> list[str]:
    """Give the code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[str]:
    """Give what a page tells to type: lines of shell blocks, and code within a sentence."""
    text = page.read_text(encoding="utf-8")
    lines = [line.partition("#")[0] for block in blocks(page, "sh") for line in block.split("\n")]
    return [*lines, *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Work in an empty folder, with recipes that end soon."""
    monkeypatch.setitem(RECIPES, "default", quick("default"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_runs(short):
    write_config(tiny_config(write_survey(short), quick("default")), short / "czsl.toml")
    (block,) = blocks(ROOT / "README.md", "python")
    names = {}
    exec(block, names)
    assert len(names["predictions"]) == 60
    assert (short / "predictions.csv").read_text().startswith("id,class,p_round,p_cw,p_acw,")
    assert names["model"].classes_ == ("round", "cw", "acw")


def test_the_readme_fits_on_a_screen():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split("\n")) <= 64


def test_the_first_page_says_what_the_results_say():
    """Each row's figures are the accuracies of that arm in the results of the two tasks."""
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    sections = [
        results.partition(f"## Real galaxies: {title}\n")[2].partition("\n## ")[0]
        for title in ("early or late type", "elliptical and the two senses of spirals")
    ]
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| (\d.*) \| (\d.*) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 4
    for arm, *figures in rows:
        for section, figure in zip(sections, figures, strict=True):
            assert f"\n| {arm} | {figure} |" in section


@pytest.mark.parametrize("name", RECIPES)
def test_the_tables_of_settings_are_toml_that_makes_the_recipe(name, monkeypatch):
    """What the tables say is set, in a file that starts from the other recipe."""
    pytest.importorskip("sphinx")
    made = load(ROOT / "docs" / "_ext" / "from_code.py")
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    stages = re.findall(r"^```\{czsl-settings\}(.*)$", page, re.MULTILINE)
    (other,) = RECIPES.keys() - {name}
    lines, column = [f'name = "{other}"'], list(RECIPES).index(name) + 1
    for stage in map(str.strip, stages):
        told = [(row[0], row[column]) for row in made.setting_rows(*[stage] if stage else [])]
        if told[0][1] == made.LEFT_OUT:
            lines.append(f"{stage} = false")
            continue
        place, skipped = f"{stage}." if stage else "", made.WORDS
        if stage and getattr(RECIPES[other], stage) is None:  # nothing is there to be left out
            skipped = (*skipped, "false")
        lines += [f"{place}{key} = {text}" for key, text in told if text not in skipped]
    recipe = recipe_settings(tomllib.loads("\n".join(lines)))
    assert recipe.model_copy(update={"name": name}) == RECIPES[name]


def test_the_first_survey_runs(short, capsys):
    pytest.importorskip("galsim")
    from czsl.simulate import simulate_survey

    simulate_survey("demo", experts=60, voted=90, unlabelled=10, test=20, processes=1)
    names = {}
    for block in blocks(ROOT / "docs" / "first_survey.md", "python"):
        exec(block, names)
    assert names["done"].rows == 20
    printed = capsys.readouterr().out
    assert "60 expert (60 with votes), 30 volunteer, 10 unlabelled" in printed
    assert "'n': 20" in printed


def test_flags_are_described_as_the_page_says(capsys):
    (block,) = blocks(ROOT / "docs" / "errors_and_flags.md", "python")
    said = [line.partition("# ")[2] for line in block.split("\n") if "# " in line]
    exec(block, {})
    assert capsys.readouterr().out.split("\n")[:-1] == said


@pytest.mark.parametrize("snippet", [snippet for page in TEXTS for snippet in blocks(page, "toml")])
def test_every_configuration_in_the_pages_can_be_used(snippet, tmp_path):
    if "[cost." in snippet:  # a file of its own
        (tmp_path / "cost.toml").write_text(snippet)
        costs = read_costs(tmp_path / "cost.toml", ("other", "merger"))
        assert costs.tolist() == [[0, 1], [10, 0]]
        return
    least = {
        "catalogue": {"table": "a.csv", "id": "id", "images": "images/{id}.jpg"},
        "classes": {"column": "expert", "values": {"early": "E", "late": "L"}},
    }
    given = tomllib.loads(snippet)
    config = make_config({**least, **given})
    for arm, recipe in given.get("arms", {}).items():
        assert config.arms[arm] == recipe_settings(recipe)


def test_there_are_configurations_in_the_pages():
    found = [snippet for page in PAGES for snippet in blocks(page, "toml")]
    assert len(found) > 10
    assert any("[[votes]]" in snippet for snippet in found)


@pytest.mark.parametrize("name", [name for name in czsl.__all__ if name != "__version__"])
def test_every_public_name_is_documented_with_an_example(name):
    documented = getattr(czsl, name).__doc__
    assert "Parameters\n" in documented
    assert ">>> " in documented


def test_what_the_commands_do_is_among_the_public_names():
    """Every name there is can be imported, and every command has its call."""
    text = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    names = re.findall(r"^   (czsl\.[\w.]+)$", text, re.MULTILINE)
    assert len(names) == len(set(names))
    for name in names:
        module, _, inner = name.rpartition(".")
        assert getattr(importlib.import_module(module), inner).__doc__, name
    calls = {
        "demo": ["run_demo"],
        "init": ["guess_config"],
        "check": ["check"],
        "fit": ["fit_run"],
        "compare": ["compare"],
        "predict": ["predict_table", "Asked", "Predicted", "estimate_shares", "read_costs"],
        "explain": ["explain_object", "Explanation", "write_explanation"],
        "report": ["write_report"],
    }
    assert calls.keys() == cli.commands.keys()
    public = {name.rpartition(".")[2] for name in names}
    assert {call for needed in calls.values() for call in needed} <= public


def test_the_api_lists_every_error():
    text = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    for error in (CzslError, *CzslError.__subclasses__()):
        if error.__module__ == "czsl.errors":
            assert f"\n   czsl.errors.{error.__name__}\n" in text, error


def test_the_commands_that_the_pages_name_exist_with_their_options():
    named = set()
    for command in [line for page in TEXTS for line in commands(page)]:
        match = re.match(r"czsl +([a-z]+)(.*)", command.strip())
        if match is None:
            continue
        assert match[1] in cli.commands, command
        named.add(match[1])
        options = [o for p in cli.commands[match[1]].params for o in p.opts]
        for option in re.findall(r"--[a-z]+", match[2]):
            assert option in [*options, "--help"], command
    assert named == set(cli.commands)


def test_the_targets_of_make_that_the_pages_name_exist():
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {
        match[1]
        for page in TEXTS
        for command in commands(page)
        if (match := re.match(r"make +([a-z0-9-]+)", command.strip()))
    }
    assert named >= {"demo", "test", "check", "docs"}
    assert named <= set(targets)


def test_the_command_line_page_shows_every_command():
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    shown = re.findall(r"```\{czsl-help\} ([a-z]+)", page)
    assert shown == cli.list_commands(None)
    assert re.findall(r"^## czsl ([a-z]+)$", page, re.MULTILINE) == shown


def test_the_page_on_comparing_names_all_that_can_be_compared():
    page = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8")
    config = make_config(
        {
            "catalogue": {"table": "a.csv", "id": "id", "images": "images/{id}.jpg"},
            "votes": {"answers": {"e": "n_e", "l": "n_l"}, "extra": ["deb_e", "deb_l"]},
            "classes": {
                "column": "expert",
                "values": {"early": "E", "late": "L"},
                "debiased": {"early": "deb_e", "late": "deb_l"},
            },
        }
    )
    arms = {arm for arm in all_arms(config) if not arm.endswith(("_over", "_under"))}
    for name in (*arms, *GROUPS, *SWEEPS, *MEASURES, *SETS):
        assert f"`{name}`" in page, name
    for name, values in SWEEPS.items():
        assert f"| {', '.join(f'{value:g}' for value in values)} |" in page, name


def test_the_page_on_formats_names_every_column_of_a_comparison():
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    _, _, page = page.partition("## Folder of a comparison")
    for name in {*SUMMARY, *DIFFERENCES, *CELLS}:
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_the_citation_is_of_this_version_and_of_the_paper():
    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert content["version"] == czsl.__version__
    paper = content["preferred-citation"]
    assert (paper["year"], paper["volume"], paper["start"]) == (2023, 526, 1742)
    assert [one["family-names"] for one in paper["authors"]] == [
        "Jimenez",
        "Alfaro",
        "Torres Torres",
        "Triguero",
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build all pages as 'make docs' does, in a folder that is thrown away."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("_build", "generated")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=ignored)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "docs", "html"]
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_built_pages_hold_every_flag(built):
    page = (built / "errors_and_flags.html").read_text(encoding="utf-8")
    for flag in Flag:
        assert flag.name.lower() in page
        assert MEANING[flag] in page


def test_the_built_pages_hold_every_error(built):
    page = (built / "errors_and_flags.html").read_text(encoding="utf-8")
    for error in CzslError.__subclasses__():
        if error.__module__ == "czsl.errors":
            assert error.__name__ in page


def test_the_built_pages_hold_every_command(built):
    page = (built / "command_line.html").read_text(encoding="utf-8")
    for command in cli.commands:
        assert f"Usage: czsl {command} " in page


def test_the_built_pages_hold_every_setting_of_the_stages(built):
    page = (built / "recipes.html").read_text(encoding="utf-8")
    for stage in ("reconstruct", "pretrain", "transfer", "finetune"):
        for setting in type(getattr(RECIPES["czsl2023"], stage)).model_fields:
            assert f">{setting}<" in page or setting == "augment"


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_the_tutorials_were_run_with_plots_and_tables(built, page):
    html = (built / "tutorials" / f"{page.stem}.html").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    told = re.findall(r'alt: "(.+)"', text)
    assert len(told) == text.count(".figure\n") >= 2
    for words in told:
        assert f'<img alt="{words}" src="../_images/' in html.replace("&#39;", "'")
    assert html.count('class="dataframe"') >= 3
    assert "Do not quote" in text


def test_the_public_names_have_built_pages(built):
    generated = {path.stem for path in (built / "api" / "generated").glob("*.html")}
    for name in ("czsl.model.CzSL", "czsl.compare.compare.compare", "czsl.compare.cell.Cell"):
        assert name in generated


@pytest.fixture(scope="module")
def made():
    """The script that writes the page of results."""
    return load(ROOT / "docs" / "make_results.py")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, made):
    """Comparisons and a demo as their commands leave them, of a tiny table of votes."""
    folder = tmp_path_factory.mktemp("results")
    compare_votes(folder / "table", folder / "runs" / "gz1", sweeps=("votes=3",))
    for one in (*made.COMPARISONS[1:], *made.SWEEPS):
        shutil.copytree(folder / "runs" / "gz1", folder / "runs" / one.folder)
    demo = folder / "demo"
    scores = {"accuracy": 0.91, "low": 0.88, "high": 0.93, "n": 1200, "auc": 0.97}
    for name in TIERS:
        model = demo / "runs" / name / "model" / "model.json"
        model.parent.mkdir(parents=True)
        recipe = quick("default").model_dump(mode="json")
        model.write_text(json.dumps({"content": {"recipe": recipe}}))
    (demo / "metrics.json").write_text(json.dumps({"arms": dict.fromkeys(TIERS, scores)}))
    (demo / "demo.png").write_bytes(b"a picture")
    return folder


def test_figures_of_the_results_are_those_of_the_comparison(made, runs, tmp_path):
    made.main(runs / "runs", runs / "demo", tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    score = json.loads((runs / "runs" / "gz1" / "metrics.json").read_text())["arms"]["default"]
    told = f"{score['accuracy']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
    # Six comparisons, and as the base of two sweeps.
    assert page.count(f"| `default` | {told} |") == 6
    assert page.count(told) == 8
    assert "| votes=3 | " in page
    assert "Scored: 300 experts' objects" in page
    assert "| experts only | 0.910 (0.880 to 0.930) |  | 0.970 |  | 1,200 |" in page
    assert (tmp_path / "_static" / "demo.png").read_bytes() == b"a picture"


def test_claims_are_told_with_their_difference(made, runs):
    page = "\n".join(made.claim_section(made.claim_rows(runs / "runs", [])))
    contest = Contest(Results(runs / "runs" / "simulated"), "spirals", "all", 1000)
    found = contest.difference("default", "experts").interval("accuracy", contest.bootstrap)
    assert f"| `default` less `experts` | accuracy | {found.mean:+.3f} |" in page
    verdict = "better" if found.low > 0 else "worse" if found.high < 0 else "undecided"
    # The comparison stands for the simulated galaxies and for the real ones.
    counts = [f"{name} in {2 * (name == verdict)}" for name in ("better", "worse", "undecided")]
    assert f"`default` against `experts`: {', '.join(counts)} of 2." in page


def test_the_results_say_how_a_recipe_was_changed(made):
    changed = quick("czsl2023", transfer=False).model_dump(mode="json")
    told = made.changes(changed)
    assert told.startswith("the recipe `czsl2023` with `folds = 2`, `reconstruct.epochs = 2`")
    assert "`transfer = false`" in told
    ships = RECIPES["default"].model_dump(mode="json")
    assert made.changes(ships) == "the recipe `default` as it ships"
    # A comparison may be older than the settings: one that is gone, or has been off.
    for value, told in ((0.2, "with `finetune.gone = 0.2`"), (0.0, "as it ships")):
        older = ships | {"finetune": ships["finetune"] | {"gone": value}}
        assert made.changes(older) == f"the recipe `default` {told}"


def test_without_comparisons_the_results_say_what_to_run(made, tmp_path):
    made.main(tmp_path, tmp_path, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    _, rest = page.split("## Not measured\n")
    assert rest.count("\n- ") == len((*made.COMPARISONS, *made.SWEEPS))
    assert "- Real galaxies: mergers: `make gz1-mergers`" in rest
    assert page.count("\nNot measured.\n") == page.count("\n### ") > 4


def test_without_comparisons_the_results_of_the_repository_stay(made, tmp_path):
    for name in ("results.md", "claims.json"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    made.main(tmp_path, tmp_path, tmp_path / "results.md")
    for name in ("results.md", "claims.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_comparisons_that_are_gone_stay_as_they_were(made, runs, tmp_path):
    page = tmp_path / "results.md"

    def content() -> dict:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    made.main(runs / "runs", runs / "demo", page)
    before = content()
    made.main(tmp_path, tmp_path, page)
    assert content() == before
    assert {path.name for path in before} == {"results.md", "claims.json", "demo.png"}
    page.write_text(page.read_text().replace("## Real galaxies: mergers", "## No longer shown"))
    made.main(tmp_path, tmp_path, page)
    assert "## No longer shown" not in page.read_text()
    assert "- Real galaxies: mergers: `make gz1-mergers`" in page.read_text()


def test_a_comparison_that_was_run_again_changes_its_own_section_and_claims(made, runs, tmp_path):
    page, claims = tmp_path / "results.md", tmp_path / "claims.json"
    made.main(runs / "runs", runs / "demo", page)
    before, old = made.sections(page), json.loads(claims.read_text())
    again = shutil.copytree(runs / "runs" / "simulated", tmp_path / "runs" / "simulated")
    for path in again.rglob("*"):
        os.utime(path, (0, 0))
    made.main(again.parent, tmp_path, page)
    after, new = made.sections(page), json.loads(claims.read_text())
    changed = [title for title in before if before[title] != after[title]]
    assert changed == [next(iter(before)), "Simulated galaxies: three tasks"]
    assert "Command: `make simulated`. Measured 1970-01-01.\n" in after[changed[1]]
    for was, now in zip(old, new, strict=True):
        mine = now["on"].startswith("simulated") and "confidence" not in now["claim"]
        assert now == (was | {"measured": "1970-01-01"} if mine else was)
    assert {row["measured"] for row in new} > {"1970-01-01"}


def test_a_broken_file_of_a_comparison_is_named(made, runs, tmp_path):
    shutil.copytree(runs / "runs", tmp_path / "runs")
    (tmp_path / "runs" / "votes" / "comparison.json").write_text("{")
    with pytest.raises(SystemExit, match=r"comparison\.json: cannot be read"):
        made.main(tmp_path / "runs", runs / "demo", tmp_path / "results.md")
