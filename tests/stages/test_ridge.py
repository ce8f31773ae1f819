"""Newton's regression against scikit-learn, and folds."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from czsl.stages.ridge import deal_folds, fit_ridge, paired_gain


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("penalty", [0.03, 1.0, 30.0])
def test_weights_are_scikit_learns(classes, penalty):
    random = np.random.default_rng(classes)
    inputs, labels = random.normal(size=(200, 4)), random.integers(0, classes, 200)
    weights = random.random(200)
    found = fit_ridge(inputs, labels, weights, offset=np.zeros(classes), penalty=penalty)
    model = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=5000)
    np.testing.assert_allclose(found.T, model.fit(inputs, labels, weights).coef_, atol=1e-4)


def test_the_slope_is_zero_where_an_offset_is_given():
    random = np.random.default_rng(2)
    inputs, labels = 30 * random.normal(size=(60, 3)), random.integers(0, 2, 60)
    weights, offset = random.random(60), np.log([0.9, 0.1])
    found = fit_ridge(inputs, labels, weights, offset=offset, penalty=0.5)

    def loss(flat):
        logits = offset + inputs @ flat.reshape(3, 2)
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return -weights @ logs[np.arange(60), labels] + 0.25 * flat @ flat

    least = loss(found.ravel())
    for step in np.eye(6) * 1e-3:
        assert loss(found.ravel() + step) > least < loss(found.ravel() - step)


def test_weights_about_others_are_those_of_a_search_of_the_loss():
    random = np.random.default_rng(4)
    inputs, labels = random.normal(size=(50, 3)), random.integers(0, 3, 50)
    weights, offset, centre = random.random(50), np.log([0.5, 0.3, 0.2]), random.normal(size=(3, 3))
    rows = offset + inputs @ centre
    found = centre + fit_ridge(inputs, labels, weights, offset=rows, penalty=2.0)

    def loss(flat):
        logits = offset + inputs @ flat.reshape(3, 3)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -weights @ logs[np.arange(50), labels] + np.sum((flat - centre.ravel()) ** 2)

    searched = minimize(loss, np.zeros(9), method="BFGS", options={"gtol": 1e-6}).x
    np.testing.assert_allclose(found.ravel(), searched, atol=1e-3)


def test_classes_that_a_line_parts_keep_finite_weights():
    inputs = np.linspace(-1, 1, 20)[:, None]
    labels = (inputs[:, 0] > 0).astype(np.int64)
    found = fit_ridge(inputs, labels, np.ones(20), offset=np.zeros(2), penalty=1e-6)
    assert np.isfinite(found).all()
    assert np.all((inputs @ found).argmax(axis=1) == labels)


def test_folds_are_even_in_every_class_and_keep_repeated_objects_together():
    labels = np.repeat([0, 1], [30, 10])
    objects = np.arange(40)
    folds = deal_folds(np.concatenate([objects, objects[:8]]), np.append(labels, labels[:8]), 5, 0)
    np.testing.assert_array_equal(folds[40:], folds[:8])
    assert np.bincount(folds[:40]).tolist() == [8] * 5
    assert np.bincount(folds[30:40]).tolist() == [2] * 5


def test_fewer_objects_than_folds():
    assert sorted(deal_folds(np.arange(3), np.array([0, 0, 1]), 5, 0)) == [0, 1, 2]


def test_gain_and_its_error():
    random = np.random.default_rng(0)
    old, new = random.random(50), random.random(50)
    gain, error = paired_gain(old, new)
    np.testing.assert_allclose(gain, np.mean(old) - np.mean(new))
    np.testing.assert_allclose(error, np.sqrt(np.var(old - new, ddof=1) / 50))
