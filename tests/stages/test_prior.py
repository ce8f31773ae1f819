"""Shares of the classes: the most likely ones, by an independent search."""

import numpy as np
import pytest
from scipy.optimize import minimize

from czsl.stages import prior as module
from czsl.stages.prior import adjust, reestimate, shares_interval

PRIOR = np.array([0.5, 0.3, 0.2])
TRUE = np.array([0.1, 0.6, 0.3])


def observed(number: int, shares, seed: int = 0):
    """Give exact posteriors under PRIOR of objects whose classes have other shares."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, size=number, p=shares)
    seen = 2.0 * np.eye(3)[labels] + random.normal(size=(number, 3))
    likelihood = np.exp(-0.5 * np.square(seen[:, None] - 2.0 * np.eye(3)).sum(axis=2))
    joint = likelihood * PRIOR
    return joint / joint.sum(axis=1, keepdims=True), labels


def test_shares_are_the_most_likely():
    posterior, _ = observed(500, TRUE)

    def cost(values):
        shares = np.exp(np.append(values, 0))
        return -np.log((posterior / PRIOR) @ (shares / shares.sum())).sum()

    options = {"xatol": 1e-9, "fatol": 1e-9}
    values = minimize(cost, np.zeros(2), method="Nelder-Mead", options=options).x
    expected = np.exp(np.append(values, 0))
    found = reestimate(posterior, PRIOR)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-4)


def test_true_shares_are_found_within_the_interval():
    posterior, _ = observed(30_000, TRUE, seed=1)
    low, high = shares_interval(posterior, PRIOR, draws=50)
    assert (low < TRUE).all()
    assert (high > TRUE).all()
    assert (high - low < 0.03).all()


def test_the_interval_covers_as_often_as_it_says():
    inside = 0
    for seed in range(40):
        low, high = shares_interval(observed(300, TRUE, seed)[0], PRIOR, draws=100)
        inside += int(low[1] < TRUE[1] < high[1])
    assert inside >= 34  # of 38 expected


def test_moved_posteriors_are_those_of_the_other_shares():
    posterior, labels = observed(20_000, TRUE, seed=2)
    moved = adjust(posterior, PRIOR, TRUE)
    np.testing.assert_allclose(moved.sum(axis=1), 1)
    for k in range(3):
        assert moved[:, k].mean() == pytest.approx(np.mean(labels == k), abs=0.01)
    np.testing.assert_allclose(adjust(moved, TRUE, PRIOR), posterior, atol=1e-9)


def test_what_is_not_known_does_not_count():
    posterior, _ = observed(100, TRUE)
    more = np.vstack([posterior, np.full((5, 3), np.nan)])
    np.testing.assert_array_equal(reestimate(more, PRIOR), reestimate(posterior, PRIOR))
    np.testing.assert_allclose(reestimate(more[100:], PRIOR), PRIOR)
    assert np.isnan(adjust(more, PRIOR, TRUE)[100:]).all()


def test_shares_are_where_plain_expectation_maximisation_goes():
    posterior, _ = observed(300, [0.1, 0.1, 0.8])
    shares = PRIOR
    for _ in range(5000):
        shares = adjust(posterior, PRIOR, shares).mean(axis=0)
    np.testing.assert_allclose(reestimate(posterior, PRIOR), shares, atol=1e-8)


def test_a_class_that_is_not_there_gets_next_to_nothing():
    posterior, _ = observed(5000, [0.7, 0.3, 0.0])
    assert reestimate(posterior, PRIOR)[2] < 0.01


def test_a_class_without_a_prior_keeps_no_share():
    posterior = np.array([[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.4, 0.4, 0.2]])
    prior = np.array([0.5, 0.5, 0.0])
    found = reestimate(posterior, prior)
    assert found[2] == 0
    assert found.sum() == pytest.approx(1)
    moved = adjust(posterior, prior, found)
    np.testing.assert_allclose(moved.sum(axis=1), 1)
    assert (moved[:, 2] == 0).all()


def test_of_very_many_objects_a_part_gives_the_interval_of_all(monkeypatch):
    posterior, _ = observed(8000, [0.2, 0.2, 0.6])
    whole = np.array(shares_interval(posterior, PRIOR, draws=800, seed=1))
    monkeypatch.setattr(module, "DRAWN", 2000)
    part = np.array(shares_interval(posterior, PRIOR, draws=800, seed=1))
    np.testing.assert_allclose(part[1] - part[0], whole[1] - whole[0], rtol=0.2)
    np.testing.assert_allclose(part.mean(axis=0), whole.mean(axis=0), atol=0.005)


def test_the_same_seed_gives_the_same_interval():
    posterior, _ = observed(100, [0.3, 0.3, 0.4])
    first, again, other = (shares_interval(posterior, PRIOR, draws=20, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_objects_that_are_surely_of_a_class_without_a_prior_count_for_nothing():
    posterior = np.array([[0.0, 0.0, 1.0], [0.7, 0.3, 0.0]])
    prior = np.array([0.5, 0.5, 0.0])
    np.testing.assert_array_equal(reestimate(posterior, prior), reestimate(posterior[1:], prior))
    assert reestimate(posterior, prior)[0] > 0.99
    np.testing.assert_allclose(reestimate(posterior[:1], prior), prior)
