"""Temperature and rate of lapses against grids, the temperature against scikit-learn too."""

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import log_loss

from czsl.stages.calibrate import (
    FLATTEST,
    SHARPEST,
    Calibrator,
    fit_temperature,
    softmax,
    tempered,
)


def overconfident(seed: int = 0, factor: float = 3.0, count: int = 400, classes: int = 3):
    """Draw logits whose classes follow a temperature of ``factor``."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (count, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(logits)])
    return logits * factor, labels


def cost(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    return log_loss(labels, scipy_softmax(logits / temperature, axis=1), labels=range(3))


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_is_the_best_of_a_fine_grid(factor):
    logits, labels = overconfident(factor=factor)
    grid = np.geomspace(SHARPEST, FLATTEST, 4001)
    best = grid[np.argmin([cost(logits, labels, temperature) for temperature in grid[::10]]) * 10]
    found = fit_temperature(logits, labels, spread=np.inf)
    assert found == pytest.approx(best, rel=0.02)
    assert found == pytest.approx(factor, rel=0.25)
    assert cost(logits, labels, found) <= cost(logits, labels, best) + 1e-9


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8),
    reason="scikit-learn calibrates by temperature from 1.8 on",
)
def test_temperature_is_scikit_learns():
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Logits(ClassifierMixin, BaseEstimator):
        def fit(self, inputs, labels):
            self.classes_, self.fitted_ = np.unique(labels), True
            return self

        def decision_function(self, inputs):
            return inputs

        def predict(self, inputs):
            return self.classes_[inputs.argmax(axis=1)]

    logits, labels = overconfident()
    model = FrozenEstimator(Logits().fit(logits, labels))
    calibrated = CalibratedClassifierCV(model, method="temperature", ensemble=False)
    expected = calibrated.fit(logits, labels).predict_proba(logits)
    found = softmax(logits / fit_temperature(logits, labels, spread=np.inf))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_certain_and_right_is_the_sharpest_and_at_random_the_flattest():
    logits = np.eye(3)[[0, 1, 2, 0]]
    right, wrong = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 2])
    assert fit_temperature(logits, right, spread=np.inf) == pytest.approx(SHARPEST, rel=1e-3)
    assert fit_temperature(logits, wrong, spread=np.inf) == pytest.approx(FLATTEST, rel=1e-3)


def test_a_few_objects_judged_rightly_do_not_make_a_network_certain():
    logits, labels = overconfident(factor=1.0, count=4000)
    right = np.flatnonzero(logits.argmax(axis=1) == labels)[:9]
    few = fit_temperature(logits[right], labels[right])
    without = fit_temperature(logits[right], labels[right], spread=np.inf)
    assert cost(logits, labels, few) < cost(logits, labels, 1.0) + 0.15
    assert cost(logits, labels, without) > 5 * cost(logits, labels, few)


@pytest.mark.parametrize("factor", [0.3, 4.0])
def test_many_objects_leave_nothing_of_the_prior(factor):
    logits, labels = overconfident(factor=factor, count=4000)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(fit_temperature(logits, labels, spread=np.inf), rel=0.01)


def test_the_prior_is_that_of_its_formula():
    logits, labels = overconfident(factor=4.0, count=12)
    grid = np.geomspace(SHARPEST, FLATTEST, 20001)
    costs = [12 * cost(logits, labels, t) + np.log(t) ** 2 / (2 * 0.3**2) for t in grid[::10]]
    best = grid[10 * int(np.argmin(costs))]
    assert fit_temperature(logits, labels, spread=0.3) == pytest.approx(best, rel=0.01)


@given(seed=st.integers(0, 100), scale=st.sampled_from([1e-3, 1.0, 1e4]))
@settings(max_examples=20, deadline=None)
def test_softmax_is_scipys(seed, scale):
    logits = scale * np.random.default_rng(seed).normal(size=(5, 4))
    np.testing.assert_allclose(softmax(logits), scipy_softmax(logits, axis=1), atol=1e-12)


def test_temperature_changes_no_decision():
    logits, labels = overconfident()
    cooled = softmax(logits / fit_temperature(logits, labels))
    np.testing.assert_array_equal(cooled.argmax(axis=1), logits.argmax(axis=1))


def test_the_posterior_before_the_temperature_comes_back():
    logits, _ = overconfident()
    np.testing.assert_allclose(tempered(softmax(logits / 2.5), 2.5), softmax(logits), atol=1e-9)
    assert np.isnan(tempered(np.full((1, 3), np.nan), 2.0)).all()


SHARES = np.array([0.6, 0.3, 0.1])


def lapsing(rate: float, factor: float = 1.5, count: int = 400):
    """Draw logits of which a share has nothing to do with the class."""
    logits, labels = overconfident(factor=factor, count=count)
    random = np.random.default_rng(1)
    lapsed = random.random(count) < rate
    labels[lapsed] = random.choice(3, int(lapsed.sum()), p=SHARES)
    return logits, labels


def posterior_cost(logits, labels, temperature, lapse):
    """Negative logarithm of the posterior of both numbers, from the formulas."""
    said = (1 - lapse) * scipy_softmax(logits / temperature, axis=1) + lapse * SHARES
    likelihood = np.log(said[np.arange(len(labels)), labels]).sum()
    prior = np.log(lapse) + 100 * np.log(1 - lapse) - np.log(temperature) ** 2 / (2 * 0.5**2)
    return -likelihood - prior


@pytest.mark.parametrize(("rate", "count"), [(0.0, 60), (0.0, 2000), (0.1, 60), (0.1, 2000)])
def test_temperature_and_lapses_are_the_best_of_a_grid(rate, count):
    logits, labels = lapsing(rate, count=count)
    found = Calibrator.fit(logits, labels, SHARES, "lapse")
    grid = [
        posterior_cost(logits, labels, temperature, lapse)
        for temperature in np.geomspace(0.1, 10, 60)
        for lapse in np.geomspace(1e-5, 0.49, 60)
    ]
    reached = posterior_cost(logits, labels, found.temperature, found.lapse)
    assert reached <= min(grid) + 1e-3


def test_the_rate_of_lapses_is_found_and_sharpens_the_others():
    logits, labels = lapsing(0.1, count=20_000)
    found = Calibrator.fit(logits, labels, SHARES, "lapse")
    assert found.lapse == pytest.approx(0.1, abs=0.02)
    assert found.temperature == pytest.approx(1.5, rel=0.1)
    alone = Calibrator.fit(logits, labels, SHARES, "temperature")
    assert alone.lapse == 0
    assert alone.temperature == fit_temperature(logits, labels) > 1.1 * found.temperature
    losses = [
        log_loss(labels, one.probabilities(logits), labels=range(3)) for one in (found, alone)
    ]
    assert losses[0] < losses[1] - 0.005


@pytest.mark.parametrize("right", [9, 1000])
def test_without_errors_few_lapses_are_expected_and_never_none(right):
    logits, labels = overconfident(factor=1.0, count=4000)
    rows = np.flatnonzero(logits.argmax(axis=1) == labels)[:right]
    found = Calibrator.fit(logits[rows], labels[rows], SHARES, "lapse")
    assert 0 < found.lapse <= 1 / (100 + 1)


def test_calibrated_posteriors_are_posteriors_and_can_be_undone():
    logits, _ = overconfident()
    found = Calibrator(temperature=2.0, lapse=0.05, shares=SHARES)
    posterior = found.probabilities(logits)
    np.testing.assert_allclose(posterior.sum(axis=1), 1)
    assert np.all(posterior >= 0.05 * SHARES)
    np.testing.assert_allclose(found.before(posterior), softmax(logits), atol=1e-9)
    assert np.isnan(found.before(np.full((1, 3), np.nan))).all()
    certain = found.probabilities(np.array([[1000.0, 0.0, 0.0]]))
    np.testing.assert_allclose(certain, 0.95 * np.eye(3)[:1] + 0.05 * SHARES)
