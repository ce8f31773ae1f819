"""Reliability against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from czsl.reliability import (
    bins,
    calibration_error,
    calibration_interval,
    confusion,
    reliability,
)
from czsl.scores import wilson_interval


@pytest.mark.parametrize("classes", [2, 5])
def test_confusion_is_scikit_learns(classes):
    random = np.random.default_rng(3)
    labels, predicted = random.integers(0, classes, (2, 60))
    found = confusion(predicted, labels, classes)
    np.testing.assert_array_equal(found[:, :-1], metrics.confusion_matrix(labels, predicted))
    assert not found[:, -1].any()
    nothing = confusion(np.full(len(labels), -1), labels, classes)
    np.testing.assert_array_equal(nothing[:, -1], np.bincount(labels, minlength=classes))


@given(seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_bins_hold_every_object_once(seed):
    random = np.random.default_rng(seed)
    stated = np.concatenate([random.uniform(size=50), [0.0, 1.0, 0.1]])
    happened = random.uniform(size=53) < stated
    found = bins(stated, happened, 10)
    assert sum(one.n for one in found) == 53
    assert sum(one.n * one.stated for one in found) == pytest.approx(stated.sum())
    assert sum(one.n * one.found for one in found) == pytest.approx(happened.sum())
    for one in found:
        assert one.low - 1e-12 <= one.stated <= one.high + 1e-12
        expected = wilson_interval(round(one.found * one.n), one.n)
        assert (one.found_low, one.found_high) == expected


def test_calibration_error_by_hand():
    posterior = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [np.nan, np.nan]])
    found = reliability(posterior, np.array([0, 1, 1, 0]))
    assert [(one.n, one.found) for one in found] == [(1, 1.0), (2, 0.5)]
    assert calibration_error(found) == pytest.approx((0.35 + 2 * 0.45) / 3)
    assert calibration_error([]) is None


def error_by_hand(stated, right) -> float:
    """Count object by object: the sum over ten bins of |those that were so - those stated| / n."""
    total = np.zeros(10)
    for p, so in zip(stated.tolist(), right.tolist(), strict=True):
        total[min(int(p * 10), 9)] += so - p
    return float(np.abs(total).sum() / len(stated))


@pytest.mark.parametrize("sure", [1.0, 3.0])
def test_the_interval_of_the_calibration_error_is_that_of_a_bootstrap(sure):
    """Of true probabilities, and of probabilities that are too sure."""
    random, number, draws = np.random.default_rng(4), 150, 2000
    logits = random.normal(0, 1.2, (number, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.random((number, 1)) > true.cumsum(axis=1)).sum(axis=1)
    posterior = true**sure / (true**sure).sum(axis=1, keepdims=True)
    found = calibration_interval(
        np.vstack([posterior, np.full((2, 3), np.nan)]),
        np.append(labels, [0, 1]),
        draws=draws,
        seed=1,
    )
    stated, right = posterior.max(axis=1), posterior.argmax(axis=1) == labels
    again = np.random.default_rng(2)
    errors, chance = [], []
    for _ in range(draws):
        rows = [int(again.random() * number) for _ in range(number)]
        errors.append(error_by_hand(stated[rows], right[rows]))
        chance.append(error_by_hand(stated, again.random(number) < stated))
    assert found["n"] == number
    assert found["error"] == pytest.approx(error_by_hand(stated, right))
    low, high = np.quantile(errors, [0.025, 0.975])
    assert found["low"] == pytest.approx(low, abs=0.006)
    assert found["high"] == pytest.approx(high, abs=0.006)
    assert found["by_chance"] == pytest.approx(np.mean(chance), abs=0.002)
    # What is too sure is told from chance, what is true is not.
    assert (found["low"] > found["by_chance"]) == (sure > 1)
    assert calibration_interval(np.full((2, 3), np.nan), np.zeros(2, int)) is None
