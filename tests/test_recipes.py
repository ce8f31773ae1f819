"""The two recipes, and what changes them."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

from czsl.errors import ArgumentError, ConfigError, Problems
from czsl.recipes import CZSL2023, DEFAULT, RECIPES, Training, make_recipe, recipe_settings


def test_the_recipe_by_default_is_called_default():
    assert recipe_settings({}) == DEFAULT == RECIPES["default"]


def test_the_published_recipe_is_the_published_one():
    recipe = recipe_settings({"name": "czsl2023"})
    assert recipe == CZSL2023
    assert recipe.network == "published"
    for stage in (recipe.reconstruct, recipe.pretrain, recipe.finetune):
        assert (stage.epochs, stage.batch, stage.optimiser, stage.rate) == (100, 32, "sgd", 0.01)
        assert (stage.held_out, stage.hold_out) == (0.3, "last")
        assert stage.augment is None
    assert recipe.transfer.kind == "perceptron"
    assert recipe.finetune.loss == "squared"
    assert recipe.calibrate is None


def test_single_settings_change_and_the_others_stay():
    recipe = recipe_settings({"pretrain": {"epochs": 3, "augment": {"mirror": False}}})
    assert recipe.pretrain.epochs == 3
    assert recipe.pretrain.augment.mirror is False
    assert recipe.pretrain.augment.zoom == DEFAULT.pretrain.augment.zoom
    assert recipe.pretrain.rate == DEFAULT.pretrain.rate
    assert recipe.finetune == DEFAULT.finetune


@pytest.mark.parametrize("stage", ["reconstruct", "pretrain", "transfer", "finetune"])
@pytest.mark.parametrize("name", list(RECIPES))
def test_each_stage_can_be_left_out_alone(name, stage):
    recipe = recipe_settings({"name": name, stage: False})
    before = RECIPES[name].model_dump()
    assert recipe.model_dump() == {**before, stage: None}


def test_yes_and_no_of_a_stage_are_not_taken_for_leaving_it_out():
    recipe = recipe_settings(
        {"transfer": {"extra": False}, "pretrain": {"experts": True, "augment": False}}
    )
    assert recipe.transfer.extra is False
    assert recipe.pretrain.experts is True
    assert recipe.pretrain.augment is None


def test_a_stage_that_the_recipe_lacks_is_given_whole():
    assert DEFAULT.reconstruct is None
    stage = {"epochs": 2, "batch": 8, "optimiser": "sgd", "rate": 0.1}
    published = {"network": "published", "pretrain": {"targets": "majority"}}
    given = recipe_settings({**published, "reconstruct": stage})
    assert given.reconstruct == Training(**stage)
    with pytest.raises(ConfigError, match=r"\[recipe\] reconstruct\.batch: is missing; give it"):
        recipe_settings({"reconstruct": {"epochs": 2}})


def test_only_the_published_network_has_an_autoencoder():
    stage = {"epochs": 2, "batch": 8, "optimiser": "sgd", "rate": 0.1}
    with pytest.raises(ConfigError, match="'reconstruct' is on and 'network' is 'residual'"):
        recipe_settings({"reconstruct": stage})


def test_the_published_network_goes_without_volunteers_or_with_their_majority():
    assert recipe_settings({"network": "published", "pretrain": False}).pretrain is None
    majority = {"network": "published", "pretrain": {"targets": "majority"}}
    assert recipe_settings(majority).pretrain.targets == "majority"


def test_senses_are_settled_in_both_trainings_and_nothing_else_is():
    for senses, mirror, passes in ((True, "both", (25, 6)), (False, True, (50, 12))):
        settled = DEFAULT.for_senses(senses)
        stages = (settled.pretrain, settled.finetune)
        assert [stage.augment.mirror for stage in stages] == [mirror, mirror]
        assert tuple(stage.epochs for stage in stages) == passes
        again = {"pretrain": DEFAULT.pretrain, "finetune": DEFAULT.finetune}
        assert settled.model_copy(update=again) == DEFAULT
        assert settled.for_senses(not senses) == settled


def test_what_is_not_left_to_the_classes_stays():
    for mirror in (True, False, "both"):
        recipe = recipe_settings({"pretrain": {"augment": {"mirror": mirror}}, "finetune": False})
        assert recipe.for_senses(True) == recipe
    assert CZSL2023.for_senses(True) == CZSL2023


def test_training_refuses_what_is_not_settled():
    with pytest.raises(ArgumentError, match='"senses" depends on the classes: call for_senses'):
        _ = DEFAULT.pretrain.shown


def test_recipes_do_not_change_when_settings_do():
    before = DEFAULT.model_dump()
    recipe_settings({"pretrain": {"epochs": 1, "augment": {"zoom": 0.3}}, "calibrate": False})
    assert DEFAULT.model_dump() == before
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULT.calibrate = None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "defualt"}, "no recipe 'defualt'; did you mean 'default'?"),
        ({"name": ["default"]}, "there is no recipe ['default']; did you mean 'default'?"),
        ({"pretrian": False}, "pretrian: is not a setting; did you mean 'pretrain'?"),
        ({"pretrain": {"epoch": 3}}, "pretrain.epoch: is not a setting; did you mean 'epochs'?"),
        (
            {"finetune": {"augment": {"rot": True}}},
            "finetune.augment.rot: is not a setting; did you mean 'rotate'?",
        ),
        ({"pretrain": {"epochs": 0}}, "pretrain.epochs: got 0; it must be 1 or more"),
        ({"pretrain": {"rate": 0}}, "pretrain.rate: got 0; it must be above 0"),
        (
            {"pretrain": {"augment": {"mirror": "bth"}}},
            "pretrain.augment.mirror: got 'bth'; true or false or 'both' or 'senses'",
        ),
        ({"pretrain": {"held_out": 1}}, "pretrain.held_out: got 1; it must be below 1"),
        ({"pretrain": {"rate": float("nan")}}, "rate: got nan; a finite number is needed"),
        ({"pretrain": {"epochs": 1.5}}, "epochs: got 1.5; a whole number is needed"),
        ({"pretrain": True}, "pretrain: got True; a table of settings is needed"),
        ({"calibrate": "often"}, "calibrate: got 'often'; it is one of 'temperature' or 'lapse'"),
        (
            {"network": "resnet"},
            "got 'resnet'; it is one of 'published', 'residual', 'pretrained' or 'given'",
        ),
        (
            {"network": "pretrained"},
            "'network' is 'pretrained' and 'encoder' is None; a pretrained",
        ),
        ({"encoder": "convnext"}, "'network' is 'residual' and 'encoder' is 'convnext'; a pretrai"),
        ({"pretrain": {"augment": {"blur": -1}}}, "augment.blur: got -1; it must be 0 or more"),
        ({"finetune": {"augment": {"noise": 1}}}, "augment.noise: got 1; it must be 0.5 or less"),
        (
            {"name": "czsl2023", "network": "residual"},
            "'reconstruct' is on and 'network' is 'residual'; only the published network has an",
        ),
        (
            {"network": "published"},
            "'network' is 'published' and 'pretrain.targets' is 'shares'; the published network "
            'has no head for answers: set targets = "majority" or network = "residual"',
        ),
        (
            {"name": "czsl2023", "pretrain": {"targets": "counts"}},
            "'network' is 'published' and 'pretrain.targets' is 'counts'; the published network",
        ),
        (
            {"transfer": {"kind": "perceptron", "image": True}},
            "'transfer.image' is true and 'transfer.kind' is 'perceptron', which does not look at",
        ),
        (
            {"pretrain": {"patience": 12}},
            "'pretrain.patience' is 12 and 'pretrain.held_out' is 0, so that no row scores the "
            "epochs and none is the best; set held_out, such as 0.1, or patience = 0",
        ),
        (
            {"finetune": {"patience": 3, "held_out": 0}},
            "'finetune.patience' is 3 and 'finetune.hel",
        ),
        ("default", "settings, recipe: got 'default'; a table of settings is needed"),
        # what could be read as a value of the right kind, and is none
        ({"folds": True}, "[recipe] folds: got True; a whole number is needed"),
        ({"folds": "7"}, "[recipe] folds: got '7'; a whole number is needed"),
        ({"folds": 7.0}, "[recipe] folds: got 7.0; a whole number is needed"),
        ({"views": True}, "[recipe] views: got True; a whole number is needed"),
        ({"views": 2}, "[recipe] views: got 2; it is one of 1 or 8"),
        ({"fuse": "yes"}, "[recipe] fuse: got 'yes'; true or false is needed"),
        ({"fuse": 1}, "[recipe] fuse: got 1; true or false is needed"),
        ({"pretrain": {"rate": "0.1"}}, "pretrain.rate: got '0.1'; a number is needed"),
        ({"pretrain": {"rate": True}}, "pretrain.rate: got True; a number is needed"),
        ({"pretrain": {"augment": {"mirror": 1}}}, "mirror: got 1; true or false or 'both' or"),
        ({"transfer": {"extra": "yes"}}, "extra: got 'yes'; true or false or a list, such as"),
        ({"finetune": {"transferred": [0, True]}}, "transferred: got True; a number is needed"),
        ({"finetune": {"transferred": []}}, "transferred: got []; 1 or more are needed"),
        ({"finetune": {"transferred": [0] * 6}}, "0, 0]; 5 or fewer are needed"),
    ],
)
def test_what_cannot_be_used_is_said_with_what_can(changes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        recipe_settings(changes)


@pytest.mark.parametrize("mirror", [True, False, "both", "senses"])
def test_values_of_the_right_kind_are_kept_and_whole_numbers_are_numbers(mirror):
    recipe = recipe_settings(
        {
            "folds": np.int64(3),
            "pretrain": {"rate": 1, "weight_decay": np.float32(0.5), "augment": {"mirror": mirror}},
            "transfer": {"extra": ["a", "b"]},
            "finetune": {"transferred": [0, 1], "freeze": False},
        }
    )
    assert recipe.pretrain.augment.mirror == mirror
    assert (recipe.folds, recipe.pretrain.rate, recipe.pretrain.weight_decay) == (3, 1.0, 0.5)
    assert {type(value) for value in recipe.finetune.transferred} == {float}
    assert (recipe.finetune.transferred, recipe.transfer.extra) == ((0.0, 1.0), ("a", "b"))
    assert recipe_settings({"finetune": {"transferred": 1}}).finetune.transferred == (1.0,)


def test_all_slips_are_told_at_once():
    problems = Problems()
    changes = {"pretrain": {"epochs": "x", "bogus": 1}, "folds": 0, "widht": 3}
    assert make_recipe(changes, problems, name="czsl.toml") is None
    assert sorted(problem.where for problem in problems.fatal) == [
        "czsl.toml, [recipe] folds",
        "czsl.toml, [recipe] pretrain.bogus",
        "czsl.toml, [recipe] pretrain.epochs",
        "czsl.toml, [recipe] widht",
    ]


def test_a_stage_that_a_recipe_leaves_out_is_read_as_it_was_written():
    asked = {"epochs": 2, "batch": 8, "optimiser": "sgd", "rate": 0.1, "augment": False}
    shared = {"network": "published", "pretrain": {"targets": "majority"}}
    recipe = recipe_settings({**shared, "reconstruct": asked})
    assert recipe.reconstruct is not None
    assert recipe.reconstruct.augment is None
    with pytest.raises(ConfigError, match="encoder"):
        recipe_settings({"encoder": {"folder": "here"}})
