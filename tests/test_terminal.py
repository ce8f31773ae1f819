"""What the command line shows: names and paths as they are, whatever is in them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from czsl.check import check
from czsl.cli import main
from czsl.compare.plan import CellName
from czsl.compare.runner import Tally
from czsl.config import write_config
from czsl.survey.explain import Explanation
from czsl.terminal import (
    FitDisplay,
    console,
    errors,
    show_arms,
    show_checked,
    show_comparison,
    show_explained,
    show_path,
)
from votes_only import votes_config, write_table

NAMES = ("[/A]", "[new]", "[red]early[/red]", ":star:", "a\\")
"""Each means something to what draws on terminals, or did."""

SCORE = {
    "accuracy": 0.9,
    "low": 0.8,
    "high": 0.95,
    "n": 20,
    "gmean": 0.9,
    "auc": None,
    "log_loss": None,
}


def lines(text: str) -> list[str]:
    """The first word of each line."""
    return [line.split()[0] for line in text.split("\n") if line.strip()]


def test_scores_name_every_arm_as_it_is(tmp_path: Path) -> None:
    arms = dict.fromkeys(NAMES, SCORE)
    with console.capture() as shown:
        show_arms(arms | {"[none]": {"n": 0}}, title="[b]title")
        show_comparison(tmp_path, {"tasks": {"[task]": arms}})
    found = lines(shown.get())
    assert found[0] == "[b]title"
    assert [name for name in found if name in NAMES] == [*NAMES, *NAMES]
    assert {"[none]", "[task]:"} <= set(found)


def test_a_path_is_in_one_line_as_it_is() -> None:
    path = Path("a long way") / ("deep" * 30) / "out[new]" / "[/b].html"
    with console.capture() as shown:
        show_path("report", path)
    assert shown.get() == f"report: {path}\n"


def test_what_failed_is_named_as_it_is() -> None:
    with console.capture() as shown, FitDisplay() as display:
        last = CellName(task="[t]", setting="all", arm="[/A]", execution=1, fold=1)
        display.told(Tally(done=1, total=1, seconds_left=1, failed=1, last=last, error="E: [/x]"))
        display.started("[new]")
    assert f"failed: {last}: E: [/x]\n" in shown.get()
    assert "[/A]" in str(last)
    assert shown.get().endswith("[new]\n")


def test_an_explanation_heads_its_columns_with_the_classes() -> None:
    posterior = dict.fromkeys(NAMES, 0.2)
    found = Explanation(
        name="[1]",
        model="[m]",
        tier="expert",
        expert="[/A]",
        pixels=None,
        posteriors={"image": posterior},
        decided="[new]",
        source="image",
        classes=("[/A]", "[new]"),
        coverage=0.9,
        votes={"[q]": {"[a]": 3.0}},
        number=3.0,
        flags={},
        neighbours=(),
        notes=("there is no column '[n]'",),
    )
    with console.capture() as shown, errors.capture() as noted:
        show_explained(found)
    text = shown.get()
    assert noted.get() == "note: there is no column '[n]'\n"
    assert "[1] (expert) by [m]\n" in text
    (heads,) = (line for line in text.split("\n") if line.startswith("posterior from"))
    assert heads.split()[2:] == list(NAMES)
    assert "class: [new]; at 90% coverage: [/A] or [new]" in text
    assert "Votes on '[q]'" in text


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Votes on two classes and answers whose names are like markup, in such a folder."""
    folder = write_table(tmp_path / "out[new]", count=60)
    classes = {
        "values": {"[/A]": "E", "[old]": "L"},
        "from_answers": {"[/A]": ["[s]"], "[old]": ["[/d]"]},
        "debiased": {"[/A]": "e_deb", "[old]": "l_deb"},
    }
    votes = {"answers": {"[s]": "smooth", "[/d]": "disc"}}
    config = votes_config(folder, classes=classes, votes=votes)
    write_config(config, folder / "czsl.toml")
    return folder


def test_a_check_names_classes_and_answers_as_they_are(survey: Path) -> None:
    with console.capture() as shown:
        show_checked(check(survey), survey)
    text = shown.get()
    assert text.count("[/A]") == 3  # classes, and both sides of the confusion
    assert text.count("[old]") == 3
    assert {"[s]", "[/d]"} <= set(lines(text))


def test_a_comparison_says_where_it_is(survey: Path) -> None:
    out = survey / "[c]"
    result = CliRunner().invoke(
        main, ["compare", str(survey), "--arms", "majority,logistic", "--out", str(out)]
    )
    assert result.exit_code == 0
    assert f"scores with intervals: {out / 'summary.csv'}\n" in result.output
    assert f"report: {out / 'report.html'}\n" in result.output


def test_init_says_a_command_that_can_be_copied(survey: Path) -> None:
    target = survey / "new one.toml"
    result = CliRunner().invoke(main, ["init", str(survey / "objects.csv"), "--out", str(target)])
    assert result.exit_code == 0
    assert f"written: {target}; look it over, then: czsl check '{target}'\n" in result.output
