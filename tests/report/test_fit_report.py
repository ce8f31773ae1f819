"""The report of a fit, made of real runs and read back."""

import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from czsl.catalogue import majority_class
from czsl.cli import main
from czsl.config import write_config
from czsl.errors import MissingExtraError, RunError
from czsl.recipes import RECIPES
from czsl.report.results import read_results
from czsl.report.write import write_report
from czsl.run import Run, fit_run
from pages import read_page
from tiny import CLASSES, quick, tiny_catalogue, tiny_config, tiny_model, write_survey

SECTIONS = [
    "result",
    "what-was-left-out",
    "what-went-in",
    "training",
    "autoencoder",
    "from-the-image",
    "from-the-votes",
    "how-far-to-trust-a-row",
    "volunteers-and-experts",
    "objects-to-look-at",
    "settings",
]


@pytest.fixture(scope="module")
def written(runs):
    """The path of each run's report."""
    return {name: write_report(folder) for name, folder in runs.items()}


@pytest.fixture(scope="module")
def pages(written):
    """Each run's report, read back."""
    return {name: read_page(path) for name, path in written.items()}


def column(page, caption, name):
    """Give a column of a table as text, by its heading."""
    heads, *rows = page.tables[caption]
    return [row[heads.index(name)] for row in rows]


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_page_is_one_file_that_needs_no_network(written, pages, name):
    text = written[name].read_text()
    assert written[name].stat().st_size < 10_000_000
    assert "http" not in text
    assert not pages[name].all("script")
    assert not pages[name].all("link")
    addresses = [one["src"] for one in pages[name].all("img")]
    assert addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    for one in pages[name].all("a") + pages[name].all("use"):
        assert one["href"].startswith("#")


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_picture_is_told_in_words_and_every_id_is_its_own(pages, name):
    page = pages[name]
    assert all(one["alt"].strip() for one in page.all("img"))
    plots = page.all("svg")
    assert len(plots) > 8
    assert all(one["role"] == "img" and len(one["aria-label"]) > 20 for one in plots)
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))
    used = {one["href"][1:] for one in page.all("a") + page.all("use")}
    assert used <= set(ids)


def test_sections_are_those_that_have_something_to_show(pages):
    assert (
        list(pages["czsl2023"].sections) == [one for one in SECTIONS if one != "what-was-left-out"]
        or list(pages["czsl2023"].sections) == SECTIONS
    )
    assert "autoencoder" not in pages["default"].sections
    assert [one["href"] for one in pages["default"].all("a")] == [
        f"#{name}" for name in pages["default"].sections
    ]


@pytest.mark.parametrize("name", list(RECIPES))
def test_scores_are_those_of_the_metrics(pages, runs, name):
    scores = json.loads((runs[name] / "metrics.json").read_text())["scores"]
    page = pages[name]
    kinds = {"majority": "volunteers' majority", "votes": "votes (transfer)", "image": "image"}
    if name == "default":
        kinds["fused"] = "image and votes"
    assert column(page, "Scores out of fold", "by") == list(kinds.values())
    for heading, measure in (
        ("accuracy", "accuracy"),
        ("95% from", "low"),
        ("95% to", "high"),
        ("log loss", "log_loss"),
        ("objects", "n"),
    ):
        expected = [scores[kind].get(measure) for kind in kinds]
        shown = [
            "" if one is None else str(one) if measure == "n" else f"{one:.3f}" for one in expected
        ]
        assert column(page, "Scores out of fold", heading) == shown
    assert f"{scores['image']['accuracy']:.3f}" in page.sections["result"]


def test_what_went_in_is_counted(pages):
    page = pages["default"]
    assert dict(row[:2] for row in page.tables["Objects"][1:]) == {
        "expert": "20",
        "volunteer": "28",
        "unlabelled": "12",
        "expert, with votes too": "16",
        "all": "60",
    }
    assert column(page, "Objects of each class", "experts") == ["7", "7", "6"]
    assert column(page, "Images with a flag", "flag") == ["image_missing", "image_unreadable"]
    assert column(page, "Images with a flag", "images") == ["1", "1"]
    assert "58 of 60 can be used" in page.sections["what-went-in"]


@pytest.mark.parametrize("name", list(RECIPES))
def test_confusion_is_that_of_the_predictions(pages, runs, survey, name):
    table = pq.read_table(runs[name] / "predictions.parquet")
    catalogue = tiny_catalogue(survey, quick(name))
    experts = catalogue.experts[catalogue.is_expert]
    image = np.stack([table[f"p_image_{one}"].to_numpy() for one in CLASSES], axis=1)
    predicted = image.argmax(axis=1)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (experts, predicted), 1)
    rows = pages[name].tables["Experts (rows) against image (columns), objects"][1:]
    assert [row[1:4] for row in rows] == expected.astype(str).tolist()

    voted = catalogue.has_votes[catalogue.is_expert]
    majority = majority_class(catalogue)[catalogue.is_expert]
    expected = np.zeros((3, 4), int)
    np.add.at(expected, (experts[voted], majority[voted]), 1)
    caption = "Experts (rows) against volunteers' majority (columns), objects"
    assert [row[1:5] for row in pages[name].tables[caption][1:]] == expected.astype(str).tolist()


def test_the_vote_map_counts_every_object_once_for_each_class(pages):
    caption = "Experts by the share of votes for a class"
    counts = [int(one) for one in column(pages["default"], caption, "objects")]
    names = column(pages["default"], caption, "class")
    for name in CLASSES:
        assert sum(n for n, one in zip(counts, names, strict=True) if one == name) == 16


def test_disagreements_are_counted_and_shown(survey, tmp_path):
    """One expert against sixteen of twenty volunteers."""
    folder = shutil.copytree(survey, tmp_path / "survey")
    lines = (folder / "objects.csv").read_text().splitlines()
    row = lines[1].split(",")
    assert row[7] == "round"
    row[1:5], row[7] = ["16", "2", "1", "1"], "cw"
    lines[1] = ",".join(row)
    (folder / "objects.csv").write_text("\n".join(lines) + "\n")
    fit_run(tiny_model(), tiny_catalogue(folder, quick("default")), tmp_path / "run")
    page = read_page(write_report(tmp_path / "run"))
    assert ["round", "cw", "1"] in page.tables["Where they disagree"]
    section = page.sections["volunteers-and-experts"]
    cards = section.partition("Volunteers say round, experts say cw (1)")[2]
    assert cards.split()[0] == row[0]
    assert "round 80%" in " ".join(cards.split())


def test_calibration_before_and_after(pages, runs):
    found = read_results(runs["default"])
    rows = pages["default"].tables["Calibration of the image's posterior"][1:]
    assert [row[0] for row in rows] == ["before", "after"]
    assert rows[1][1] == f"{found.content.temperature:.3f}"
    assert [row[2] for row in rows] == ["0.000", f"{found.content.lapse:.3f}"]
    assert rows[1][3] == f"{found.scores['image']['log_loss']:.3f}"
    # Calibration makes the classes of these very objects likelier.
    assert float(rows[0][3]) >= float(rows[1][3])
    assert not [one for one in pages["czsl2023"].tables if one.startswith("Calibration")]


def test_the_autoencoder_shows_images_beside_their_reconstructions(pages, runs):
    section = pages["czsl2023"].sections["autoencoder"]
    assert len(re.findall(r"error \(rms\)", section)) == 12
    ids = pq.read_table(runs["czsl2023"] / "predictions.parquet")["id"].to_pylist()
    assert all(name in section for name in ids[:12])
    alternatives = [one["alt"] for one in pages["czsl2023"].all("img")]
    assert alternatives[:24:2] == [f"cutout of {name}" for name in ids[:12]]
    assert set(alternatives[1:24:2]) == {"its reconstruction"}


def test_training_has_a_row_for_every_network(pages):
    table = pages["czsl2023"].tables["Every training"]
    assert [row[:3] for row in table[1:]] == [
        ["reconstruct", "all", "2"],
        ["pretrain", "1", "2"],
        ["pretrain", "2", "2"],
        ["finetune", "1", "2"],
        ["finetune", "2", "2"],
    ]


def test_settings_say_how_to_do_the_same_again(pages, runs):
    section = pages["default"].sections["settings"]
    folder = runs["default"].resolve()
    assert f"czsl fit {folder} --out NEW_FOLDER --seed 3" in section
    assert (folder / "czsl.toml").read_text() in section
    given = dict(pages["default"].tables["Seed, fingerprints and versions"][1:])
    content = read_results(folder).content
    assert given["model"] == content.fingerprint
    assert given["images"] == content.data["images"]
    assert {"Python", "numpy", "PyTorch"} <= set(given)


def test_the_same_run_gives_the_same_page(written, runs):
    before = written["default"].read_bytes()
    assert write_report(runs["default"]).read_bytes() == before


def test_with_experts_alone_there_is_nothing_of_volunteers(tmp_path):
    folder = write_survey(tmp_path / "survey", tiers="eu")
    catalogue = tiny_catalogue(folder, quick("default"), votes=None, classes={"from_answers": {}})
    fit_run(tiny_model(), catalogue, tmp_path / "run")
    page = read_page(write_report(tmp_path / "run"))
    assert column(page, "Scores out of fold", "by") == ["image"]
    missing = {"from-the-votes", "what-the-votes-mean", "volunteers-and-experts"}
    assert not missing & set(page.sections)
    assert "image and votes" not in page.sections["how-far-to-trust-a-row"]
    assert "no volunteers' votes" in page.sections["what-was-left-out"]
    assert "Image and votes disagree" not in page.sections["objects-to-look-at"]
    assert page.tables["Objects of each class"][0] == ["class", "experts"]


def test_without_experts_nothing_is_scored_and_the_page_says_so(tmp_path):
    folder = write_survey(tmp_path / "survey", tiers="vu")
    fit_run(tiny_model(), tiny_catalogue(folder, quick("czsl2023")), tmp_path / "run")
    page = read_page(write_report(tmp_path / "run"))
    assert "nothing could be scored" in page.sections["result"]
    assert column(page, "Objects of each class", "experts") == ["0", "0", "0"]
    assert not {"from-the-image", "objects-to-look-at", "autoencoder"} & set(page.sections)


def test_where_the_data_are_gone_the_page_says_so(survey, tmp_path):
    folder = shutil.copytree(survey, tmp_path / "survey")
    fit_run(tiny_model(seed=3), tiny_catalogue(folder, quick("czsl2023")), tmp_path / "run")
    shutil.rmtree(folder / ".czsl")
    page = read_page(write_report(tmp_path / "run"))
    assert not page.all("img")
    assert "no cutout is shown" in page.sections["what-was-left-out"]
    assert "Where they disagree" in page.tables or "experts agree" in "".join(
        page.sections.values()
    )
    assert not (folder / ".czsl").exists()

    shutil.rmtree(folder)
    page = read_page(write_report(tmp_path / "run"))
    assert "The table cannot be read any more" in page.sections["what-was-left-out"]
    assert len(column(page, "Scores out of fold", "accuracy")) == 3
    assert column(page, "Objects of each class", "experts") == ["7", "7", "6"]
    assert "Experts (rows) against image (columns), objects" in page.tables
    assert not {"volunteers-and-experts", "autoencoder"} & set(page.sections)


def test_where_the_table_has_changed_the_page_says_so(survey, tmp_path):
    folder = shutil.copytree(survey, tmp_path / "survey")
    fit_run(tiny_model(), tiny_catalogue(folder, quick("default")), tmp_path / "run")
    lines = (folder / "objects.csv").read_text().splitlines()
    (folder / "objects.csv").write_text("\n".join([lines[0], *lines[4:]]) + "\n")
    page = read_page(write_report(tmp_path / "run"))
    assert "has changed since the fit" in page.sections["what-was-left-out"]
    assert "3 of its objects are gone" in page.sections["what-was-left-out"]
    assert page.all("img")  # the store still has their images


def test_a_fit_that_was_stopped_says_how_to_go_on(survey, tmp_path):
    run = Run(folder=tmp_path)
    run.begin(tiny_config(survey, quick("default")), seed=3, limit=30, resume=False)
    expected = (
        rf"its fit has not ended; go on with it by: czsl fit {tmp_path} --out {tmp_path} "
        "--seed 3 --limit 30 --resume"
    )
    with pytest.raises(RunError, match=expected):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_folder_of_something_else_is_told(tmp_path):
    with pytest.raises(RunError, match=r"holds nothing to report, there is no run\.json"):
        write_report(tmp_path)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra_a_fit_ends_well_all_the_same(tmp_path, monkeypatch, package):
    survey = write_survey(tmp_path / "survey")
    write_config(tiny_config(survey, quick("default")), survey / "czsl.toml")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    arguments = ["fit", str(survey), "--out", str(tmp_path / "run"), "--threads", "1"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    told = f"czsl report {tmp_path / 'run'}"
    (line,) = [one for one in result.output.splitlines() if told in one]
    assert f"needs the package '{package}'" in line
    assert 'pip install "czsl[report]"' in line
    assert not (tmp_path / "run" / "report.html").exists()

    with pytest.raises(MissingExtraError, match=rf"needs the package '{package}'"):
        write_report(tmp_path / "run")
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert result.output.startswith("error: ")

    monkeypatch.undo()
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"report: {tmp_path / 'run' / 'report.html'}" in result.output


def test_a_fit_ends_with_its_report(tmp_path):
    survey = write_survey(tmp_path / "survey")
    write_config(tiny_config(survey, quick("default")), survey / "czsl.toml")
    arguments = ["fit", str(survey), "--out", str(tmp_path / "run"), "--threads", "1"]
    result = CliRunner().invoke(main, [*arguments, "--limit", "40"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"report: {tmp_path / 'run' / 'report.html'}" in result.output
    page = read_page(tmp_path / "run" / "report.html")
    assert "--limit 40" in page.sections["settings"]
    drawn = len(Run(folder=tmp_path / "run").catalogue())
    assert page.tables["Objects"][-1][:2] == ["all", str(drawn)]
