"""Reliability against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from czsl.reliability import bins, calibration_error, confusion, reliability
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
