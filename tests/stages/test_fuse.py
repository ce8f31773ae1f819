"""Fusion: what is fitted against a plain search, and what it falls back to."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from czsl.scores import log_loss
from czsl.stages.fuse import (
    BIAS_SPREAD,
    EXPONENT_SPREADS,
    EXPONENTS,
    FittedFusion,
    fit_fusion,
    fuse_out_of_fold,
)

EVEN = np.array([0.5, 0.5])


def dependent(number: int, seed: int):
    """Two calibrated posteriors that fail on the same, ambiguous objects."""
    random = np.random.default_rng(seed)
    total = number + 4000
    labels = random.integers(0, 2, total)
    common = np.where(random.random(total) < 0.25, random.normal(0, 1.5, total), 0.0)
    seen = [(2 * labels - 1) * 1.8 + common + random.normal(0, 1, total) for _ in range(2)]
    posteriors = [
        LogisticRegression().fit(z[-2000:, None], labels[-2000:]).predict_proba(z[:, None])
        for z in seen
    ]
    return *posteriors, labels


def several(seed: int = 3, number: int = 60, classes: int = 3):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, number)
    shares = np.full(classes, 0.5)
    pairs = [
        np.array([random.dirichlet(shares + 2 * np.eye(classes)[k]) for k in labels])
        for _ in range(2)
    ]
    return *pairs, labels, np.array([0.5, 0.3, 0.2])


def test_the_fit_is_the_one_that_a_plain_search_finds():
    image, votes, labels, prior = several()

    def cost(values):
        logits = values[0] * (np.log(image.clip(1e-4)) - np.log(prior)) + np.log(prior) + values[2:]
        logits = logits + values[1] * (np.log(votes.clip(1e-4)) - np.log(prior))
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        likelihood = np.log(chances[np.arange(len(labels)), labels]).sum()
        away = np.square((values[:2] - EXPONENTS) / EXPONENT_SPREADS).sum()
        return 0.5 * (away + np.square(values[2:]).sum() / BIAS_SPREAD**2) - likelihood

    start = np.array([0.5, 0.5, 0, 0, 0])
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-8, "fatol": 1e-10}
    searched = minimize(cost, start, method="Nelder-Mead", options=options).x
    found = fit_fusion(image, votes, labels, prior)
    bias = found.bias - (1 - found.image) * np.log(prior)
    np.testing.assert_allclose([found.image, found.votes, *bias], searched, atol=2e-3)


def test_without_objects_it_is_a_tempered_product_with_the_shares_counted_once():
    nothing = np.zeros((0, 2))
    fusion = fit_fusion(nothing, nothing, np.zeros(0, np.int64), np.array([0.8, 0.2]))
    assert (fusion.image, fusion.votes) == pytest.approx(tuple(EXPONENTS))
    image, votes = np.array([[0.7, 0.3]]), np.array([[0.6, 0.4]])
    shares = np.array([0.8, 0.2])
    odds = [image / shares, votes / shares]
    joint = odds[0] ** EXPONENTS[0] * odds[1] ** EXPONENTS[1] * shares
    np.testing.assert_allclose(fusion.fuse(image, votes), joint / joint.sum())


def test_the_other_posterior_stays_where_one_is_missing():
    nan = [np.nan, np.nan]
    image = np.array([[0.7, 0.3], nan, nan, [0.7, 0.3]])
    votes = np.array([nan, [0.4, 0.6], nan, [0.5, 0.5]])
    fusion = FittedFusion(image=0.5, votes=0.7, bias=np.array([0.3, -0.3]), prior=EVEN)
    fused = fusion.fuse(image, votes)
    np.testing.assert_array_equal(fused[:3], [[0.7, 0.3], [0.4, 0.6], nan])
    assert fused[3].sum() == pytest.approx(1)


@pytest.mark.parametrize("number", [20, 100, 400])
def test_fused_is_better_than_either_even_by_few_objects(number):
    gains = []
    for seed in range(8):
        image, votes, labels = dependent(number, seed)
        fusion = fit_fusion(image[:number], votes[:number], labels[:number], EVEN)
        fused = fusion.fuse(image[number:], votes[number:])
        rest = labels[number:]
        alone = min(log_loss(one[number:], rest) for one in (image, votes))
        gains.append(alone - log_loss(fused, rest))
    assert min(gains) > 0
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize(("number", "least"), [(9, -0.006), (40, 0.002)])
def test_fused_is_better_by_few_objects_where_votes_repeat_most_of_what_the_image_says(
    number, least
):
    gains = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 2, number + 4000)
        common = (2 * labels - 1) * 1.3 + random.normal(0, 1, len(labels))
        image, votes = (
            LogisticRegression().fit(z[-2000:, None], labels[-2000:]).predict_proba(z[:, None])
            for z in (common + random.normal(0, noise, len(labels)) for noise in (0.6, 1.2))
        )
        fusion = fit_fusion(image[:number], votes[:number], labels[:number], EVEN)
        rest = labels[number:]
        fused = fusion.fuse(image[number:], votes[number:])
        gains.append(log_loss(image[number:], rest) - log_loss(fused, rest))
    assert min(gains) > least
    assert np.mean(gains) > 0.005


def test_a_source_that_says_nothing_is_given_up():
    image, votes, labels = dependent(2000, 5)
    shuffled = np.random.default_rng(0).permutation(image)
    fusion = fit_fusion(shuffled, votes, labels, EVEN)
    assert fusion.image < 0.05
    assert fusion.votes == pytest.approx(1, abs=0.1)


def test_an_image_that_says_nothing_leaves_the_votes_as_they_are_where_a_class_is_rare():
    random = np.random.default_rng(2)
    labels = (random.random(4000) < 0.06).astype(int)
    shares = np.array([0.94, 0.06])
    seen = np.where(labels == 1, 2.5, 0.0) + random.normal(0, 1, 4000)
    votes = LogisticRegression().fit(seen[:, None], labels).predict_proba(seen[:, None])
    image = np.tile(shares, (4000, 1))
    image = np.exp(np.log(image) + random.normal(0, 1, (4000, 2)))
    image /= image.sum(axis=1, keepdims=True)
    fusion = fit_fusion(image[:1000], votes[:1000], labels[:1000], shares)
    fused = fusion.fuse(image[1000:], votes[1000:])
    assert log_loss(fused, labels[1000:]) < log_loss(votes[1000:], labels[1000:]) + 0.002


def test_order_of_classes_does_not_matter():
    image, votes, labels, prior = several()
    order = np.array([2, 0, 1])
    fused = fit_fusion(image, votes, labels, prior).fuse(image, votes)
    other = fit_fusion(image[:, order], votes[:, order], order.argsort()[labels], prior[order])
    expected = fused[:, order]
    np.testing.assert_allclose(other.fuse(image[:, order], votes[:, order]), expected, atol=1e-4)


def test_certain_posteriors_are_no_trouble():
    image, votes = np.eye(2)[[0, 1, 0]], np.eye(2)[[0, 1, 1]]
    fusion = fit_fusion(image, votes, np.array([0, 1, 0]), EVEN)
    assert np.isfinite(fusion.fuse(image, votes)).all()


def test_an_object_does_not_change_its_own_fusion():
    image, votes, labels, prior = several()
    folds = np.arange(len(labels)) % 3
    fused = fuse_out_of_fold(image, votes, labels, folds, prior)
    swapped = labels.copy()
    swapped[folds == 1] = (swapped[folds == 1] + 1) % 3
    other = fuse_out_of_fold(image, votes, swapped, folds, prior)
    np.testing.assert_array_equal(fused[folds == 1], other[folds == 1])
    assert not np.allclose(fused[folds == 0], other[folds == 0])


def test_arrays_make_the_same_fusion():
    image, votes, labels, prior = several()
    fusion = fit_fusion(image, votes, labels, prior)
    again = FittedFusion.from_arrays(fusion.arrays())
    np.testing.assert_array_equal(again.fuse(image, votes), fusion.fuse(image, votes))
