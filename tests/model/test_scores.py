"""Scores against scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics

from czsl.scores import (
    accuracy,
    auc,
    balanced_accuracy,
    known_rows,
    log_loss,
    scores,
    wilson_interval,
)


def draw(seed: int, classes: int, count: int = 40):
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    posterior = random.dirichlet(np.ones(classes), count) + 0.5 * np.eye(classes)[labels]
    return posterior / posterior.sum(axis=1, keepdims=True), labels


@given(number=st.integers(1, 500), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_interval_is_scipys(number, share):
    correct = round(share * number)
    expected = binomtest(correct, number).proportion_ci(method="wilson")
    found = wilson_interval(correct, number)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found[0] + 1e-12 >= 0
    assert found[0] <= correct / number + 1e-12
    assert correct / number <= found[1] + 1e-12


def test_nothing_is_known_without_trials():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    none = np.zeros(0, np.int64)
    assert accuracy(none, none) == {"accuracy": None, "low": 0.0, "high": 1.0, "n": 0}


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(classes, seed):
    posterior, labels = draw(seed, classes)
    chosen = posterior.argmax(axis=1)
    found = scores(posterior, labels)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, chosen))
    assert found["n"] == len(labels)
    expected = metrics.balanced_accuracy_score(labels, chosen)
    assert found["balanced_accuracy"] == pytest.approx(expected)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, posterior))
    if classes == 2:
        area = metrics.roc_auc_score(labels, posterior[:, 1])
    else:
        area = metrics.roc_auc_score(labels, posterior, multi_class="ovr", average="macro")
    assert found["auc"] == pytest.approx(area)


def test_ties_count_half():
    posterior = np.array([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8]])
    labels = np.array([0, 1, 1])
    assert auc(posterior, labels) == pytest.approx(metrics.roc_auc_score(labels, posterior[:, 1]))


def test_one_class_has_no_area():
    posterior, _ = draw(0, 2, 5)
    assert auc(posterior, np.zeros(5, np.int64)) is None
    assert auc(posterior[:0], np.zeros(0, np.int64)) is None


def test_rows_without_a_posterior_are_left_out():
    posterior, labels = draw(1, 3)
    more = np.vstack([posterior, np.full((4, 3), np.nan)])
    assert scores(more, np.append(labels, [0, 1, 2, 0])) == scores(posterior, labels)
    assert scores(np.full((2, 3), np.nan), np.array([0, 1]))["accuracy"] is None


def test_no_class_is_wrong():
    found = accuracy(np.array([-1, 1, -1, 0]), np.array([0, 1, 1, 0]))
    assert (found["accuracy"], found["n"]) == (0.5, 4)


def test_balanced_accuracy_is_over_the_classes_that_occur():
    assert balanced_accuracy(np.array([2, 2, 1]), np.array([2, 2, 2])) == pytest.approx(2 / 3)


def test_certain_and_wrong_costs_much_and_not_infinitely():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))


@given(seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_order_and_names_do_not_matter(seed):
    posterior, labels = draw(seed, 3)
    random = np.random.default_rng(seed)
    order, names = random.permutation(len(labels)), random.permutation(3)
    moved = np.empty_like(posterior)
    moved[:, names] = posterior
    expected = scores(posterior, labels)
    for found in (scores(posterior[order], labels[order]), scores(moved, names[labels])):
        assert found == pytest.approx(expected)


def test_one_nan_makes_an_object_unknown_in_every_execution_alone():
    posterior = np.full((2, 3, 4), 0.25)
    posterior[0, 1, 2] = np.nan
    assert known_rows(posterior).tolist() == [[True, False, True], [True, True, True]]
    for one in posterior:
        expected = [not any(np.isnan(row)) for row in one]
        assert known_rows(one).tolist() == expected
