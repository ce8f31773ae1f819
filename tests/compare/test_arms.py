"""Arms: what each learns from, and how it judges."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from czsl.catalogue import Catalogue, majority_probability
from czsl.compare.arms import (
    ARM_NAMES,
    TIERS,
    Majority,
    RecipeArm,
    VotesArm,
    all_arms,
    select_arms,
    tier_recipes,
)
from czsl.compare.cell import Cell
from czsl.compare.protocols import Protocol
from czsl.errors import ArgumentError, CatalogueError, ConfigError
from czsl.model import Hardware
from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import Transfer
from czsl.stages.head import STRENGTHS
from czsl.stages.reconstruct import reconstruct
from czsl.stages.sampling import resampled
from tiny import quick, tiny_config, write_survey
from votes_only import votes_config, write_table

SHORT = {"default": quick("default"), "czsl2023": quick("czsl2023", folds=1)}


def make_cell(catalogue, folder, *, protocol=None, fold=0):
    protocol = protocol or Protocol(folds=2)
    numbers = protocol.fold_numbers(catalogue, 0)
    split = protocol.split(catalogue, numbers, fold, 0)
    return Cell(
        truth=catalogue,
        split=split,
        seed=0,
        fold=fold + 1,
        stages=folder / "stages",
        hardware=Hardware(device="cpu", threads=1),
    )


@pytest.fixture
def votes_cell(tmp_path):
    catalogue = Catalogue.read(votes_config(write_table(tmp_path)))
    return make_cell(catalogue, tmp_path, protocol=Protocol(name="czsl2023", experts=0.2))


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The tiny survey, its images decoded."""
    config = tiny_config(write_survey(tmp_path_factory.mktemp("arms") / "survey"), SHORT["default"])
    return Catalogue.read(config.model_copy(update={"arms": {"czsl2023": SHORT["czsl2023"]}}))


def test_a_cell_hides_what_must_not_be_learned(votes_cell):
    cell, split = votes_cell, votes_cell.split
    assert np.array_equal(np.flatnonzero(cell.training.is_expert), split.experts)
    voted = np.union1d(split.experts, split.volunteers)
    assert np.array_equal(np.flatnonzero(cell.training.has_votes), voted)
    assert cell.catalogue.has_votes.all()
    assert not cell.catalogue.is_expert.any()
    assert np.array_equal(np.flatnonzero(cell.ceiling.is_expert), split.training)
    assert len(cell.scored) == 300
    assert cell.prior.sum() == pytest.approx(1)


def test_test_images_never_train(survey, tmp_path):
    cell = make_cell(survey, tmp_path)
    assert len(cell.split.test) == 10
    assert not cell.usable[cell.split.test].any()
    assert cell.usable.sum() == survey.is_expert.sum() - 10 + 40 - 2  # one missing, one truncated


def test_tiers_show_what_each_adds():
    recipes = tier_recipes(SHORT["default"])
    assert list(recipes) == ["experts", "volunteers", "czsl2023", "default"]
    experts, volunteers = recipes["experts"], recipes["volunteers"]
    assert (experts.pretrain, experts.transfer) == (None, None)
    assert experts.finetune == recipes["default"].finetune
    assert (volunteers.finetune, volunteers.transfer, volunteers.calibrate) == (None, None, None)
    assert volunteers.pretrain == recipes["default"].pretrain
    assert recipes["czsl2023"].folds == 1


def test_arms_differ_in_the_part_they_are_named_after(survey):
    arms = all_arms(survey.config)
    published = arms["czsl2023"].recipe
    assert published == SHORT["czsl2023"]
    assert arms["czsl2023_no_autoencoder"].recipe == published.model_copy(
        update={"reconstruct": None}
    )
    assert arms["czsl2023_no_transfer"].recipe == published.model_copy(update={"transfer": None})
    both = arms["czsl2023_volunteers_experts"].recipe
    assert (both.reconstruct, both.transfer) == (None, None)
    assert both.pretrain == published.pretrain
    assert arms["ceiling"].ceiling
    assert arms["czsl2023_over"].recipe.sampling == "over"
    assert arms["probe"].training == published.reconstruct
    assert set(ARM_NAMES) <= set(arms) | {"majority_debiased"}


def test_groups_and_names_are_chosen(survey):
    assert list(select_arms(survey.config)) == list(TIERS)
    chosen = select_arms(survey.config, ["votes", "default", "majority"])
    assert list(chosen) == [
        *("majority", "perceptron", "logistic", "perceptron_extra", "logistic_extra"),
        *("logistic_ceiling", "default"),
    ]
    with pytest.raises(ArgumentError, match="arm 'defualt': there is no such arm; did you mean"):
        select_arms(survey.config, ["defualt"])


def test_an_arm_of_the_configuration_is_a_tier_arm(survey):
    config = survey.config.model_copy(update={"arms": {"mine": SHORT["default"]}})
    chosen = select_arms(config)
    assert list(chosen) == [*TIERS, "mine"]
    assert chosen["mine"] == RecipeArm(SHORT["default"])


def test_an_arm_of_the_configuration_takes_the_place_of_one_that_ships(survey):
    wide = SHORT["default"].model_copy(update={"width": 77})
    names = ("experts", "no_transfer", "ceiling", "default_over", "czsl2023_experts", "fused")
    standard = all_arms(survey.config)
    for name in names:
        arms = {**survey.config.arms, name: wide}
        changed = all_arms(survey.config.model_copy(update={"arms": arms}))
        assert changed[name].recipe == wide
        # It is told what it was told before, and all others stay.
        assert replace(changed[name], recipe=standard[name].recipe) == standard[name]
        assert [arm for arm in standard if changed[arm] != standard[arm]] == [name]


def test_a_default_of_the_configuration_reaches_all_that_is_derived_from_it(survey):
    wide = SHORT["default"].model_copy(update={"width": 77})
    config = survey.config.model_copy(update={"arms": {"default": wide}})
    chosen = select_arms(config, ("ablations", "fused", "default_over"))
    assert {arm: made.recipe.width for arm, made in chosen.items()} == dict.fromkeys(
        ("experts", "volunteers", "no_transfer", "ceiling", "default", "fused", "default_over"), 77
    )


def test_arms_without_a_recipe_are_not_given_one(survey):
    arms = dict.fromkeys(("majority", "probe", "mine", "logistic"), SHORT["default"])
    config = survey.config.model_copy(update={"arms": arms})
    with pytest.raises(ConfigError, match=r"3 problems\n.*\[arms.majority\].*\n.*\n.*logistic"):
        select_arms(config)


def test_the_majority_learns_nothing(votes_cell):
    posterior = Majority()(votes_cell)
    assert np.array_equal(posterior, majority_probability(votes_cell.truth))
    debiased = Majority(("e_deb", "l_deb"))(votes_cell)
    late = votes_cell.truth.extra[:, 1]
    assert debiased[:, 1] == pytest.approx(late, abs=2e-3)


@pytest.mark.parametrize("kind", ["perceptron", "logistic"])
def test_votes_alone_are_learned_from(votes_cell, kind):
    posterior = VotesArm(Transfer(kind=kind))(votes_cell)
    assert posterior.shape == (300, 2)
    assert posterior.sum(axis=1) == pytest.approx(1)
    labels = votes_cell.truth.experts[votes_cell.scored]
    right = np.mean(posterior.argmax(axis=1) == labels)
    assert right > 0.85 or votes_cell.notes


def test_votes_arms_equal_scikit_learn_on_the_same_rows(votes_cell):
    from sklearn.neural_network import MLPClassifier

    posterior = VotesArm(Transfer(kind="perceptron", extra=False), "over")(votes_cell)
    fractions = votes_cell.truth.questions[0].fractions
    rows = votes_cell.split.experts
    labels = votes_cell.truth.experts[rows]
    chosen = resampled(labels, "over", votes_cell.fold_seed)
    model = MLPClassifier((8, 7, 5, 3), alpha=1e-4, max_iter=300, random_state=votes_cell.fold_seed)
    with pytest.warns(match="Maximum iterations"):
        model.fit(fractions[rows][chosen], labels[chosen])
    assert posterior == pytest.approx(model.predict_proba(fractions), abs=1e-9)
    assert votes_cell.prior.tolist() == [0.5, 0.5]


def test_experts_of_one_class_are_an_error(votes_cell):
    truth = votes_cell.truth
    hidden = truth.hiding(classes=truth.experts == 1, votes=np.zeros(300, bool))
    cell = Cell(
        truth=hidden,
        split=votes_cell.split,
        seed=0,
        fold=1,
        stages=votes_cell.stages,
        hardware=votes_cell.hardware,
    )
    with pytest.raises(CatalogueError, match="of 1 class; a transfer needs two classes"):
        VotesArm(Transfer(kind="logistic"))(cell)


@pytest.mark.parametrize("name", ["default", "czsl2023", "probe", "volunteers", "czsl2023_over"])
def test_image_arms_judge_the_scored_objects(survey, tmp_path, name):
    cell = make_cell(survey, tmp_path)
    posterior = all_arms(survey.config)[name](cell)
    assert posterior.shape == (20, 3)
    assert posterior.sum(axis=1) == pytest.approx(1)
    if name == "czsl2023":
        assert any("folds = 1: one network learns from every" in note for note in cell.notes)


def test_the_probe_is_a_regression_of_classes_on_the_maps_of_the_autoencoder(survey, tmp_path):
    cell = make_cell(survey, tmp_path)
    probe = all_arms(survey.config)["probe"]
    posterior = probe(cell)
    context = cell.context()
    unlabelled = np.flatnonzero(cell.usable & ~cell.training.is_expert)
    autoencoder = PublishedAutoencoder(channels=context.channels)
    autoencoder.load_state_dict(reconstruct(context, unlabelled, probe.training)[0])

    def features(rows):
        images = torch.from_numpy(context.images.gather(rows)).permute(0, 3, 1, 2) / 255
        edge = (images.shape[-1] - context.view) // 2
        images = images[..., edge : edge + context.view, edge : edge + context.view]
        with torch.no_grad():
            turned = [autoencoder.convolutions(images.rot90(turn, (2, 3))) for turn in range(4)]
        return torch.stack(turned).mean(dim=0).flatten(1).numpy()

    rows = np.flatnonzero(cell.training.is_expert & cell.usable)
    known = features(rows), cell.training.experts[rows]
    plain = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        .fit(*known)
        .predict_proba(features(cell.scored))
        for strength in STRENGTHS
    ]
    assert min(np.abs(posterior - one).max() for one in plain) < 0.01
    assert max(np.abs(posterior - one).max() for one in plain) > 0.05  # strengths differ


def test_stages_that_tasks_share_do_not_share_what_answers_mean(survey, tmp_path):
    """The same networks of votes are read off their answers otherwise in another task."""
    arm = all_arms(survey.config)["volunteers"]
    first = arm(make_cell(survey, tmp_path))
    answers = {"round": ["smooth", "other"], "cw": ["clockwise"], "acw": ["anticlockwise"]}
    meant = tiny_config(survey.config.folder, SHORT["default"], classes={"from_answers": answers})
    other = Catalogue.read(meant)
    shared, own = arm(make_cell(other, tmp_path)), arm(make_cell(other, tmp_path / "own"))
    np.testing.assert_allclose(shared, own)
    assert np.abs(shared - first).max() > 0.001


def test_missing_images_have_no_posterior(tmp_path):
    survey = write_survey(tmp_path / "s")
    first = sorted((survey / "images").glob("*.png"))[0]
    first.unlink()
    catalogue = Catalogue.read(tiny_config(survey, SHORT["default"]))
    cell = make_cell(catalogue, tmp_path)
    posterior = RecipeArm(tier_recipes(SHORT["default"])["volunteers"])(cell)
    lost = cell.scored == 0
    assert np.isnan(posterior[lost]).all()
    assert np.isfinite(posterior[~lost]).all()


def test_the_ceiling_takes_the_shares_of_all_that_it_learns_from(survey, tmp_path):
    protocol = Protocol(name="czsl2023", experts=0.4, folds=2)
    arms = all_arms(survey.config)
    for name, rows in (("ceiling", "training"), ("experts", "experts")):
        cell = make_cell(survey, tmp_path, protocol=protocol)
        arms[name](cell)
        labels = survey.experts[getattr(cell.split, rows)]
        assert cell.prior == pytest.approx(np.bincount(labels, minlength=3) / len(labels))


def test_an_arm_is_described_by_all_its_settings():
    one = repr(VotesArm(Transfer(kind="logistic")))
    other = repr(VotesArm(Transfer(kind="logistic", extra=False)))
    assert one != other
    assert re.search(r"0x[0-9a-f]+", one) is None


def test_a_date_is_a_seed(votes_cell):
    dated = replace(votes_cell, seed=20261128)
    posterior = VotesArm(Transfer(kind="perceptron", extra=False), "over")(dated)
    assert np.isfinite(posterior).all()
