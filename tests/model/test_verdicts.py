"""Verdicts: what moves with the shares, what does not; sets made by objects held out."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from czsl.decisions import Rule
from czsl.errors import CatalogueError, ConfigError
from czsl.fitted import make_judge, out_of_fold_table
from czsl.flags import Flag
from czsl.imaging import open_images
from czsl.predictions import set_names
from czsl.record import Record
from czsl.stages.sets import prediction_sets
from czsl.survey.predict import Asked, predict_table
from czsl.verdicts import Judge
from tiny import CLASSES, quick, tiny_catalogue, tiny_config, tiny_model


def record(number: int = 400, seed: int = 0) -> Record:
    """Experts' objects of two classes, equally common, with true posteriors."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, number)
    p = 1 / (1 + np.exp(-2 * (random.normal(0, 1, number) + 2 * labels - 1)))
    posterior = np.stack([1 - p, p], axis=1)
    unknown = np.full((number, 2), np.nan)
    return Record(
        ids=np.arange(number).astype(str),
        labels=labels,
        image=posterior,
        votes=unknown,
        fused=posterior,
        folds=np.arange(number) % 5,
        held=np.zeros(number, bool),
        weights=np.ones(number),
        features=np.zeros((number, 1), np.float32),
        prior=np.array([0.5, 0.5]),
        mirror=np.array([0, 1]),
    )


@pytest.mark.parametrize("number", [0, 6])
def test_a_record_keeps_its_objects_whatever_text_their_ids_are(number):
    ids = np.array(["odd\nid", "\n", "a\r\nb", '"[,', "naïve ☉", "1"])[:number]
    kept = replace(record(number), ids=ids).arrays()
    again = Record.from_arrays(kept)
    assert again.ids.tolist() == ids.tolist()
    assert len(again.labels) == number


def test_other_shares_move_the_posterior_but_not_sets_nor_equal_recalls():
    known, shares = record(), np.array([0.95, 0.05])
    best, source = known.image, np.full(400, "image")
    even = Rule(gains=np.diag([2.0, 2.0]), by_shares=True)
    likeliest = Rule(gains=np.eye(2))

    def judged(rule, shares):
        return Judge(record=known, rule=rule, coverage=0.9, shares=shares).judge(best, source)

    before, after = judged(even, None), judged(even, shares)
    np.testing.assert_array_equal(before.decided, after.decided)
    np.testing.assert_array_equal(before.sets, after.sets)
    moved = best * shares / 0.5
    np.testing.assert_allclose(after.posterior, moved / moved.sum(axis=1, keepdims=True))
    expected = moved.argmax(axis=1)
    np.testing.assert_array_equal(judged(likeliest, shares).decided, expected)
    assert (expected != before.decided).any()


def test_nothing_is_ruled_out_of_what_is_not_known():
    known = record()
    best, source = known.image[:3].copy(), np.array(["image", "", "image"])
    best[1] = np.nan
    rule = Rule(gains=np.eye(2))
    found = Judge(record=known, rule=rule, coverage=0.9).judge(best, source)
    assert found.decided[1] == -1
    assert found.sets[1].all()
    calibration = known.calibration("image")
    np.testing.assert_array_equal(found.sets, prediction_sets(calibration, best, 0.9))
    assert not Judge(record=known, rule=rule, coverage=None).judge(best, source).sets.any()


def drawn(random, labels, gain: float):
    """Draw posteriors that know a little of the classes, or with a large gain all."""
    logits = random.normal(0, 1.5, (len(labels), 3)) + gain * np.eye(3)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def without(made: Record, row: int) -> Record:
    """Give the record of the other objects."""
    each = ("ids", "labels", "image", "votes", "fused", "folds", "held", "weights", "features")
    return replace(made, **{name: np.delete(getattr(made, name), row, 0) for name in each})


def test_sets_of_objects_held_out_keep_their_coverage_exactly():
    """Over many draws of experts' objects and of one new object of each class.

    Of n held-out objects of a class its sets cover from the coverage to 1 / (n + 1) more. What
    taught is known by heart: were it counted, sets would be far too small.
    """
    random, draws, held = np.random.default_rng(0), 5000, np.array([9, 20, 45])
    labels = np.repeat([0, 1, 2, 0, 1, 2], [*held, 40, 40, 40])
    is_held = np.arange(len(labels)) < held.sum()
    covered = np.zeros(3)
    for _ in range(draws):
        known = drawn(random, labels, 1.0)
        known[~is_held] = drawn(random, labels[~is_held], 12.0)
        unknown = np.full(known.shape, np.nan)
        made = replace(
            record(len(labels)),
            labels=labels,
            image=known,
            votes=unknown,
            fused=unknown,
            held=is_held,
            mirror=np.arange(3),
        )
        judge = Judge(record=made, rule=Rule(gains=np.eye(3)), coverage=0.9)
        new = drawn(random, np.arange(3), 1.0)
        covered += np.diag(judge.judge(new, np.array(["image"] * 3)).sets)
    least, most = 0.9, 0.9 + 1 / (held + 1)
    spread = 3 * np.sqrt(least * (1 - least) / draws)
    assert (covered / draws > least - spread).all()
    assert (covered / draws < most + spread).all()


def test_sets_of_experts_objects_cover_as_those_of_new_objects_do():
    """Over many draws of fifteen objects of each class, of which nothing is known by their image.

    Of n others a set misses one in n + 1: with itself among them an object would never miss.
    """
    random, draws, number = np.random.default_rng(0), 600, 15
    labels = np.repeat([0, 1], number)
    own, new = np.zeros(2), np.zeros(2)
    for _ in range(draws):
        p, q = random.beta(2, 2, (2, 2 * number))
        image = np.stack([p, 1 - p], axis=1)
        unknown = np.full(image.shape, np.nan)
        made = replace(record(2 * number), labels=labels, image=image, votes=unknown, fused=unknown)
        judge = Judge(record=made, rule=Rule(gains=np.eye(2)), coverage=0.9)
        source = np.full(2 * number, "image")
        told = judge.judge(image, source, made.weights, made.ids).sets
        others = judge.judge(np.stack([q, 1 - q], axis=1), source).sets
        for found, sets in ((own, told), (new, others)):
            found += [sets[np.arange(2 * number), labels].mean(), sets.sum(axis=1).mean()]
    assert own[0] / draws == pytest.approx(14 / 15, abs=0.005)
    assert new[0] / draws == pytest.approx(15 / 16, abs=0.01)
    assert own[1] / draws == pytest.approx(new[1] / draws, abs=0.05)


@pytest.mark.parametrize("held", [0.0, 0.6])
def test_sets_of_experts_objects_are_made_by_the_others(held):
    """Of the posterior of each source, with mirror images, in any order of the ids."""
    random, number = np.random.default_rng(4), 120
    labels = random.integers(0, 3, number)
    image, votes, fused = (drawn(random, labels, 1.0) for _ in range(3))
    image[:10], votes[5:20] = np.nan, np.nan
    made = replace(
        record(number),
        labels=labels,
        image=image,
        votes=votes,
        fused=fused,
        held=random.random(number) < held,
        weights=random.uniform(0.5, 2, number),
        ids=random.permutation(number).astype(str),
        mirror=np.array([1, 0, 2]),
    )
    rule = Rule(gains=np.eye(3))
    source = np.where(np.isnan(image[:, 0]), "votes", np.where(np.isnan(votes[:, 0]), "image", ""))
    source = np.where(source == "", "fused", source)
    source[5:10] = ""
    best = made.best()
    best[5:10] = np.nan
    told = Judge(record=made, rule=rule, coverage=0.9).judge(best, source, made.weights, made.ids)
    for row in range(number):
        judge = Judge(record=without(made, row), rule=rule, coverage=0.9)
        alone = judge.judge(best[[row]], source[[row]], made.weights[[row]], made.ids[[row]])
        np.testing.assert_array_equal(alone.sets, told.sets[[row]])


def test_a_fit_judges_experts_objects_by_the_others(fitted):
    model, catalogue = fitted
    recipe = quick("default", sets={"coverage": 0.5})
    content = model.predictor.content.model_copy(update={"recipe": recipe})
    predictor = replace(model.predictor, content=content)
    table = out_of_fold_table(predictor, catalogue, open_images(catalogue, processes=1))
    record, source = predictor.record, np.array(table["source"].to_pylist())
    for row in range(20):
        judge = make_judge(replace(predictor, record=without(record, row)))
        sets = judge.judge(record.best()[[row]], source[[row]]).sets
        assert table["set"][row].as_py() == set_names(sets, model.classes_)[0]
    plain = make_judge(predictor).judge(record.best(), source).sets
    assert table["set"].to_pylist() != set_names(plain, model.classes_).tolist()


def test_objects_held_out_teach_nothing_and_make_the_sets(survey):
    recipe = quick("default", sets={"held_out": 0.5, "coverage": 0.5})
    catalogue = tiny_catalogue(survey, recipe)
    model = tiny_model(seed=3).fit(catalogue)
    known = model.predictor.record
    assert known.held.sum() == 11  # four, four and three of the classes
    assert (known.folds[known.held] == -1).all()
    assert (known.folds[~known.held] >= 0).all()
    turned = np.sum(known.labels[known.held] > 0)  # either sense, with their mirror images
    assert len(known.calibration("image").labels) == 11 + turned
    voted = np.isfinite(known.votes[:, 0])
    assert len(known.calibration("fused").labels) == np.sum(known.held & voted)
    assert model.predictor.content.sets["method"] == "held out"
    assert np.isfinite(known.image[known.held]).all()
    flags = np.asarray(model.predict(catalogue)["flags"])[:20] & int(Flag.TRAINED_ON)
    assert (flags == 0).tolist() == known.held.tolist()


def test_a_model_saved_and_loaded_gives_the_same_verdicts(fitted, tmp_path):
    model, catalogue = fitted
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model", device="cpu", threads=1)
    before, after = (one.predict(catalogue, coverage=0.5) for one in (model, again))
    for name in ("class", "set", "source", "flags"):
        assert before[name].tolist() == after[name].tolist()
    np.testing.assert_array_equal(model.predictor.record.ids, again.predictor.record.ids)


def test_of_objects_held_out_fit_and_prediction_say_the_same(survey, tmp_path):
    """Both judge them by the same networks: before the model was saved, and once it is loaded."""
    own = shutil.copytree(survey, tmp_path / "survey")
    lines = [line.split(",") for line in (own / "objects.csv").read_text().splitlines()]
    for row, line in enumerate(lines[1:56]):
        line[lines[0].index("expert")] = CLASSES[row % 3]
    (own / "objects.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    settings = {"held_out": 0.8, "coverage": 0.8}
    recipe = quick("default", sets=settings, pretrain=False, finetune={"epochs": 2})
    catalogue = tiny_catalogue(own, recipe)
    model = tiny_model(seed=3).fit(catalogue)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", device="cpu", threads=1)
    record = model.predictor.record
    held = np.flatnonzero(record.held)  # the first rows are the experts'
    assert len(held) > 40
    fit, before = model.out_of_fold_, model.predict(catalogue)
    after = loaded.predict(catalogue)
    for name in before.colnames:
        assert before[name].tolist() == after[name].tolist()
        assert fit[name][held].tolist() == after[name][held].tolist()
    assert (np.asarray(fit["flags"])[held] & int(Flag.UNLIKE_TRAINING)).any()
    for name, kept in loaded.predictor.record.arrays().items():
        np.testing.assert_array_equal(kept, record.arrays()[name])
    np.testing.assert_array_equal(loaded.predictor.record.fused, record.fused)


def test_too_few_experts_for_sets_are_told_of(fitted):
    notes = [note for note in fitted[0].notes_ if note.startswith("sets:")]
    assert len(notes) == 3
    assert "'round' has too few experts' objects for a coverage of 0.9" in notes[0]


def test_a_class_too_rare_for_a_coverage_that_is_asked_for_is_told_of(survey, fitted, tmp_path):
    """At 85% a class takes six objects: with votes there are six, five and five."""
    model, catalogue = fitted
    out = tmp_path / "a.fits"
    asked = Asked(coverage=0.85)
    done = predict_table(model, survey / "objects.csv", out, asked=asked, processes=1)
    assert [note.partition(": it")[0] for note in done.notes] == [
        f"sets: {name!r} has too few experts' objects for a coverage of 0.85 (posterior from "
        "votes, fused)"
        for name in ("cw", "acw")
    ]
    lost = "cw (votes, fused); acw (votes, fused)"
    with fits.open(out) as file:
        assert file[1].header["CZSL in every set"] == lost
    table = model.predict(catalogue, coverage=0.85)
    assert table.meta["in every set"] == lost
    known = np.array([source in ("votes", "fused") for source in np.ma.filled(table["source"], "")])
    sets = np.ma.filled(table["set"], "")[known]
    assert all("cw|acw" in words for words in sets.tolist())
    assert not all("round" in words for words in sets.tolist())  # which has enough
    assert model.predict(catalogue, coverage=0.5).meta["in every set"] == ""


def test_weights_of_experts_are_read_and_those_that_cannot_be_are_refused(survey, tmp_path):
    lines = (survey / "objects.csv").read_text().splitlines()
    chances = [f",{0.5 if row % 2 else 0.25}" for row in range(len(lines) - 1)]
    rows = [a + b for a, b in zip(lines[1:], chances, strict=True)]
    (tmp_path / "objects.csv").write_text("\n".join([lines[0] + ",chance", *rows]) + "\n")
    config = {"classes": {"selection": "chance"}}
    catalogue = tiny_catalogue(tmp_path, quick("default"), **config)
    assert catalogue.weights[:4].tolist() == [4, 2, 4, 2]
    assert catalogue.select(np.array([1])).weights.tolist() == [2]
    rows[:2] = [lines[1] + ",0", lines[2] + ","]
    rows[29:31] = [lines[30] + ",-1", lines[31] + ",inf"]
    (tmp_path / "objects.csv").write_text("\n".join([lines[0] + ",chance", *rows]) + "\n")
    with pytest.raises(CatalogueError) as error:
        tiny_catalogue(tmp_path, quick("default"), **config)
    told = str(error.value)
    assert "1 expert object without a number, first in row 2" in told
    assert "1 expert object that could not have been chosen, first in row 1" in told
    assert "2 numbers that are negative or infinite, first in rows 30" in told
    with pytest.raises(CatalogueError, match="2 numbers that are zero or less, first in rows 1"):
        tiny_catalogue(tmp_path, quick("default"), classes={"weight": "chance"})
    with pytest.raises(ConfigError, match="'selection' and 'weight' are both given"):
        tiny_config(tmp_path, quick("default"), classes={"selection": "a", "weight": "b"})


def test_of_what_experts_could_not_be_shown_no_class_is_ruled_out(survey, tmp_path):
    """The chance of being chosen is 0 for an object without a class: nothing stands for it."""
    own = shutil.copytree(survey, tmp_path / "survey")
    lines = (own / "objects.csv").read_text().splitlines()
    rows = [f"{line},{0 if row == 30 else 0.5}" for row, line in enumerate(lines[1:])]
    (own / "objects.csv").write_text("\n".join([lines[0] + ",chance", *rows]) + "\n")
    catalogue = tiny_catalogue(own, quick("default"), classes={"selection": "chance"})
    assert catalogue.weights[30] == np.inf
    model = tiny_model(seed=3).fit(catalogue)
    sets = np.ma.filled(model.predict(catalogue, coverage=0.5)["set"], "")
    assert sets[30] == "round|cw|acw"
    assert min(len(words.split("|")) for words in sets[20:48].tolist()) == 1
    plain = np.where(np.isinf(catalogue.weights), 2.0, catalogue.weights)
    others = model.predict(replace(catalogue, weights=plain), coverage=0.5)["set"]
    assert np.ma.filled(others, "")[30] != "round|cw|acw"
