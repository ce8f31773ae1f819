"""What executions show together, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from czsl.compare.about import about_arm, arm_stages, compare_command
from czsl.compare.arms import MAJORITY, Probe, RecipeArm, VotesArm, select_arms
from czsl.compare.curves import (
    labels_needed,
    mean_confusion,
    pooled_reliability,
    precision_recall,
)
from czsl.compare.differences import steps
from czsl.compare.protocols import Protocol
from czsl.reliability import reliability
from tiny import quick, tiny_config, write_survey


def drawn(executions, objects, classes, seed=0):
    """Draw posteriors and labels that agree more often than by chance."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=objects)
    raw = random.dirichlet(np.ones(classes), size=(executions, objects))
    return (raw + 0.5 * np.eye(classes)[labels]) / 1.5, labels


def test_precision_and_recall_are_scikit_learns():
    posterior, labels = drawn(2, 60, 3)
    posterior = np.round(posterior, 1)  # equal scores are chosen together
    recall, precision = precision_recall(posterior, labels, 1)
    expected = precision_recall_curve(np.tile(labels == 1, 2), posterior[:, :, 1].ravel())
    # scikit-learn gives falling recall, and an end of no objects.
    assert recall == pytest.approx(expected[1][:-1][::-1])
    assert precision == pytest.approx(expected[0][:-1][::-1])


def test_long_curves_are_thinned_and_objects_without_posterior_left_out():
    posterior, labels = drawn(1, 5000, 2)
    posterior[0, :10] = np.nan
    recall, precision = precision_recall(posterior, labels, 0)
    assert len(recall) == len(precision) <= 200
    assert recall[-1] == 1
    score, inside = posterior[0, 10:, 0], labels[10:] == 0
    assert precision[-1] == pytest.approx(inside.sum() / (score >= score[inside].min()).sum())
    assert len(precision_recall(posterior, np.ones_like(labels), 0)[0]) == 0


def test_confusion_is_the_mean_of_the_executions_that_judged():
    posterior, labels = drawn(3, 40, 3)
    posterior[1] = np.nan
    mean = mean_confusion(posterior, labels)
    assert mean == pytest.approx((2 * mean_confusion(posterior[[0, 2]], labels)) / 2)
    assert mean.sum() == pytest.approx(40)
    assert not mean[:, -1].any()


def test_pooled_bins_are_as_sure_as_one_execution():
    posterior, labels = drawn(1, 200, 2)
    twice = pooled_reliability(np.concatenate([posterior, posterior]), labels)
    for ours, plain in zip(twice, reliability(posterior[0], labels), strict=True):
        assert ours.n == plain.n
        assert ours.found == pytest.approx(plain.found)
        assert (ours.found_low, ours.found_high) == pytest.approx(
            (plain.found_low, plain.found_high)
        )
        assert ours.found_low <= ours.found <= ours.found_high


@pytest.mark.parametrize(
    ("target", "expected", "place"),
    [
        (0.5, 10, "below"),
        (0.6, 10, "within"),
        (0.7, np.sqrt(1000), "within"),
        (0.8, 100, "within"),
        (0.95, 1000, "beyond"),
    ],
)
def test_labels_that_a_curve_needs(target, expected, place):
    needed = labels_needed([10, 100, 1000], [0.6, 0.8, 0.9], target)
    assert needed.number == pytest.approx(expected)
    assert needed.place == place


def test_a_curve_that_falls_again_counts_where_it_first_reached():
    assert labels_needed([10, 100, 1000], [0.6, 0.8, 0.7], 0.75).number < 100


def test_ladders_skip_arms_that_are_not_there():
    assert steps(["majority"]) == []
    arms = ["czsl2023", "default", "czsl2023_experts", "no_transfer", "experts"]
    assert steps(arms) == [
        [("no_transfer", "experts"), ("default", "no_transfer")],
        [("czsl2023", "czsl2023_experts")],
    ]


def test_folds_in_file_order_share_their_labels():
    numbers = np.repeat(np.arange(5), 40)
    published = Protocol(name="czsl2023", order="file")
    assert published.folds_alike(numbers) == [2, 3, 4, 5]
    assert published.folds_alike(numbers[::-1]) == [1, 2, 3, 4]
    assert Protocol(name="czsl2023").folds_alike(numbers) == []
    assert Protocol(order="file").folds_alike(numbers) == []


def test_every_arm_that_ships_is_told_in_words(tmp_path):
    config = tiny_config(write_survey(tmp_path / "survey", count=3), quick("default"))
    arms = select_arms(config, ("images", "votes", "published", "ablations", "sampling"))
    told = {name: about_arm(arm) for name, arm in arms.items()}
    assert all(text.startswith("Judges ") for text in told.values())
    assert "debiased" not in told[MAJORITY]
    assert "published network" in told["czsl2023"]
    assert "autoencoder" in told["czsl2023"]
    assert "autoencoder" not in told["czsl2023_no_autoencoder"]
    assert "every training object" in told["ceiling"]
    assert "over-sampled" in told["default_over"]
    assert arm_stages(arms["no_transfer"]) == ["pretrain", "finetune"]
    kinds = {type(arm) for name, arm in arms.items() if not arm_stages(arm)}
    assert {VotesArm, Probe} < kinds
    assert RecipeArm not in kinds
    assert about_arm(lambda cell: cell) == "A function of your own."


def test_a_command_names_its_sources_once_and_leaves_out_arms_that_differ():
    task = {"source": "my folder", "arms": {"majority": {}}}
    plan = {
        "tasks": {"a": task, "b": {**task, "arms": {"default": {}}}},
        "protocol": {"name": "czsl2023", "order": "file", "folds": 3},
        "settings": ["all"],
        "executions": 1,
        "seed": 7,
    }
    assert compare_command(plan, "NEW", "majority") == (
        "czsl compare 'my folder' --out NEW --protocol czsl2023 --order file --folds 3 "
        "--reference majority --executions 1 --seed 7"
    )
