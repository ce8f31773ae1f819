"""Predicting a table of any length, into every format."""

import csv
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from czsl.errors import ArgumentError, CatalogueError, ModelError, WriteError
from czsl.model import to_astropy
from czsl.survey import predict as module
from czsl.survey.predict import Asked, predict_table
from tiny import name_of, quick, tiny_catalogue, tiny_model, write_containers, write_survey

COLUMNS = [
    "id",
    "class",
    *(f"p_{one}" for one in ("round", "cw", "acw")),
    *("source", "set"),
    *(f"{kind}_{one}" for kind in ("p_image", "p_votes") for one in ("round", "cw", "acw")),
    "n_votes",
    "tier",
    "flags",
]


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = write_survey(tmp_path_factory.mktemp("predicted") / "survey")
    write_containers(folder)
    return folder


@pytest.fixture(scope="module")
def model(survey):
    return tiny_model(seed=1).fit(tiny_catalogue(survey, quick("czsl2023")))


@pytest.fixture(scope="module")
def expected(survey, model):
    return model.predict(tiny_catalogue(survey, quick("czsl2023")))


def numbers(table, name: str) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)


@pytest.mark.parametrize("ending", ["parquet", "csv", "fits", "vot"])
def test_every_format_holds_the_same_predictions(survey, model, expected, tmp_path, ending):
    out = tmp_path / f"predictions.{ending}"
    done = predict_table(model, survey / "objects.csv", out, processes=1)
    if ending == "csv":
        table = Table.read(out, format="ascii.csv", converters={"id": str, "class": str})
    elif ending == "parquet":
        table = to_astropy(pq.read_table(out))
    else:
        table = Table.read(out)
    assert table.colnames == COLUMNS
    assert [str(one) for one in table["id"]] == expected["id"].tolist()
    assert (done.rows, done.path) == (60, out)
    for name in (*COLUMNS[2:5], *COLUMNS[7:14]):
        np.testing.assert_allclose(numbers(table, name), numbers(expected, name), atol=1e-6)
    assert table["flags"].tolist() == expected["flags"].tolist()
    told = {name: done.flags[name] for name in ("image_unreadable", "image_missing", "no_votes")}
    assert told == {"image_unreadable": 1, "image_missing": 1, "no_votes": 16}
    assert done.flags["trained_on"] == 47  # with votes or an expert's class, one image truncated


def test_parts_of_a_table_give_what_the_whole_gives(survey, model, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 7)
    told = []
    out = tmp_path / "a.parquet"
    predict_table(model, survey / "objects.csv", out, processes=1, progress=told.append)
    assert told == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    table = pq.read_table(out)
    assert table["id"].to_pylist() == expected["id"].tolist()
    values = table["p_cw"].to_numpy()
    np.testing.assert_allclose(values, numbers(expected, "p_cw"), atol=1e-6)


@pytest.mark.parametrize("images", ["images", "cutouts.zip", "cutouts.parquet/image"])
def test_images_in_a_container(survey, model, expected, tmp_path, monkeypatch, images, listed):
    """However many parts a table has, a folder is listed once."""
    monkeypatch.setattr(module, "ROWS", 7)
    out = tmp_path / "a.parquet"
    predict_table(model, survey / "objects.csv", out, images=images, processes=1)
    assert listed.count(str(survey / "images")) == (images == "images")
    table = pq.read_table(out)
    assert table["flags"].to_pylist() == expected["flags"].tolist()
    for name in ("p_cw", "p_image_cw"):
        np.testing.assert_allclose(table[name].to_numpy(), numbers(expected, name), atol=1e-6)


@pytest.mark.parametrize(("limit", "rows"), [(5, 5), (20, 20), (25, 25), (100, 60)])
def test_a_limit_stops_after_so_many_rows(survey, model, tmp_path, monkeypatch, limit, rows):
    monkeypatch.setattr(module, "ROWS", 20)
    out = tmp_path / "a.parquet"
    done = predict_table(model, survey / "objects.csv", out, processes=1, limit=limit)
    assert done.rows == pq.read_metadata(out).num_rows == rows


def test_the_model_is_named_in_the_metadata(survey, model, tmp_path):
    out = tmp_path / "a.parquet"
    predict_table(model, survey / "objects.csv", out, processes=1, limit=3)
    metadata = pq.read_schema(out).metadata
    content = model.predictor.content
    assert metadata[b"model"].decode() == content.name == "czsl2023 model of objects"
    assert metadata[b"fingerprint"].decode() == content.fingerprint


def test_a_file_and_a_table_in_python_say_the_same_of_themselves(survey, model, expected, tmp_path):
    out = tmp_path / "a.parquet"
    predict_table(model, survey / "objects.csv", out, processes=1, limit=3)
    written = {k.decode(): v.decode() for k, v in pq.read_schema(out).metadata.items()}
    assert expected.meta == {name: written[name] for name in expected.meta}
    assert list(expected.meta)[:4] == ["model", "fingerprint", "czsl", "decide"]
    assert model.predict(
        tiny_catalogue(survey, quick("czsl2023")), decide="gmean", coverage=0.5
    ).meta.items() >= {("decide", "gmean"), ("coverage", "0.5")}


def test_a_table_of_ids_alone_is_enough(survey, model, expected, tmp_path):
    """Neither votes nor experts: another survey, somewhere else."""
    table = tmp_path / "others.csv"
    table.write_text("id\n" + "\n".join(name_of(row) for row in (3, 1, 59, 2)) + "\n")
    out = tmp_path / "a.parquet"
    predict_table(model, table, out, folder=survey, processes=1)
    found = pq.read_table(out)
    assert found["tier"].to_pylist() == ["unlabelled"] * 4
    assert found["p_votes_cw"].null_count == 4
    values = [expected["p_cw"][row] for row in (3, 1, 2)]
    assert found["p_cw"].to_pylist()[:2] == pytest.approx(values[:2], abs=1e-6)
    assert found["class"].to_pylist()[2] is None


def test_images_may_lie_elsewhere(survey, model, tmp_path):
    shutil.copytree(survey / "images", tmp_path / "pictures")
    table = shutil.copy(survey / "objects.csv", tmp_path)
    out = tmp_path / "a.csv"
    predict_table(model, table, out, images="pictures/{id}.png", processes=1)
    with out.open(newline="") as file:
        assert sum(bool(row["class"]) for row in csv.DictReader(file)) == 59  # one has votes alone


def test_a_missing_id_column_is_told_before_anything_is_written(survey, model, tmp_path):
    table = tmp_path / "others.csv"
    table.write_text("ID\n1\n")
    with pytest.raises(CatalogueError, match="there is no column 'id'; did you mean 'ID'"):
        predict_table(model, table, tmp_path / "a.csv", processes=1)
    assert not (tmp_path / "a.csv").exists()


def test_an_ending_that_is_no_table_is_told_at_once(survey, model, tmp_path):
    with pytest.raises(WriteError, match=r"the ending '\.docx' is not one of a table"):
        predict_table(model, survey / "objects.csv", tmp_path / "a.docx")


def test_an_address_to_write_to_is_refused(survey, model):
    with pytest.raises(ArgumentError, match=r"s3://a/b\.csv: is an address, and files are written"):
        predict_table(model, survey / "objects.csv", "s3://a/b.csv")


def test_votes_that_are_left_out_are_told(survey, model, tmp_path):
    table = (survey / "objects.csv").read_text().replace("n_smooth", "n_smoth", 1)
    (survey / "renamed.csv").write_text(table)
    done = predict_table(model, survey / "renamed.csv", tmp_path / "a.parquet", processes=1)
    assert any("there is no column 'n_smooth'; its votes are left out" in one for one in done.notes)


def test_what_is_wrong_far_down_the_table_is_told_before_anything_is_predicted(
    survey, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "ROWS", 10)
    lines = (survey / "objects.csv").read_text().splitlines()
    cells = lines[40].split(",")
    lines[40] = ",".join([cells[0], "-3", *cells[2:]])
    (survey / "slip.csv").write_text("\n".join(lines))
    with pytest.raises(CatalogueError, match="n_smooth"):
        predict_table(model, survey / "slip.csv", tmp_path / "a.parquet", processes=1)
    assert list(tmp_path.iterdir()) == []


def test_what_fits_cannot_hold_is_told_before_anything_is_predicted(survey, model, tmp_path):
    table = (survey / "objects.csv").read_text().replace(name_of(50), "NGC 50 é")
    (survey / "named.csv").write_text(table, encoding="utf-8")
    with pytest.raises(WriteError, match="'NGC 50 é' is not ASCII, the only text that FITS holds"):
        predict_table(model, survey / "named.csv", tmp_path / "a.fits", processes=1)
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_full_path_may_lie_there(survey, model, tmp_path):
    shutil.copytree(survey / "images", tmp_path / "far" / "images")
    done = predict_table(
        model, survey / "objects.csv", tmp_path / "a.parquet",
        images=f"{tmp_path}/far/images/{{id}}.png", processes=1,
    )  # fmt: skip
    assert done.flags["image_missing"] == 1


def test_of_resampled_classes_no_shares_are_taken_for_granted(survey, tmp_path):
    model = tiny_model(seed=1).fit(tiny_catalogue(survey, quick("czsl2023", sampling="over")))
    for asked in (Asked(reestimate=True), Asked(decide="gmean")):
        with pytest.raises(ModelError, match="learned from classes of other shares"):
            predict_table(model, survey / "objects.csv", tmp_path / "a.csv", asked=asked)
    assert list(tmp_path.iterdir()) == []


def test_predictions_do_not_replace_what_they_are_made_from(survey, model, tmp_path):
    own = shutil.copytree(survey, tmp_path / "survey")
    table, costs = own / "objects.csv", own / "costs.csv"
    costs.write_text("[cost.round]\ncw = 2\n")
    (own / "link.csv").symlink_to(table)
    shutil.copy(own / "cutouts.parquet", own / f"{name_of(5)}.parquet")
    shutil.copy(own / f"images/{name_of(5)}.png", own / f"images/{name_of(5)}.fits")
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    cases = [
        (own / "link.csv", table, {}, "the table"),
        (f"file://{table}", table, {"images": f"{own}/images/{{id}}.png"}, "the table"),
        (table, costs, {"asked": Asked(decide=str(costs))}, "the costs of --decide"),
        (table, own / "cutouts.parquet", {"images": "cutouts.parquet/image"}, "images"),
        (table, own / f"{name_of(5)}.parquet", {"images": "{id}.parquet/image"}, "images"),
        (table, own / f"images/{name_of(5)}.fits", {"images": "images/{id}.fits"}, "images"),
    ]
    for given, out, settings, what in cases:
        message = rf"{out}: predictions would be written over {what}, .*; give them a file of"
        with pytest.raises(ArgumentError, match=message):
            predict_table(model, given, out, processes=1, **settings)
    assert before == {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    predict_table(model, table, own / f"{name_of(5)}.parquet", processes=1)  # which is no image now


def test_what_fails_halfway_leaves_the_old_catalogue(survey, model, tmp_path, monkeypatch):
    """The last objects' cutouts are of another size."""
    from PIL import Image

    monkeypatch.setattr(module, "ROWS", 20)
    own = shutil.copytree(survey, tmp_path / "survey")
    Image.new("RGB", (50, 50)).save(own / "images" / f"{name_of(50)}.png")
    pixels = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(own / "images" / f"{name_of(50)}.png")
    out = tmp_path / "a.parquet"
    out.write_text("old")
    with pytest.raises(ModelError, match=f"object '{name_of(50)}': its cutout has 50 x 50 pixels"):
        predict_table(model, own / "objects.csv", out, processes=1)
    assert out.read_text() == "old"
    names = ["a.parquet", "a.parquet.parts", "survey"]  # with the first two catalogues
    assert sorted(path.name for path in tmp_path.iterdir()) == names
