"""The report of a comparison, made of real ones and read back."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from czsl.cli import main
from czsl.compare.compare import compare, read_tasks
from czsl.compare.measures import confusion
from czsl.compare.plan import Task
from czsl.compare.protocols import Protocol
from czsl.compare.results import Results
from czsl.errors import RunError
from czsl.model import Hardware
from czsl.report.comparison_data import read_comparison
from czsl.report.write import write_report
from pages import read_page
from tiny import quick, tiny_config, write_survey
from votes_only import votes_config, write_table

ONE_THREAD = Hardware(device="cpu", threads=1)


def sure(cell):
    """Name the class of most experts, without doubt, and fail in a fold."""
    if cell.fold == 2 and cell.seed == 0:
        raise ZeroDivisionError("no luck")
    return np.tile(np.eye(len(cell.truth.classes))[int(cell.prior.argmax())], (len(cell.scored), 1))


def rewrite(folder, *, late=None):
    """Leave a table with so many objects of the class L, and make its folds five blocks."""
    path = folder / "objects.csv"
    head, *lines = path.read_text().splitlines()
    kept = [line for line in lines if ",L," in line][:: 1 if late is None else 100 // late][:late]
    lines = [line for line in lines if ",E," in line or line in kept]
    blocks = [f"{line[:-1]}{index * 5 // len(lines)}" for index, line in enumerate(lines)]
    path.write_text("\n".join([head, *blocks]) + "\n")
    return votes_config(folder, catalogue={"fold": "fold"})


@pytest.fixture(scope="module")
def votes(tmp_path_factory):
    """Two tasks on votes, in file order, with sweeps, an arm that fails, and a rare class."""
    folder = tmp_path_factory.mktemp("votes")
    even = rewrite(write_table(folder / "even"))
    rare = rewrite(write_table(folder / "rare", seed=6), late=15)
    arms = ("majority", "logistic")
    more = {"sure": sure}
    compare(
        [
            Task.of(even, "even", arms=arms),
            Task.of(rare, "rare", arms=(*arms, "logistic_over"), more=more),
        ],
        folder / "out",
        protocol=Protocol(name="czsl2023", order="file", experts=0.2, folds=5),
        executions=2,
        sweeps=["experts=15,25", "confidence=0.6", "votes=5", "unlabelled=0"],
        reference="logistic",
        hardware=ONE_THREAD,
    )
    write_report(folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """One task with images, once."""
    folder = tmp_path_factory.mktemp("images")
    config = tiny_config(write_survey(folder / "survey"), quick("default"))
    arms = ("experts", "majority", "no_transfer", "default")
    task = Task.of(config, "shapes", arms=arms)
    compare(
        [task],
        folder / "out",
        protocol=Protocol(folds=2),
        sweeps=["experts=6"],
        hardware=ONE_THREAD,
    )
    write_report(folder / "out")
    return folder / "out"


@pytest.fixture(scope="module", params=["votes", "images"])
def page(request):
    """Each page with its folder."""
    folder = request.getfixturevalue(request.param)
    return folder, read_page(folder / "report.html")


def table(path, **wanted):
    """Read rows of a CSV table."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def shown(number, sign=""):
    return "" if number == "" else f"{float(number):{sign}.3f}"


def test_the_page_is_one_file_that_needs_no_network(page):
    folder, read = page
    text = (folder / "report.html").read_text()
    assert len(text.encode()) < 10_000_000
    assert "http" not in text
    assert not [tag for tag in ("script", "link", "img") if read.all(tag)]
    ids = [given["id"] for _, given in read.elements if "id" in given]
    assert len(ids) == len(set(ids))
    assert {one["href"][1:] for one in read.all("a") + read.all("use")} <= set(ids)
    plots = read.all("svg")
    assert len(plots) > 10
    assert all(one["role"] == "img" and len(one["aria-label"]) > 20 for one in plots)


def test_sections_of_one_task(images):
    assert list(read_page(images / "report.html").sections) == [
        "result",
        "what-was-compared",
        "arms",
        "differences-to-default",
        "tier-by-tier",
        "with-fewer-labels",
        "confusion",
        "calibration",
        "settings",
    ]


def test_tasks_are_parted_and_listed(votes):
    read = read_page(votes / "report.html")
    names = list(read.sections)
    assert names[0] == "in-short"
    assert names[-1] == "settings"
    assert {name.split("-")[0] for name in names[1:-1]} == {"even", "rare"}
    assert [one["href"] for one in read.all("a")] == [f"#{name}" for name in names]
    rows = read.tables["The arm of the highest accuracy in each task, ceilings left out"][1:]
    for task, row in zip(read_comparison(votes), rows, strict=True):
        assert row[0] == task.task
        best = max(task.arms, key=lambda arm: task.value(arm).mean)
        assert row[2:4] == [task.name(best), shown(task.value(best).mean)]


def test_scores_are_those_of_the_summary(images):
    read = read_page(images / "report.html")
    heads, *rows = read.tables["Scores on the test folds"]
    assert [row[0] for row in rows] == [
        "experts only",
        "volunteers' majority",
        "default, no transfer",
        "default",
    ]
    for measure, head in (
        ("accuracy", "accuracy"),
        ("gmean", "G-mean"),
        ("log_likelihood", "log-lik."),
        ("calibration_error", "calib."),
    ):
        summed = table(images / "summary.csv", setting="all", set="test", measure=measure)
        assert [row[heads.index(head)] for row in rows] == [shown(one["mean"]) for one in summed]
    accuracy = table(images / "summary.csv", setting="all", set="test", measure="accuracy")
    assert [row[3:5] for row in rows] == [[shown(o["low"]), shown(o["high"])] for o in accuracy]
    objects = [
        score["n"] for score in json.loads((images / "metrics.json").read_text())["arms"].values()
    ]
    assert [int(row[1]) for row in rows] == objects
    assert objects[1] < objects[3]  # four experts' objects have no votes


def test_differences_are_those_of_the_table(images):
    heads, *rows = read_page(images / "report.html").tables["Accuracy less that of default"]
    found = table(images / "differences.csv", setting="all", measure="accuracy")
    assert len(rows) == len(found) == 3
    for row, one in zip(rows, found, strict=True):
        assert row[1:4] == [shown(one[name], "+") for name in ("difference", "low", "high")]
        assert row[heads.index("verdict")] == one["verdict"]
        assert row[heads.index("p (Holm)")] == shown(one["p_holm"])
        assert row[heads.index("P better")] == shown(one["better"])


def test_tiers_are_climbed_step_by_step(images):
    rows = read_page(images / "report.html").tables["From experts only to default"][1:]
    assert [row[:2] for row in rows] == [
        ["experts only", "starts from experts' classes"],
        ["default, no transfer", "volunteers' votes"],
        ["default", "the transfer from votes to classes"],
    ]
    found = table(images / "steps.csv", measure="accuracy")
    assert [(one["arm"], one["reference"]) for one in found] == [
        ("no_transfer", "experts"),
        ("default", "no_transfer"),
    ]
    assert [row[3:6] for row in rows[1:]] == [
        [shown(one[name], "+") for name in ("difference", "low", "high")] for one in found
    ]


def test_volunteers_are_weighed_in_experts_labels(images):
    heads, *rows = read_page(images / "report.html").tables["What volunteers' labels are worth"]
    assert [row[:3] for row in rows if row[0] == "default"] == [
        ["default", "6", "28"],
        ["default", "10", "28"],
    ]
    for row in rows:
        assert re.fullmatch(r"[<>]?\d+", row[heads.index("experts' labels needed")])
    last = [row for row in rows if row[0] == "default"][-1]
    if last[4] == ">10":
        assert last[-1] == "unknown: beyond the sweep"


def test_a_single_execution_and_few_objects_are_warned_of(images, votes):
    text = read_page(images / "report.html").sections["result"]
    assert "one execution only" in text
    assert "fewer than 20 scored objects of round (7), cw (7), acw (6)" in text
    assert "wider than 0.1 for experts only; default, no transfer; default." in text
    rare = read_page(votes / "report.html").sections["rare-result"]
    assert "one execution only" not in rare
    assert "late (15)" in rare


def test_file_order_is_warned_of(votes, images):
    text = read_page(votes / "report.html").sections["even-result"]
    assert "U as published contains A" in text
    assert "folds 3, 4 and 5 learn from nearly the same labelled objects" in text
    assert "in the table's order" in text
    assert "order" not in read_page(images / "report.html").sections["result"]


def test_failures_are_listed_with_their_error(votes):
    read = read_page(votes / "report.html")
    rows = read.tables["Cells that failed"][1:]
    assert ["all", "sure", "1", "ZeroDivisionError: no luck"] in rows
    failed = sum(int(row[2]) for row in rows)
    assert f"{failed} of " in read.sections["rare-result"]
    assert "failed" not in read.sections["even-result"]


def test_a_rare_class_is_shown_by_sampling(votes):
    read = read_page(votes / "report.html")
    assert "rare-rare-classes" in read.sections
    assert "even-rare-classes" not in read.sections
    heads, *rows = read.tables["G-mean by sampling"]
    assert heads == ["arm", "none", "over-sampled", "under-sampled", "moved decision"]
    summed = {
        (one["arm"], one["measure"]): one["mean"]
        for one in table(votes / "summary.csv", task="rare", setting="all", set="test")
    }
    row = next(row for row in rows if row[0] == "logistic on votes")
    assert row[1:] == [
        shown(summed["logistic", "gmean"]),
        shown(summed["logistic_over", "gmean"]),
        "",
        shown(summed["logistic", "gmean_moved"]),
    ]


def test_confusion_is_the_mean_of_the_executions(votes):
    results = Results(votes)
    labels = results.labels("even")
    posterior = results.posterior("even", "all", "logistic")
    mean = np.mean([confusion(one, labels, 2) for one in posterior], axis=0)[:, :2]
    rows = read_page(votes / "report.html").tables["The same in numbers"][1:]
    mine = [row for row in rows if row[0] == "logistic on votes"][:4]
    assert [row[3] for row in mine] == [f"{one:.1f}" for one in mean.ravel()]


def test_sweeps_are_those_of_the_summary(votes):
    read = read_page(votes / "report.html")
    for sweep, labels in (
        ("experts' labels", ["15", "25", "48"]),
        ("least leading share of the votes", ["all", "0.6"]),
        ("votes on each object", ["5", "all"]),
        ("unlabelled images", ["0", "144"]),
    ):
        rows = read.tables[f"By {sweep}, in numbers"][1:]
        even = rows[: 2 * len(labels)]
        assert list(dict.fromkeys(row[0] for row in even)) == labels
    assert "of fewer objects: logistic on votes at 15" in read.sections["rare-with-fewer-labels"]
    assert "fewer objects:" not in read.sections["even-with-fewer-labels"]
    points = read.tables["By experts' labels, in numbers"][1:3]
    summed = table(
        votes / "summary.csv", task="even", setting="experts=15", set="test", measure="accuracy"
    )
    assert [row[4] for row in points] == [shown(one["mean"]) for one in summed]
    assert {row[2] for row in points} == {"15"}


def test_the_command_says_what_was_done(votes):
    text = read_page(votes / "report.html").sections["settings"]
    assert (
        "czsl compare CONFIG --out NEW_FOLDER --protocol czsl2023 --order file --folds 5 "
        "--sweep experts=15,25 --sweep confidence=0.6 --sweep votes=5 --sweep unlabelled=0 "
        "--reference logistic --executions 2 --seed 0" in text
    )
    assert "was made in Python" in text
    assert "majority" in text


def test_the_same_comparison_gives_the_same_page(images):
    before = (images / "report.html").read_bytes()
    assert write_report(images).read_bytes() == before


def test_one_arm_alone_has_no_differences(tmp_path):
    config = votes_config(write_table(tmp_path / "table", count=60))
    task = Task.of(config, "types", arms=("majority",))
    compare([task], tmp_path / "out", hardware=ONE_THREAD)
    sections = read_page(write_report(tmp_path / "out")).sections
    assert not [name for name in sections if name.startswith("differences")]
    assert "1 arms; " in sections["what-was-compared"]


def test_where_every_cell_failed_the_reason_is_told(tmp_path):
    def broken(cell):
        raise ZeroDivisionError("no luck")

    config = votes_config(write_table(tmp_path / "table", count=30))
    task = Task.of(config, "types", arms=("majority",), more={"broken": broken})
    only = Task(name="types", config=task.config, arms={"broken": broken})
    compare([only], tmp_path / "out", hardware=ONE_THREAD)
    with pytest.raises(RunError, match=r"every cell failed.*cells.csv"):
        write_report(tmp_path / "out")


def without_votes(folder, **more):
    """Describe a table in which experts and volunteers have seen other objects."""
    path = write_table(folder, **more) / "objects.csv"
    head, *lines = path.read_text().splitlines()
    parted = []
    for index, line in enumerate(lines):
        name, smooth, disc, other, *rest, expert, fold = line.split(",")
        if index % 2:
            smooth = disc = other = ""
        else:
            expert = ""
        parted.append(",".join([name, smooth, disc, other, *rest, expert, fold]))
    path.write_text("\n".join([head, *parted]) + "\n")
    return votes_config(folder)


def constant(cell):
    """Judge by the shares of the classes."""
    return np.tile(cell.prior, (len(cell.scored), 1))


def test_an_arm_that_judges_nothing_is_named_and_the_others_stay(tmp_path):
    parted = without_votes(tmp_path / "parted", count=80)
    whole = votes_config(write_table(tmp_path / "whole", count=60))
    tasks = [
        Task.of(parted, "parted", arms=("majority",), more={"constant": constant}),
        Task.of(parted, "silent", arms=("majority",)),
        Task.of(whole, "whole", arms=("majority",)),
    ]
    out = tmp_path / "out"
    compare(tasks, out, reference="majority", hardware=ONE_THREAD)
    rows = [row for row in table(out / "summary.csv") if row["set"] == "test"]
    nothing = [row for row in rows if row["arm"] == "majority" and row["task"] != "whole"]
    assert [(row["mean"], row["folds"], row["failures"]) for row in nothing] == [("", "5", "0")] * 2
    metrics = json.loads((out / "metrics.json").read_text())["tasks"]
    assert {task: list(arms) for task, arms in metrics.items()} == {
        "parted": ["constant"],
        "silent": [],
        "whole": ["majority"],
    }
    sections = read_page(write_report(out)).sections
    why = "volunteers' majority judged no object of the test folds, and has no score"
    assert why in sections["parted-result"]
    assert why in sections["silent-result"]
    assert "No arm has a score" in sections["silent-result"]
    assert why not in sections["whole-result"]


def test_arms_that_judge_no_object_in_common_have_no_difference(tmp_path):
    def judged(cell, start):
        posterior = constant(cell)
        posterior[start::2] = np.nan
        return posterior

    config = votes_config(write_table(tmp_path / "table", count=60))
    more = {"even": lambda cell: judged(cell, 1), "odd": lambda cell: judged(cell, 0)}
    out = tmp_path / "out"
    compare([Task(name="types", config=config, arms=more)], out, hardware=ONE_THREAD)
    found = {
        (row["difference"], row["p"], row["objects"]) for row in table(out / "differences.csv")
    }
    assert found == {("", "", "0")}
    assert "differences-to-odd" not in read_page(write_report(out)).sections


def test_a_comparison_that_was_not_summed_up_is_refused(images, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(images, copy, ignore=shutil.ignore_patterns("stages"))
    (copy / "summary.csv").unlink()
    with pytest.raises(RunError, match=r"summary.csv: cannot be read .*--resume"):
        write_report(copy)


def test_the_command_line_writes_the_report(tmp_path):
    config = votes_config(write_table(tmp_path / "table", count=60))
    (tmp_path / "table" / "czsl.toml").write_text(config.to_toml())
    out = tmp_path / "out"
    given = ["--arms", "majority,logistic", "--folds", "3", "--threads", "1", "--out", str(out)]
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "table"), *given])
    assert done.exit_code == 0, done.output
    assert f"report: {out / 'report.html'}" in done.output.replace("\n", "")
    command = read_page(out / "report.html").sections["settings"]
    assert f"czsl compare {tmp_path / 'table'} --out" in command
    assert "--arms majority,logistic" in command
    (out / "report.html").unlink()
    again = CliRunner().invoke(main, ["report", str(out)])
    assert again.exit_code == 0, again.output
    assert (out / "report.html").exists()


def test_a_task_without_scores_does_not_hide_the_others(tmp_path):
    given = ["--folds", "3", "--threads", "1", "--arms", "majority,logistic"]
    # No expert's object has votes: majority judges nothing, and every cell of logistic fails.
    (tmp_path / "silent.toml").write_text(without_votes(tmp_path, count=60).to_toml())
    whole = votes_config(write_table(tmp_path / "whole", count=60))
    (tmp_path / "whole" / "czsl.toml").write_text(whole.to_toml())
    both = [str(tmp_path / "silent.toml"), str(tmp_path / "whole")]
    for configs, code in ((both, 0), (both[:1], 1)):
        out = tmp_path / f"out{len(configs)}"
        done = CliRunner().invoke(main, ["compare", *configs, *given, "--out", str(out)])
        assert done.exit_code == code, done.output
        why = "no arm has a score, every cell failed, or judged no object of its test fold; see"
        assert f"{why} {out / 'cells.csv'}" in done.output
        assert ("volunteers' majority" in done.output) == (code == 0)
        assert (out / "report.html").exists() == (code == 0)


def test_the_real_galaxies_fit_into_a_page(shared_data, tmp_path):
    tasks = read_tasks([shared_data / "gz1"], ("majority", "logistic"))
    compare(tasks, tmp_path / "out", protocol=Protocol(name="czsl2023"), hardware=ONE_THREAD)
    path = write_report(tmp_path / "out")
    assert path.stat().st_size < 10_000_000
    read = read_page(path)
    assert "mergers-rare-classes" in read.sections
    assert "40,902" in read.sections["early-late-what-was-compared"]
    assert float(read.tables["Scores on the test folds"][2][2]) > 0.9
