"""The figures to reach stay until they are measured again, and say when they were."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from czsl.compare.contest import Contest
from czsl.compare.results import Results
from scripts import load
from votes_only import compare_votes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made():
    """The script that writes the page."""
    return load(ROOT / "docs" / "make_goals.py")


@pytest.fixture
def docs(tmp_path):
    """The figures as they are in the repository."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("goals.md", "results.json"):
        shutil.copy(ROOT / "docs" / name, folder)
    return folder


def rows(docs: Path) -> list[dict]:
    return json.loads((docs / "results.json").read_text(encoding="utf-8"))


def different(old: list[dict], new: list[dict]) -> list[dict]:
    return [now for was, now in zip(old, new, strict=True) if was != now]


def test_without_comparisons_every_figure_stays(made, docs):
    made.main(docs / "runs", docs)
    for name in ("goals.md", "results.json"):
        assert (docs / name).read_bytes() == (ROOT / "docs" / name).read_bytes()


def test_every_figure_says_when_it_was_measured(docs):
    page = (docs / "goals.md").read_text(encoding="utf-8")
    for row in rows(docs):
        assert (row["measured"] is None) == (row["value"] is None and not row["seeds"])
        if row["measured"]:
            date.fromisoformat(row["measured"])
            assert f"| {row['measured']} | `{row['command']}` |" in page


def test_a_transfer_on_disk_changes_its_own_rows(made, docs, tmp_path):
    old = rows(docs)
    file = tmp_path / "runs" / "votes-transfer" / "mergers-100.json"
    file.parent.mkdir(parents=True)
    one = {"mean": 0.5, "low": 0.25, "high": 0.75}
    scores = dict.fromkeys(("score", "log_loss", "calibration_error"), one)
    file.write_text(json.dumps({"seeds": [0, 1], "collapsed": 0, "votes": {"all": scores}}))
    os.utime(file, (0, 0))
    made.main(tmp_path / "runs", docs)
    changed = different(old, rows(docs))
    assert [row["measure"] for row in changed] == [
        "G-mean, moved decision",
        "log loss",
        "calibration error",
    ]
    for row in changed:
        assert row["on"] == "43,779 rows, mergers, votes alone, 100 experts"
        assert (row["value"], row["low"], row["high"], row["seeds"]) == (0.5, 0.25, 0.75, [0, 1])
        assert row["measured"] == "1970-01-01"
    page = (docs / "goals.md").read_text(encoding="utf-8")
    told = "| 0.500 | 0.250 to 0.750 | .987 | missed | 2 | 1970-01-01 | `make votes-transfer` |"
    assert page.count(told) == 1
    assert [row["met"] for row in changed] == [False, False, False]


def test_a_comparison_on_disk_changes_what_its_arms_tell(made, docs, tmp_path):
    old = rows(docs)
    folder = tmp_path / "runs" / "simulated"
    compare_votes(tmp_path / "table", folder)
    made.main(tmp_path / "runs", docs)
    # There is no czsl2023, no fused and no coverage in it.
    (row,) = different(old, rows(docs))
    assert row["on"] == "simulated survey, three classes"
    assert row["measure"] == "calibration error, default"
    contest = Contest(Results(folder), "spirals", "all", 1000)
    found = contest.measured["default"].interval("calibration_error", contest.bootstrap)
    assert (row["value"], row["low"], row["high"]) == (found.mean, found.low, found.high)


def aim(made, measure: str, goal: str = "", **found: float):
    """A goal on "a" of which this was found, by the words of its measures."""
    blank = made.blank_row("a", measure, goal, "make a")
    return made.measured(
        blank, {told: {"value": value} for told, value in found.items()}, Path(__file__)
    )


@pytest.mark.parametrize(
    ("measure", "was", "now"),
    [
        ("fused less the better source, votes=1, ln L", " (votes)", " (image)"),
        ("coverage of 90%, fused, each class", "class late (9 objects)", "class late (8 objects)"),
        ("accuracy of default with 9 experts less that of czsl2023 with all", "111", "96"),
    ],
)
def test_a_goal_whose_words_tell_the_outcome_is_replaced(made, measure, was, now):
    def told(outcome: str) -> str:
        if outcome.startswith(" "):
            return measure.replace("source", f"source{outcome}")
        return measure.replace("each class", outcome).replace("all", outcome)

    (old,) = aim(made, measure, **{told(was): 0.25}).found
    elsewhere = old | {"on": "b"}
    assert made.renewed_rows([aim(made, measure)], [elsewhere, old]) == [old]
    (new,) = made.renewed_rows([aim(made, measure, **{told(now): 0.5})], [old])
    assert (new["measure"], new["value"]) == (told(now), 0.5)


def test_what_is_kept_has_the_goal_of_today_and_what_has_none_drops_out(made):
    (old,) = aim(made, "accuracy", ".9", accuracy=0.25).found
    gone = old | {"measure": "recall"}
    aims = [aim(made, "log loss", "at most 1"), aim(made, "accuracy", ".95")]
    blank, kept = made.renewed_rows(aims, [gone, old])
    assert kept == old | {"goal": ".95"}
    assert (blank["measure"], blank["value"], blank["measured"]) == ("log loss", None, None)
    told = "\n".join(made.page([blank, kept | {"value": None}]))
    assert "| a | log loss | not measured |  | at most 1 |  | 0 |  | `make a` |" in told
    assert "| a | accuracy | not reached |" in told


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (".975", 0.975, True),
        (".975", 0.9749, False),
        ("at most .02", 0.02, True),
        ("at most .02", 0.0201, False),
        ("at most 0", 1, False),
        ("at least 0", -0.001, False),
        ("not below 0", 0.0, True),
        (".88 to .92", 0.93, False),
        (".88 to .92", 0.87, False),
        (".88 to .92", 0.88, True),
        ("at most .1", None, False),  # measured, and no number of experts tried is enough
        ("", 0.5, None),
    ],
)
def test_a_goal_is_reached_or_missed_by_its_figure(made, goal, value, met):
    (row,) = aim(made, "accuracy", goal, accuracy=value).found
    assert row["met"] is met
    (line,) = list(made.page([row]))[-1:]
    assert f"| {goal} | {made.VERDICTS[met]} |" in line


def test_what_is_kept_is_judged_by_the_goal_of_today(made):
    (old,) = aim(made, "accuracy", ".9", accuracy=0.92).found
    (kept,) = made.renewed_rows([aim(made, "accuracy", ".95")], [old])
    assert (old["met"], kept["met"]) == (True, False)
    (blank,) = made.renewed_rows([aim(made, "recall", ".95")], [])
    assert blank["met"] is None


def test_a_goal_in_other_words_is_an_error(made):
    with pytest.raises(ValueError, match="the goal 'about 1' is spelled in no known way"):
        aim(made, "accuracy", "about 1", accuracy=1.0)
