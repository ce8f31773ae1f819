"""What one object is told of, and the survey's shares."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from czsl.cli import main
from czsl.errors import CatalogueError, ModelError
from czsl.fitted import out_of_fold_table
from czsl.imaging import open_images
from czsl.report.explain import write_explanation
from czsl.run import fit_run
from czsl.survey.explain import explain_object
from czsl.survey.predict import Asked, predict_table
from pages import read_page
from tiny import MISSING, name_of, quick, tiny_catalogue, tiny_model, write_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return write_survey(tmp_path_factory.mktemp("explained") / "survey")


@pytest.fixture(scope="module")
def run(survey, tmp_path_factory):
    model = tiny_model(seed=3)
    folder = tmp_path_factory.mktemp("run") / "fit"
    fit_run(model, tiny_catalogue(survey, quick("default")), folder)
    return model, folder


def test_an_object_is_explained_by_what_the_catalogue_says(survey, run):
    model, folder = run
    found = explain_object(model, folder / "model", name_of(25), processes=1)
    row = model.predict(tiny_catalogue(survey, quick("default")))[25]
    assert (found.decided, found.source) == (row["class"], row["source"])
    assert found.classes == row["set"].split("|")
    assert found.posteriors["fused"]["cw"] == pytest.approx(row["p_cw"], abs=1e-6)
    assert sum(found.votes["question"].values()) == found.number == 20
    assert len(found.neighbours) == 6
    assert found.neighbours[0].distance <= found.neighbours[-1].distance
    assert all(one.pixels.shape == (24, 24, 3) for one in found.neighbours)
    assert "trained_on" in found.flags


def test_an_experts_object_is_explained_out_of_fold(run):
    model, folder = run
    found = explain_object(model, folder / "model", name_of(4), processes=1)
    record = model.predictor.record
    assert list(found.posteriors["image"].values()) == pytest.approx(record.image[4].tolist())
    assert found.expert == "cw"
    assert name_of(4) not in [one.name for one in found.neighbours]


def test_the_set_of_an_experts_object_is_made_by_the_others(survey, run):
    """As the fit's own catalogue says it: by the same posteriors and without the object."""
    folder = run[1]
    model = tiny_model().load(folder / "model", device="cpu", threads=1)
    recipe = quick("default", sets={"coverage": 0.5})
    content = model.predictor.content.model_copy(update={"recipe": recipe})
    model._predictor = replace(model.predictor, content=content)
    catalogue = tiny_catalogue(survey, recipe)
    images = open_images(catalogue, processes=1)
    table = out_of_fold_table(model.predictor, catalogue, images).to_pylist()
    for row in (0, 4, 7, 18):
        found = explain_object(model, folder / "model", name_of(row), processes=1)
        assert "|".join(found.classes) == table[row]["set"]
        assert (found.source, found.decided) == (table[row]["source"], table[row]["class"])


@pytest.mark.parametrize("votes", [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]])
def test_an_experts_object_is_flagged_by_the_posteriors_that_are_shown(run, votes):
    """Whatever image and votes say of it once both have learned from it."""
    folder = run[1]
    model = tiny_model().load(folder / "model", device="cpu", threads=1)
    record = model.predictor.record
    image = record.image.copy()
    image[4], given = [0.02, 0.97, 0.01], record.votes.copy()
    given[4] = votes
    model._predictor = replace(model.predictor, record=replace(record, image=image, votes=given))
    found = explain_object(model, folder / "model", name_of(4), processes=1)
    assert list(found.posteriors["votes"].values()) == votes
    assert ("image_votes_disagree" in found.flags) == (votes[0] == 0.9)
    assert "trained_on" not in found.flags


def test_where_no_object_was_left_out_what_learned_from_it_is_shown(survey, tmp_path):
    model = tiny_model(seed=3)
    fit_run(model, tiny_catalogue(survey, quick("default", folds=1)), tmp_path / "fit")
    found = explain_object(model, tmp_path / "fit" / "model", name_of(4), processes=1)
    assert found.decided
    assert found.pixels is not None
    assert found.neighbours
    assert "trained_on" in found.flags
    page = write_explanation(found, tmp_path / "page.html").read_text()
    assert "the posteriors here are of what has learned from it" in page
    assert "Nothing can be said" not in page


def test_votes_that_are_left_out_are_told(survey, run, tmp_path):
    table = (survey / "objects.csv").read_text().replace("n_smooth", "n_smoth", 1)
    (survey / "renamed.csv").write_text(table)
    model, folder = run
    found = explain_object(
        model, folder / "model", name_of(25), table=survey / "renamed.csv", processes=1
    )
    assert any(
        "there is no column 'n_smooth'; its votes are left out" in one for one in found.notes
    )


def test_an_object_of_which_nothing_is_known(run):
    model, folder = run
    found = explain_object(model, folder / "model", name_of(MISSING), processes=1)
    assert (found.decided, found.posteriors, found.neighbours) == ("", {}, [])
    assert {"image_missing", "no_votes"} <= set(found.flags)


def test_outside_its_run_a_model_explains_what_a_named_table_holds(survey, run, tmp_path):
    model, folder = run
    model.save(tmp_path / "alone")
    table = survey / "objects.csv"
    alone = explain_object(model, tmp_path / "alone", name_of(25), table=table, processes=1)
    inside = explain_object(model, folder / "model", name_of(25), processes=1)
    assert (alone.posteriors, alone.votes) == (inside.posteriors, inside.votes)
    assert [one.name for one in alone.neighbours] == [one.name for one in inside.neighbours]


def test_who_cannot_be_explained(run, tmp_path):
    model, folder = run
    with pytest.raises(CatalogueError, match="there is no object '7'"):
        explain_object(model, folder / "model", "7", processes=1)
    model.save(tmp_path / "alone")
    with pytest.raises(ModelError, match="name the object's table by --table"):
        explain_object(model, tmp_path / "alone", name_of(4), processes=1)


def test_the_command_writes_a_page(run, tmp_path):
    pytest.importorskip("jinja2")
    out = tmp_path / "one.html"
    words = ["explain", str(run[1] / "model"), name_of(25), "--threads", "1", "--out", str(out)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    page = read_page(out)
    assert {"class", "image-and-votes", "votes", "flags"} <= set(page.sections)
    assert len(page.all("img")) == 7


def test_shares_are_estimated_and_the_posterior_is_moved(survey, run, tmp_path):
    model, _ = run
    plain, moved = tmp_path / "a.parquet", tmp_path / "b.parquet"
    predict_table(model, survey / "objects.csv", plain, processes=1)
    done = predict_table(
        model, survey / "objects.csv", moved, asked=Asked(reestimate=True), processes=1
    )
    assert sum(done.shares.values.values()) == pytest.approx(1)
    shares = np.array(list(done.shares.values.values()))
    names = [f"p_{name}" for name in model.classes_]
    before, after = (
        np.stack([pq.read_table(path)[name].to_numpy() for name in names], axis=1)
        for path in (plain, moved)
    )
    expected = before * shares / model.predictor.record.prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after, expected, atol=1e-5)
    # The shares are those of the posteriors that were moved to them.
    np.testing.assert_allclose(np.nanmean(after, axis=0), shares, atol=1e-4)
    for kept in ("set", "flags", "p_image_cw"):
        assert pq.read_table(plain)[kept].equals(pq.read_table(moved)[kept])
    assert pq.read_table(moved).schema.metadata[b"share of cw"]
