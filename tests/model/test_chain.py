"""The chain of stages: honest scores, stages left out, catalogues that lack a tier."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from czsl.chain import learn, preferred
from czsl.errors import CatalogueError, ConfigError
from czsl.imaging import open_images
from czsl.recipes import RECIPES
from czsl.scores import scores
from tiny import (
    CLASSES,
    Recorded,
    name_of,
    quick,
    tiny_catalogue,
    tiny_context,
    truth,
    write_survey,
)

BOTH = pytest.mark.parametrize("name", list(RECIPES))
FOLDS = {"catalogue": {"fold": "fold"}}


def learned(survey, folder, name, *, sections=None, **changes):
    recipe = quick(name, **changes)
    catalogue = tiny_catalogue(survey, recipe, **(sections or {}))
    context, usable = tiny_context(catalogue, folder)
    return learn(catalogue, recipe, context, usable), catalogue


def rewrite(survey, change):
    """Change cells of the table: ``change(row, cells)`` for every object."""
    path = survey / "objects.csv"
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    for number, row in enumerate(rows):
        cells = dict(zip(header, row, strict=True))
        change(number, cells)
        rows[number] = [cells[column] for column in header]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def alone(folder, **options):
    """Write a survey of a test's own, sharing nothing."""
    return write_survey(folder / "survey", **options)


@BOTH
def test_every_expert_is_scored_by_a_network_that_never_read_its_image(survey, tmp_path, name):
    recipe = quick(name)
    catalogue = tiny_catalogue(survey, recipe)
    recorded = Recorded(open_images(catalogue, processes=1))
    context, usable = tiny_context(catalogue, tmp_path, images=recorded, report=recorded.report)
    found = learn(catalogue, recipe, context, usable)
    shared = [stage for stage in recorded.read if "fold" not in stage]
    for stage in shared:  # what all folds share reads no expert's object at all
        assert not set(recorded.read[stage]) & set(found.experts)
    for fold in range(2):
        inside = set(found.experts[found.folds == fold])
        own = [stage for stage in recorded.read if stage.endswith(f"fold {fold + 1}")]
        assert own
        for stage in own:
            assert not set(recorded.read[stage]) & inside
        # Not all of them in pretrain: some have no votes.
        assert set(found.experts) - inside <= {row for one in own for row in recorded.read[one]}
    expected = {
        "default": {"pretrain", "finetune, fold 1", "finetune, fold 2"},
        "czsl2023": {"reconstruct", *(f"{stage}, fold {fold}" for stage in ("pretrain", "finetune")
                                      for fold in (1, 2))},
    }  # fmt: skip
    assert set(recorded.read) == expected[name]


@BOTH
def test_an_objects_class_and_votes_do_not_change_its_own_score(tmp_path, name):
    """Black box: another class and other votes for the objects of one fold, nothing else."""
    survey = alone(tmp_path)
    before, catalogue = learned(survey, tmp_path / "a", name, sections=FOLDS, calibrate=False)
    changed = catalogue.ids[before.experts[before.folds == 0]]

    def swap(number, cells):
        if cells["id"] in changed:
            cells["expert"] = CLASSES[(CLASSES.index(cells["expert"]) + 1) % 3]
            names = ("n_smooth", "n_clockwise", "n_anticlockwise")
            cells.update(zip(names, [cells[one] for one in (*names[1:], names[0])], strict=True))

    rewrite(survey, swap)
    after, _ = learned(survey, tmp_path / "b", name, sections=FOLDS, calibrate=False)
    inside = before.folds == 0
    np.testing.assert_array_equal(before.image_posterior[inside], after.image_posterior[inside])
    # The others were taught by what changed, so the test would see a leak.
    assert np.abs(before.image_posterior - after.image_posterior)[~inside].max() > 0


@BOTH
def test_posteriors_out_of_fold_are_those_of_the_folds_own_transfer(tmp_path, survey, name):
    from czsl.stages.targets import make_layout, transfer_inputs
    from czsl.stages.transfer import fit_perceptron, fit_transfer

    found, catalogue = learned(survey, tmp_path, name)
    settings = quick(name).transfer
    inputs = transfer_inputs(catalogue, settings)
    layout = make_layout(catalogue.config.votes, catalogue.config.classes)
    for fold in range(2):
        rows = found.experts[found.folds != fold]
        rows = rows[inputs.usable[rows]]
        labels = catalogue.experts[rows]
        if name == "default":
            fitted = fit_transfer(settings, inputs, rows, labels, layout, seed=0)
        else:
            fitted = fit_perceptron(inputs.features[rows], labels, classes=3, seed=0)
        scored = found.experts[found.folds == fold]
        expected = fitted.probabilities(inputs.features[scored])
        expected[~inputs.usable[scored]] = np.nan
        np.testing.assert_allclose(found.votes_posterior[found.folds == fold], expected)


def test_folds_are_those_of_the_table(survey, tmp_path):
    found, catalogue = learned(survey, tmp_path, "czsl2023", sections=FOLDS, folds=5)
    assert not [note for note in found.notes if "folds instead" in note]
    np.testing.assert_array_equal(found.folds, catalogue.folds[found.experts])


STAGES = [(name, stage) for name in RECIPES for stage in
          ("reconstruct", "pretrain", "transfer", "finetune", "calibrate")]  # fmt: skip


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_each_stage_can_be_left_out(survey, tmp_path, name, stage):
    found, catalogue = learned(survey, tmp_path, name, **{stage: False})
    run = {line["stage"] for line in found.history}
    expected = {
        "default": {"pretrain", "finetune"},
        "czsl2023": {"reconstruct", "pretrain", "finetune"},
    }
    assert run == expected[name] - {stage}
    assert (found.transfer is None) == (stage == "transfer")
    if stage == "calibrate" or name == "czsl2023":
        assert (found.calibrator.temperature, found.calibrator.lapse) == (1.0, 0.0)
    assert found.from_answers == ((name, stage) == ("default", "finetune"))
    assert len(found.networks) == (1 if (name, stage) == ("default", "finetune") else 2)
    usable = np.isfinite(found.image_posterior).all(axis=1)
    assert usable.all()
    np.testing.assert_allclose(found.image_posterior.sum(axis=1), 1)
    if stage != "transfer":  # left-out fine-tuning does not make the votes' scores less honest
        inputs = np.isfinite(found.votes_posterior[:, 0])
        np.testing.assert_array_equal(inputs, catalogue.has_votes[found.experts])


def test_no_stage_that_teaches_is_an_error(survey, tmp_path):
    with pytest.raises(CatalogueError, match=r"objects\.csv: nothing teaches a network"):
        learned(survey, tmp_path, "default", pretrain=False, finetune=False)


def test_classes_that_no_answer_makes_cannot_be_read_off_answers(survey, tmp_path):
    sections = {"classes": {"from_answers": {"round": ["smooth"], "cw": ["clockwise"]}}}
    with pytest.raises(ConfigError, match="from_answers: names no answer for 'acw'; without the"):
        learned(survey, tmp_path, "default", sections=sections, finetune=False)


@BOTH
def test_without_volunteers_experts_teach_alone(tmp_path, name):
    survey = alone(tmp_path, tiers="eu")
    found, _ = learned(survey, tmp_path / "a", name)
    assert any(note.startswith("pretrain is left out: no object") for note in found.notes)
    assert any(note.startswith("transfer is left out: it needs") for note in found.notes)
    assert found.transfer is None
    assert np.isnan(found.votes_posterior).all()
    assert np.isfinite(found.image_posterior).all()
    assert "pretrain" not in {line["stage"] for line in found.history}


@BOTH
def test_without_any_question_experts_teach_alone(survey, tmp_path, name):
    sections = {"votes": None, "classes": {"from_answers": {}}}
    found, _ = learned(survey, tmp_path, name, sections=sections)
    assert found.transfer is None
    assert np.isfinite(found.image_posterior).all()


@BOTH
def test_without_experts_the_answers_say_the_class(tmp_path, name):
    survey = alone(tmp_path, tiers="vu")
    found, _ = learned(survey, tmp_path / "a", name)
    assert found.image_posterior.shape == (0, 3)
    assert len(found.networks) == 1
    assert found.from_answers == (name == "default")
    assert any(note.startswith("finetune is left out: 0 object(s)") for note in found.notes)
    assert "finetune" not in {line["stage"] for line in found.history}


@BOTH
def test_without_unlabelled_objects_the_others_are_enough(tmp_path, name):
    survey = alone(tmp_path, count=44)
    found, catalogue = learned(survey, tmp_path / "a", name)
    assert not catalogue.is_unlabelled.any()
    assert np.isfinite(found.image_posterior).all()


def test_reconstruct_is_left_out_where_every_object_has_a_class(tmp_path):
    survey = alone(tmp_path, count=20)
    found, _ = learned(survey, tmp_path / "a", "czsl2023")
    assert "reconstruct is left out: every object has an expert's class" in found.notes


FEWER = "folds instead of 5: each is to have an expert's object of every class, and there are"
ONE = (
    "has one object with an expert's class: the network that judges it has seen none of its class, "
    "so its scores say little"
)


@pytest.mark.parametrize(
    ("kept", "folds", "notes"),
    [
        (1, 1, []),
        (3, 3, [f"3 {FEWER} round 1, cw 1, acw 1", *(f"{name!r} {ONE}" for name in CLASSES)]),
        (5, 2, [f"2 {FEWER} round 2, cw 2, acw 1", f"'acw' {ONE}"]),
    ],
)
def test_fewer_experts_than_folds(tmp_path, kept, folds, notes):
    survey = alone(tmp_path)
    rewrite(survey, lambda row, cells: cells.update(expert=cells["expert"] if row < kept else ""))
    found, _ = learned(survey, tmp_path / "a", "default", folds=5)
    assert len(found.experts) == kept
    assert len(found.networks) == folds
    assert found.from_answers == (kept == 1)
    assert [
        note for note in found.notes if "folds instead" in note or "one object" in note
    ] == notes
    assert np.isfinite(found.image_posterior).all()


def test_a_class_that_no_expert_named_gets_almost_nothing_and_stops_nothing(tmp_path):
    survey = alone(tmp_path)
    rewrite(survey, lambda _, cells: cells.update(expert=cells["expert"].replace("acw", "cw")))
    found, _ = learned(survey, tmp_path / "a", "default", pretrain=False)
    known = np.isfinite(found.votes_posterior[:, 0])
    assert found.votes_posterior[known].sum(axis=1) == pytest.approx(1)


def test_a_collapsed_perceptron_is_told(tmp_path):
    survey = alone(tmp_path)
    equal = {f"n_{answer}": "5" for answer in ("smooth", "clockwise", "anticlockwise", "other")}
    rewrite(survey, lambda row, cells: cells.update(equal) if row < 16 else None)
    found, _ = learned(survey, tmp_path / "a", "czsl2023")
    assert found.transfer.collapsed
    assert any("the perceptron collapsed, it has lost a class" in n for n in found.notes)


def test_unusable_images_are_neither_trained_on_nor_scored(tmp_path):
    survey = alone(tmp_path)
    for row in (0, 1):
        (survey / "images" / f"{name_of(row)}.png").write_bytes(b"not an image")
    found, _ = learned(survey, tmp_path / "a", "default")
    assert np.isnan(found.image_posterior[:2]).all()
    assert np.isfinite(found.image_posterior[2:]).all()
    assert np.isfinite(found.votes_posterior[:2]).all()
    assert scores(found.image_posterior, truth(20))["n"] == 18


def without_images(folder, rows):
    """Write a survey in which the images of some experts' objects are missing."""
    survey = alone(folder)
    for row in rows:
        (survey / "images" / f"{name_of(row)}.png").unlink()
    return survey


@BOTH
@pytest.mark.parametrize("usable", [0, 1])
def test_without_images_of_experts_objects_transferred_labels_teach(tmp_path, name, usable):
    """Weight 0 of them would teach a network nothing; one usable image is of one fold alone."""
    survey = without_images(tmp_path, range(usable, 20))
    found, _ = learned(survey, tmp_path / "a", name, sections=FOLDS)
    folds = "1" if usable else "1, 2"
    why = f"finetune: no expert's object that teaches the network of fold {folds} has an image"
    assert any(note.startswith(why) for note in found.notes)
    assert {line["stage"] for line in found.history} >= {"pretrain", "finetune"}
    assert found.choices == ()
    assert not found.from_answers
    assert np.isfinite(found.image_posterior[:, 0]).sum() == usable


@BOTH
@pytest.mark.parametrize("rows", [range(20), [row for row in range(20) if row // 3 % 2]])
def test_a_network_that_has_no_class_to_learn_from_stays_as_it_was_pretrained(tmp_path, name, rows):
    """All networks do, so that each is scored as the others are; answers say the class."""
    survey = without_images(tmp_path, rows)
    found, _ = learned(survey, tmp_path / "a", name, sections=FOLDS, transfer=False)
    folds = "1, 2" if len(rows) == 20 else "1"
    why = f"finetune is left out: no expert's object that teaches the network of fold {folds} has"
    assert any(note.startswith(why) for note in found.notes)
    assert "finetune" not in {line["stage"] for line in found.history}
    assert found.from_answers == (name == "default")
    assert np.isfinite(found.image_posterior[:, 0]).sum() == 20 - len(rows)


def test_where_nothing_teaches_the_classes_it_is_told(tmp_path):
    survey = without_images(tmp_path, range(20))
    with pytest.raises(CatalogueError, match=r"nothing teaches a network its classes.*finetune is"):
        learned(survey, tmp_path / "a", "default", pretrain=False, finetune={"transferred": 0.0})


def test_labels_that_are_hardly_trusted_are_enough_for_an_epoch(tmp_path):
    survey = without_images(tmp_path, range(1, 20))
    hardly = {"transferred": 0.001, "held_out": 0.5}
    found, _ = learned(survey, tmp_path / "a", "default", sections=FOLDS, finetune=hardly)
    assert all(line["loss"] is not None for line in found.history)


@pytest.mark.parametrize("sampling", ["over", "under"])
def test_sampling_is_before_the_split_in_both_phases(tmp_path, sampling):
    """Of the published rows, first resampled to equal numbers, the last 30% are held out."""
    survey = alone(tmp_path)
    recipe = quick("czsl2023", sampling=sampling, reconstruct=False, transfer=False)
    catalogue = tiny_catalogue(survey, recipe, **FOLDS)
    recorded = Recorded(open_images(catalogue, processes=1))
    context, usable = tiny_context(catalogue, tmp_path, images=recorded, report=recorded.report)
    rewritten = catalogue.experts.copy()
    rewritten[[2, 5, 8]] = 0  # three of class 2 are left
    catalogue = replace(catalogue, experts=rewritten)
    found = learn(catalogue, recipe, context, usable)
    for fold in range(2):
        training = found.experts[found.folds != fold]
        numbers = np.bincount(catalogue.experts[training], minlength=3)
        each = numbers.max() if sampling == "over" else numbers.min()
        # The first epoch: what trains, then what is held out; then the second epoch.
        read = np.array(recorded.read[f"finetune, fold {fold + 1}"])
        epoch = read[-3 * each :]
        assert np.bincount(catalogue.experts[epoch], minlength=3).tolist() == [each] * 3
        held_out = epoch[-round(0.3 * 3 * each) :]
        assert held_out.tolist() == sorted(held_out)
        assert held_out.min() >= epoch[: -len(held_out)].max()


@pytest.mark.parametrize("transferred", [0.0, 0.5, 1.0])
def test_as_many_companions_as_their_labels_are_trusted_are_in_an_epoch(
    survey, tmp_path, transferred
):
    """Of 27 with an image 23 have 20 votes; for four there is a class, worth two."""
    recipe = quick("default", finetune={"transferred": transferred})
    catalogue = tiny_catalogue(survey, recipe, **FOLDS)
    recorded = Recorded(open_images(catalogue, processes=1))
    context, usable = tiny_context(catalogue, tmp_path, images=recorded, report=recorded.report)
    learn(catalogue, recipe, context, usable)
    trusted = round(transferred * (23 * 20 / 40 + 4 * 2 / 22))
    assert trusted == round(12 * transferred)
    for fold in (1, 2):
        read = np.array(recorded.read[f"finetune, fold {fold}"])
        companions = read[(read >= 20) & (read < 48)]
        assert len(companions) == 2 * trusted  # in two epochs
        for epoch in np.split(companions, 2):
            assert len(set(epoch)) == trusted


@BOTH
def test_same_seed_same_networks_and_another_seed_others(survey, tmp_path, name):
    recipe = quick(name)
    catalogue = tiny_catalogue(survey, recipe, **FOLDS)
    found = {}
    for key, seed in {"a": 0, "b": 0, "c": 1}.items():
        context, usable = tiny_context(catalogue, tmp_path / key, seed=seed)
        found[key] = learn(catalogue, recipe, context, usable)
    one, same, other = (found[key].networks for key in "abc")
    assert all(torch.equal(one[0][weight], same[0][weight]) for weight in one[0])
    assert not all(torch.equal(one[0][weight], other[0][weight]) for weight in one[0])
    np.testing.assert_array_equal(found["a"].image_posterior, found["b"].image_posterior)


def test_images_stand_beside_their_mirror_images_where_a_class_becomes_another(survey, tmp_path):
    shown = {}
    for mirror in ({"cw": "acw"}, {}):
        found, _ = learned(
            survey, tmp_path / str(len(mirror)), "default", sections={"classes": {"mirror": mirror}}
        )
        stages = [epoch["stage"] for epoch in found.history]
        shown[len(mirror)] = {stage: stages.count(stage) for stage in stages}
    # Epochs of the pre-training, and of the fine-tuning of two folds.
    assert shown == {1: {"pretrain": 2, "finetune": 4}, 0: {"pretrain": 4, "finetune": 8}}


def test_finished_stages_are_not_run_again_and_changed_ones_are(survey, tmp_path):
    told = []
    recipe = quick("czsl2023")
    catalogue = tiny_catalogue(survey, recipe)
    context, usable = tiny_context(catalogue, tmp_path, report=told.append)
    first = learn(catalogue, recipe, context, usable)
    assert len({one.stage for one in told}) == 5
    told.clear()
    again = learn(catalogue, recipe, context, usable)
    assert told == []
    np.testing.assert_array_equal(first.image_posterior, again.image_posterior)
    assert first.history == again.history
    longer = quick("czsl2023", finetune={"epochs": 3})
    learn(catalogue, longer, context, usable)
    assert {one.stage for one in told} == {"finetune, fold 1", "finetune, fold 2"}


def test_the_largest_weight_stays_unless_experts_speak_clearly_against_it(survey, tmp_path):
    found, _ = learned(survey, tmp_path, "default", finetune={"transferred": [1.0, 0.0, 0.5]})
    tried = {choice["transferred"]: choice["log_loss"] for choice in found.choices}
    chosen = [choice["transferred"] for choice in found.choices if choice["chosen"]]
    judged = int(np.isfinite(found.image_posterior).all(axis=1).sum())
    clear = [w for w in (0.0, 0.5) if judged * (tried[1.0] - tried[w]) > np.log(20)]
    assert chosen == [min(clear, key=tried.__getitem__) if clear else 1.0]
    # The same losses over many more objects are clear.
    weights = list(tried)
    best = preferred(weights, [tried[w] for w in weights], 10**6)
    assert weights[best] == min(tried, key=tried.__getitem__)


@BOTH
def test_where_images_are_mirrored_a_class_is_as_common_as_its_mirror(survey, tmp_path, name):
    found, catalogue = learned(survey, tmp_path, name)
    counts = np.bincount(catalogue.experts[found.experts], minlength=3) + 0.5
    shares = counts / counts.sum()
    assert shares[1] != shares[2]  # clockwise and anticlockwise
    if name == "default":
        shares[1:] = shares[1:].mean()
    np.testing.assert_allclose(found.prior, shares)
