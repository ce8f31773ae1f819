"""Arms of a comparison."""

import json

import pytest

from czsl.compare.arms import compare, standard_arms
from czsl.errors import RunError
from czsl.model import CzSL
from tiny import quick, tiny_catalogue, tiny_model, write_survey

SHORT = {"default": quick("default"), "czsl2023": quick("czsl2023")}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of all arms, and what was trained for each."""
    folder = tmp_path_factory.mktemp("compared")
    catalogue = tiny_catalogue(write_survey(folder / "survey"), quick("default"))
    arms = standard_arms(SHORT["default"], {"czsl2023": SHORT["czsl2023"]})
    trained: dict[str, list[str]] = {}
    told: list[str] = []

    def started(name):
        nonlocal told
        told = trained.setdefault(name, [])

    found = compare(
        catalogue,
        folder / "out",
        arms,
        make_model=lambda recipe: tiny_model(
            recipe=recipe, report=lambda progress: told.append(progress.stage)
        ),
        started=started,
    )
    return folder / "out", found, trained, catalogue, arms


def test_arms_show_what_each_tier_adds():
    arms = standard_arms(SHORT["default"])
    assert list(arms) == ["experts", "volunteers", "czsl2023", "default"]
    experts, volunteers = arms["experts"], arms["volunteers"]
    assert (experts.pretrain, experts.transfer) == (None, None)
    assert experts.finetune == arms["default"].finetune
    assert (volunteers.finetune, volunteers.transfer, volunteers.calibrate) == (None, None, False)
    assert volunteers.pretrain == arms["default"].pretrain


def test_every_arm_is_scored_on_the_same_objects(compared):
    folder, found, *_ = compared
    assert [arm.name for arm in found] == [
        "experts",
        "majority",
        "volunteers",
        "czsl2023",
        "default",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())["arms"]
    assert list(metrics) == [arm.name for arm in found]
    for arm in found:
        score = metrics[arm.name]
        assert score == arm.scores
        assert score["n"] == 20
        assert score["low"] <= score["accuracy"] <= score["high"]
        if arm.name != "majority":
            assert CzSL.load(arm.model, device="cpu").scores_["image"] == score


def test_stages_that_arms_share_are_trained_once(compared):
    trained = compared[2]
    assert set(trained["volunteers"]) == {"pretrain"}
    assert set(trained["default"]) == {"finetune, fold 1", "finetune, fold 2"}
    assert set(trained["experts"]) == {"finetune, fold 1", "finetune, fold 2"}


def test_resuming_trains_nothing_and_gives_the_same(compared):
    folder, found, _, catalogue, arms = compared
    with pytest.raises(RunError, match="experts: holds a run already"):
        compare(catalogue, folder, arms, make_model=lambda recipe: tiny_model(recipe=recipe))
    told = []
    again = compare(
        catalogue,
        folder,
        arms,
        resume=True,
        make_model=lambda recipe: tiny_model(recipe=recipe, report=told.append),
    )
    assert told == []
    assert again == found
