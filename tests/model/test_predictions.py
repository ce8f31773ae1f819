"""The catalogue of predictions, as users read it for years."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from czsl.catalogue import Catalogue, read_table
from czsl.catalogue.write import write_table
from czsl.config import make_config
from czsl.errors import ModelError
from czsl.flags import Flag
from czsl.model import to_astropy
from czsl.names import id_slips
from czsl.predictions import Posteriors, predictions_table, votes_on
from czsl.verdicts import Verdicts
from tiny import MISSING, TRUNCATED, name_of, quick, tiny_catalogue, tiny_model, truth

COLUMNS = [
    "id",
    "class",
    "p_round",
    "p_cw",
    "p_acw",
    "source",
    "set",
    "p_image_round",
    "p_image_cw",
    "p_image_acw",
    "p_votes_round",
    "p_votes_cw",
    "p_votes_acw",
    "n_votes",
    "tier",
    "flags",
]


def matrix(table, prefix: str) -> np.ndarray:
    names = [f"{prefix}_{one}" for one in ("round", "cw", "acw")]
    return np.stack([np.ma.filled(table[name].astype(float), np.nan) for name in names], axis=1)


@pytest.fixture(scope="module")
def predicted(fitted):
    model, catalogue = fitted
    return model.predict(catalogue)


def test_columns_and_their_order(predicted, fitted):
    assert predicted.colnames == COLUMNS
    assert fitted[0].out_of_fold_.colnames == [*COLUMNS, "expert", "fold"]


def test_every_column_that_predictions_make_is_kept_from_ids(fitted):
    names = ["round", "cw", "acw"]
    for column in fitted[0].out_of_fold_.colnames[1:]:
        assert any(id_slips(column, names)), column
    assert not any(id_slips("id", names))


def test_every_object_is_a_row_in_the_tables_order(predicted, fitted):
    assert predicted["id"].tolist() == fitted[1].ids.tolist() == [name_of(i) for i in range(60)]
    assert predicted["tier"].tolist() == ["expert"] * 20 + ["volunteer"] * 28 + ["unlabelled"] * 12


def test_images_that_fail_are_rows_with_flags_and_empty_probabilities(predicted):
    image = matrix(predicted, "p_image")
    bad = np.flatnonzero(np.isnan(image).any(axis=1))
    assert bad.tolist() == [TRUNCATED, MISSING]
    assert np.isnan(image[bad]).all()
    flags = predicted["flags"] & ~int(Flag.IMAGE_VOTES_DISAGREE | Flag.UNLIKE_TRAINING)
    assert flags[TRUNCATED] == Flag.IMAGE_UNREADABLE
    assert flags[MISSING] == Flag.IMAGE_MISSING | Flag.NO_VOTES
    assert flags[0] == Flag.TRAINED_ON
    assert flags[50] == Flag.NO_VOTES


def test_the_posterior_that_counts_is_of_what_there_is(predicted):
    source = np.ma.filled(predicted["source"], "")
    assert source[MISSING] == ""
    assert predicted["class"].mask.tolist() == [row == MISSING for row in range(60)]
    assert source[TRUNCATED] == "votes"
    assert set(source[16:20]) == {"image"}
    assert set(source[:16]) == {"fused"}
    p = matrix(predicted, "p")
    np.testing.assert_allclose(p[TRUNCATED], matrix(predicted, "p_votes")[TRUNCATED])
    np.testing.assert_allclose(p[16:20], matrix(predicted, "p_image")[16:20])


def test_no_set_is_empty_and_each_is_of_classes(predicted):
    sets = np.ma.filled(predicted["set"], "")
    for words in sets.tolist():
        assert set(words.split("|")) <= {"round", "cw", "acw"}
    # Seven experts' objects of a class are too few for 90%: every class stays possible.
    assert set(sets.tolist()) == {"round|cw|acw"}


def test_a_lower_coverage_gives_smaller_sets(fitted):
    model, catalogue = fitted
    sets = np.ma.filled(model.predict(catalogue, coverage=0.5)["set"], "")
    assert min(len(words.split("|")) for words in sets.tolist()) == 1
    assert sets[MISSING] == "round|cw|acw"  # of which nothing is known
    with pytest.raises(ModelError, match=r"coverage of 0.99 takes 99 experts' objects"):
        model.predict(catalogue, coverage=0.99)


def test_probabilities_sum_to_one_and_the_class_is_the_largest(predicted):
    for prefix in ("p", "p_image", "p_votes"):
        values = matrix(predicted, prefix)
        known = ~np.isnan(values[:, 0])
        np.testing.assert_allclose(values[known].sum(axis=1), 1, atol=1e-6)
    values = matrix(predicted, "p")
    known = ~np.isnan(values[:, 0])
    best = np.array(["round", "cw", "acw"])[values[known].argmax(axis=1)]
    assert predicted["class"][known].tolist() == best.tolist()


def test_the_votes_say_something_where_there_are_votes(predicted, fitted):
    votes = matrix(predicted, "p_votes")
    given = ~np.isnan(votes[:, 0])
    np.testing.assert_array_equal(given, fitted[1].has_votes)
    assert np.mean(votes[given].argmax(axis=1) == truth()[given]) > 0.9
    number = predicted["n_votes"]
    assert number[:16].tolist() == [20] * 16
    assert number[16:20].tolist() == [0] * 4
    assert number.mask[44:48].all()  # a class alone: how many gave it is not known


def test_order_of_the_rows_does_not_matter(predicted, fitted):
    model, catalogue = fitted
    order = np.random.default_rng(0).permutation(60)
    other = model.predict(catalogue.select(order))
    assert other["id"].tolist() == predicted["id"][order].tolist()
    for prefix in ("p_image", "p_votes"):
        expected = matrix(predicted, prefix)[order]
        np.testing.assert_allclose(matrix(other, prefix), expected, atol=1e-6)


def test_one_object_is_predicted_as_among_many(predicted, fitted):
    model, catalogue = fitted
    one = model.predict(catalogue.select(np.array([7])))
    np.testing.assert_allclose(matrix(one, "p")[0], matrix(predicted, "p")[7], atol=1e-6)


def test_no_object_and_no_usable_image_are_no_accident(fitted):
    model, catalogue = fitted
    none = model.predict(catalogue.select(np.zeros(0, np.int64)))
    assert (len(none), none.colnames) == (0, COLUMNS)
    bad = model.predict(catalogue.select(np.array([TRUNCATED, MISSING])))
    assert np.isnan(matrix(bad, "p_image")).all()
    assert np.isnan(matrix(bad, "p")).any(axis=1).tolist() == [False, True]


def test_images_are_read_alike_with_and_without_some_that_cannot_be_used(fitted):
    model, catalogue = fitted
    predictor, whole = model.predictor, np.arange(60)
    usable = np.setdiff1d(whole, [TRUNCATED, MISSING])
    with predictor.decoder(catalogue.config, 1) as decoder:
        among, alone = (
            predictor.posteriors(catalogue.select(rows), decoder) for rows in (whole, usable)
        )
    np.testing.assert_array_equal(alone.image, among.image[usable])
    np.testing.assert_array_equal(alone.hashes, among.hashes[usable])
    assert len(set(alone.hashes.tolist())) > 40  # else the test says nothing


@pytest.mark.parametrize(
    ("size", "mode", "what"),
    [((40, 40), "RGB", "40 x 40 pixels and 3"), ((32, 32), "L", "32 x 32 pixels and 1"),
     ((32, 36), "RGB", "36 x 32 pixels and 3")],
)  # fmt: skip
def test_a_cutout_of_another_kind_is_an_error(survey, fitted, tmp_path, size, mode, what):
    own = shutil.copytree(survey, tmp_path / "survey")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(own / "images" / f"{name_of(5)}.png")
    catalogue = tiny_catalogue(own, quick("default"))
    message = (
        rf"object '{name_of(5)}': its cutout has {what} band\(s\); the model was trained on "
        r"cutouts of 32 x 32 pixels and 3 band\(s\), and another size shows another part"
    )
    with pytest.raises(ModelError, match=message):
        fitted[0].predict(catalogue)


def test_a_model_of_cutouts_of_several_sizes_takes_others_but_not_other_bands(survey, tmp_path):
    own = shutil.copytree(survey, tmp_path / "survey")
    path = own / "images" / f"{name_of(5)}.png"
    Image.open(path).resize((40, 40)).save(path)
    recipe = quick("default", pretrain=False)
    model = tiny_model(recipe=recipe).fit(tiny_catalogue(own, recipe))
    model.save(tmp_path / "model")
    content = json.loads((tmp_path / "model" / "model.json").read_text())["content"]
    assert content["native"] == [0, 0, 3]
    assert "several sizes and 3 band(s)" in (tmp_path / "model" / "README.md").read_text()
    Image.open(path).resize((48, 36)).save(path)
    found = model.predict(tiny_catalogue(own, recipe))
    assert np.isfinite(matrix(found, "p")[5]).all()
    Image.open(path).convert("L").save(path)
    message = r"has 36 x 48 pixels and 1 band\(s\); .* cutouts of several sizes and 3 band\(s\)"
    with pytest.raises(ModelError, match=message):
        model.predict(tiny_catalogue(own, recipe))


def test_a_catalogue_with_other_classes_or_answers_is_refused(survey, fitted):
    """Their order is the model's: another would put the probabilities under wrong names."""
    turned = {"acw": "acw", "cw": "cw", "round": "round"}
    catalogue = tiny_catalogue(survey, quick("default"), classes={"values": turned})
    with pytest.raises(ModelError, match="knows the classes round, cw, acw, the catalogue has acw"):
        fitted[0].predict(catalogue)
    answers = {
        answer: f"n_{answer}" for answer in ("other", "smooth", "anticlockwise", "clockwise")
    }
    catalogue = tiny_catalogue(survey, quick("default"), votes={"answers": answers})
    with pytest.raises(ModelError, match=r"the answers smooth, clockwise, .* has other, smooth"):
        fitted[0].predict(catalogue)
    catalogue = tiny_catalogue(survey, quick("default"), votes={"extra": []})
    with pytest.raises(ModelError, match="knows the extra columns deb, the catalogue has none"):
        fitted[0].predict(catalogue)


def test_a_catalogue_without_votes_is_predicted_from_images(survey, fitted, predicted):
    sections = {"votes": None, "classes": {"from_answers": {}}}
    catalogue = tiny_catalogue(survey, quick("default"), **sections)
    found = fitted[0].predict(catalogue)
    for prefix in ("p", "p_image"):
        expected = matrix(predicted, "p_image")
        np.testing.assert_allclose(matrix(found, prefix), expected, atol=1e-6)
    assert np.isnan(matrix(found, "p_votes")).all()
    assert set(found["n_votes"]) == {0}


def test_images_are_prepared_as_the_model_knows_it(survey, fitted, predicted):
    """Whatever the catalogue's own configuration says of sizes."""
    sections = {"images": {"size": 24, "view": 16, "crop": 20}}
    catalogue = tiny_catalogue(survey, quick("default"), **sections)
    found = fitted[0].predict(catalogue)
    np.testing.assert_allclose(matrix(found, "p"), matrix(predicted, "p"), atol=1e-6)


def test_what_is_not_known_is_null(fitted):
    _, catalogue = fitted
    some = catalogue.select(np.array([0, 45, 59]))
    image = np.array([[0.2, 0.5, 0.3], [np.nan] * 3, [1.0, 0.0, 0.0]])
    unknown = np.full((3, 3), np.nan)
    flags = np.array([0, 4, 32], np.uint32)
    hashes = np.zeros(3, np.uint64)
    posteriors = Posteriors(image=image, votes=unknown, fused=unknown, flags=flags, hashes=hashes)
    sets = np.array([[True, True, False], [False] * 3, [True, False, False]])
    decided = np.array([1, -1, 0])
    verdicts = Verdicts(posterior=posteriors.best, decided=decided, sets=sets)
    table = predictions_table(some, posteriors, verdicts)
    assert table["source"].to_pylist() == ["image", None, "image"]
    assert table["set"].to_pylist() == ["round|cw", None, "round"]
    assert table["class"].to_pylist() == ["cw", None, "round"]
    assert table["p_cw"].to_pylist() == [0.5, None, 0.0]
    assert table["p_votes_cw"].null_count == 3
    assert table["n_votes"].to_pylist() == [20, None, 0]
    assert table["flags"].to_pylist() == [0, 4, 32]
    assert np.isnan(votes_on(some)[1])
    astropy = to_astropy(table)
    assert astropy["p_cw"].mask.tolist() == [False, True, False]
    assert astropy["id"].tolist() == some.ids.tolist()


SHAPE = {"question": "shape", "answers": {"smooth": "smooth", "disc": "disc"}, "total": "n"}
BAR = {"question": "bar", "answers": {"bar": "bar", "none": "none"}, "after": "disc"}


def test_volunteers_are_counted_or_unknown_but_never_none_where_they_voted(tmp_path):
    """Question by question: a share of votes without their number, none, 30 and then 16777217."""
    rows = ["a,0.25,0.75,,,", "b,,,,,", "c,0.5,0.5,,10,20", "d,0.5,0.5,16777217,1,2"]
    head = "id,smooth,disc,n,bar,none,expert"
    lines = [head, *(f"{row},{'ES'[place % 2]}" for place, row in enumerate(rows))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    content = {
        "catalogue": {"table": "t.csv", "id": "id"},
        "votes": [SHAPE, BAR],
        "classes": {"column": "expert", "values": {"early": "E", "late": "S"}},
    }
    catalogue = Catalogue.read(make_config(content, folder=tmp_path))
    np.testing.assert_array_equal(votes_on(catalogue), [np.nan, 0, 30, 16777217])
    half = np.full((4, 2), 0.5)
    nothing = {"flags": np.zeros(4, np.uint32), "hashes": np.zeros(4, np.uint64)}
    posteriors = Posteriors(image=half, votes=half, fused=half, **nothing)
    verdicts = Verdicts(posterior=half, decided=np.zeros(4, int), sets=np.ones((4, 2), bool))
    table = predictions_table(catalogue, posteriors, verdicts)
    counted = [None, 0, 30, 16777217]
    for ending in ("csv", "ecsv", "fits", "parquet", "vot"):
        write_table([table], tmp_path / f"out.{ending}")
        assert read_table(tmp_path / f"out.{ending}")["n_votes"].to_pylist() == counted
    assert (
        "\nd,early,0.5,0.5,fused,early|late,0.5,0.5,0.5,0.5,16777217,"
        in (tmp_path / "out.csv").read_text()
    )
