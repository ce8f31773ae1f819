"""What votes mean: the table of a run, and the section of the report that shows it."""

import csv
from dataclasses import replace

import numpy as np
import pyarrow.csv as pa_csv
import pytest

from czsl.bundle import read_bundle
from czsl.catalogue import Catalogue
from czsl.config import make_config
from czsl.report.fit_votes import MOST_CLASSES, plot_votes_map, votes_map
from czsl.report.page import Beside, Plots, Section, Table, Text, write_page
from czsl.report.results import read_results
from czsl.report.write import write_report
from czsl.run import fit_run
from czsl.stages.fitted_transfer import FittedTransfer
from czsl.train.checkpoint import without_prefix
from pages import read_page
from tiny import ANSWERS, CLASSES, quick, tiny_model, write_survey

UNANIMOUS = "Posterior where all votes are for one answer"
NUMBERS = (5, 20, 40)


@pytest.fixture(scope="module")
def results(runs):
    """What the run of the default recipe left."""
    return read_results(runs["default"])


def rows_of(folder):
    """Read a run's table as text."""
    with (folder / "transfer.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def posterior(folder, counts):
    """Give the posterior of votes on one question with an extra column that is missing."""
    content, tensors = read_bundle(folder / "model")
    arrays = {name: one.numpy() for name, one in without_prefix("transfer", tensors).items()}
    fitted = FittedTransfer.from_arrays(arrays, collapsed=content.transfer == "collapsed")
    counts = np.array(counts, float)
    number, answers = counts.sum(), len(counts)
    weight = number / (number + 3)
    logs = np.log(answers * (counts + 1) / (number + answers)) / 10
    votes = [*(counts / number * weight), weight, *logs]
    features = [*votes, np.nan, 0.0, 0.0, *np.zeros(len(votes))]  # the last beside extras
    if fitted.uses_image:
        features += [*np.full(answers, np.nan), 0.0]
    return fitted.probabilities(np.array([features]))[0]


def texts(section):
    """Join the paragraphs of a section."""
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


def plots_of(section):
    """Give the plots of a section."""
    parts = [
        part
        for block in section.blocks
        for part in (block.blocks if isinstance(block, Beside) else [block])
    ]
    return [plot for part in parts if isinstance(part, Plots) for plot in part.plots]


def test_the_table_is_what_the_kept_transfer_says(runs):
    rows = rows_of(runs["default"])
    assert list(rows[0]) == [
        *("question", "votes", "kind", "first", "second", "share"),
        *(f"p_{name}" for name in CLASSES),
    ]
    assert len(rows) == len(NUMBERS) * (len(ANSWERS) + 11)
    for row in rows:
        counts = np.zeros(len(ANSWERS))
        share, number = float(row["share"]), int(row["votes"])
        counts[ANSWERS.index(row["first"])] = share * number
        if row["kind"] == "mixture":
            counts[ANSWERS.index(row["second"])] = (1 - share) * number
        found = [float(row[f"p_{name}"]) for name in CLASSES]
        np.testing.assert_allclose(found, posterior(runs["default"], counts), atol=1e-6)


def test_mixtures_are_of_the_answers_with_most_votes(runs, survey):
    with (survey / "objects.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    # A label alone counts for two votes.
    totals = {
        one: sum(int(row[f"n_{one}"] or 0) + 2 * (row["label"] == one) for row in table)
        for one in ANSWERS
    }
    first, second = sorted(totals, key=lambda one: -totals[one])[:2]
    mixtures = [row for row in rows_of(runs["default"]) if row["kind"] == "mixture"]
    assert {(row["first"], row["second"]) for row in mixtures} == {(first, second)}


def test_the_table_is_read_with_numbers_as_numbers(runs):
    table = pa_csv.read_csv(runs["default"] / "transfer.csv")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["votes"] == "int64"
    assert {kinds[f"p_{name}"] for name in CLASSES} == {"double"}
    sums = sum(table[f"p_{name}"].to_numpy() for name in CLASSES)
    np.testing.assert_allclose(sums, 1)


def test_the_section_shows_the_table_of_unanimous_votes(runs):
    page = read_page(write_report(runs["default"]))
    heads, *rows = page.tables[UNANIMOUS]
    assert heads == ["all votes for", "votes", *CLASSES]
    assert [row[:2] for row in rows] == [[one, str(n)] for one in ANSWERS for n in NUMBERS]
    for name, number, *shown in rows:
        found = posterior(runs["default"], int(number) * np.eye(len(ANSWERS))[ANSWERS.index(name)])
        np.testing.assert_allclose([float(one) for one in shown], found, atol=5.1e-4)
    section = page.sections["what-the-votes-mean"]
    assert "extra columns unknown" in section
    assert "other questions" not in section
    order = list(page.sections)
    assert order.index("what-the-votes-mean") == order.index("from-the-votes") + 1


def test_without_a_map_there_is_neither_table_nor_section(runs, results):
    assert not (runs["czsl2023"] / "transfer.csv").exists()
    assert "what-the-votes-mean" not in read_page(write_report(runs["czsl2023"])).sections
    assert votes_map(replace(results, transfer=None)) is None
    assert votes_map(replace(results, transfer_map=[])) is None


def test_the_section_says_whether_the_majority_took_its_place(results):
    for fallback in (False, True):
        section = votes_map(replace(results, transfer=replace(results.transfer, fallback=fallback)))
        assert ("calibrated majority" in texts(section)) == fallback


def test_what_the_image_says_is_told_to_be_unknown(results):
    for uses_image in (False, True):
        transfer = replace(results.transfer, uses_image=uses_image)
        section = votes_map(replace(results, transfer=transfer))
        assert ("image unknown" in texts(section)) == uses_image


def test_lines_are_the_posterior_of_each_class_for_each_number_of_votes(results):
    mixtures = [row for row in results.transfer_map if row["kind"] == "mixture"]
    ax = plot_votes_map(mixtures, CLASSES)
    drawn = [line.get_ydata() for line in ax.lines]
    expected = [
        [row[f"p_{name}"] for row in mixtures if row["votes"] == number]
        for name in CLASSES
        for number in sorted(NUMBERS, reverse=True)
    ]
    np.testing.assert_array_equal(drawn, expected)
    for place in range(len(CLASSES)):
        own = ax.lines[3 * place : 3 * place + 3]
        assert len({(line.get_color(), line.get_marker()) for line in own}) == 1
        assert len({str(line.get_linestyle()) for line in own}) == 3
    assert len({line.get_color() for line in ax.lines}) == len(CLASSES)
    words = [text.get_text().strip() for text in ax.get_legend().get_texts()]
    assert words == [*CLASSES, "40 votes", "20 votes", "5 votes"]


def fake(question, classes):
    """Make the rows of a question with two answers, where later classes are likelier."""
    share = np.arange(1.0, len(classes) + 1)
    posterior = {
        f"p_{name}": float(p) for name, p in zip(classes, share / share.sum(), strict=True)
    }
    common = {"question": question, "votes": 5, **posterior}
    one, other = f"{question} yes", f"{question} no"
    mixtures = [
        {**common, "kind": "mixture", "first": one, "second": other, "share": at}
        for at in (0.0, 0.5, 1.0)
    ]
    unanimous = [
        {**common, "kind": "unanimous", "first": name, "second": "", "share": 1.0}
        for name in (one, other)
    ]
    return [*unanimous, *mixtures]


@pytest.mark.parametrize(("number", "tree"), [(3, False), (3, True), (5, False)])
def test_many_questions_are_all_in_the_table_and_three_are_drawn(results, number, tree):
    names = [f"question {place}" for place in range(number)]
    (asked,) = results.config.votes
    questions = tuple(asked.model_copy(update={"question": name}) for name in names)
    if tree:
        last = questions[-1].model_copy(update={"after": names[0]})
        questions = (*questions[:-1], last)
    changed = replace(
        results,
        config=results.config.model_copy(update={"votes": questions}),
        transfer_map=[row for name in names for row in fake(name, CLASSES)],
    )
    section = votes_map(changed)
    assert [plot.caption.partition("“")[2] for plot in plots_of(section)] == [
        f"{name}”." for name in names[:3]
    ]
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert len(table.rows) == 2 * number
    assert (f"first 3 of {number} questions" in texts(section)) == (number > 3)
    assert "no votes on the other questions" in texts(section)
    assert ("but for those on the way" in texts(section)) == tree


def test_of_many_classes_the_likeliest_are_drawn_and_all_are_in_the_table(results, tmp_path):
    classes = tuple(f"class {place}" for place in range(MOST_CLASSES + 2))
    named = results.content.classes.model_copy(update={"values": {n: (n,) for n in classes}})
    changed = replace(
        results,
        content=results.content.model_copy(update={"classes": named}),
        transfer_map=fake("q", classes),
    )
    section = votes_map(changed)
    (plot,) = plots_of(section)
    assert f"{MOST_CLASSES} of {MOST_CLASSES + 2} classes are drawn" in plot.caption
    assert "class 1" not in plot.image
    assert all(name in plot.image for name in classes[2:])
    write_page(tmp_path / "page.html", title="Page", lead=[], sections=[section])
    assert read_page(tmp_path / "page.html").tables[UNANIMOUS][0][2:] == list(classes)


def test_a_decision_tree_and_a_class_that_no_expert_gave(tmp_path):
    folder = write_survey(tmp_path / "survey")
    path = folder / "objects.csv"
    path.write_text(path.read_text().replace(",acw,", ",cw,"))
    asked = [("shape", ("smooth", "other"), {}), ("sense", ANSWERS[1:3], {"after": "other"})]
    content = {
        "catalogue": {"table": "objects.csv", "id": "id", "images": "images/{id}.png"},
        "votes": [
            {"question": name, "answers": {one: f"n_{one}" for one in answers}, **more}
            for name, answers, more in asked
        ],
        "classes": {"column": "expert", "values": {name: name for name in CLASSES}},
        "images": {"size": 32, "view": 24},
    }
    config = make_config(content, folder=folder).model_copy(update={"recipe": quick("default")})
    model = tiny_model()
    fit_run(model, Catalogue.read(config), tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    assert [dict(row, p_acw="") for row in rows] == [
        {name: str(value) for name, value in dict(row, p_acw="").items()}
        for row in model.transfer_map_
    ]
    assert [(row["question"], row["first"]) for row in rows if row["kind"] == "unanimous"] == [
        (name, answer) for name, answers, _ in asked for _ in NUMBERS for answer in answers
    ]
    assert max(float(row["p_acw"]) for row in rows) < 1e-6
    assert any("'acw' has votes" in note for note in model.notes_)
    page = read_page(write_report(tmp_path / "run"))
    assert {row[-1] for row in page.tables[UNANIMOUS][1:]} == {"0.000"}
    section = page.sections["what-the-votes-mean"]
    assert "“shape”" in section
    assert "“sense”" in section


def test_the_section_has_the_same_numbers_when_the_data_are_gone(results):
    gone = replace(results, catalogue=None, images=None)
    assert votes_map(gone) == votes_map(results)
    assert isinstance(votes_map(gone), Section)
