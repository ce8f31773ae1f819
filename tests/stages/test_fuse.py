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
    Sources,
    fit_fusion,
    fuse_out_of_fold,
)

EVEN = np.array([0.5, 0.5])


def sources(image, votes, weight=1.0):
    return Sources(image=image, votes=votes, weight=np.broadcast_to(weight, len(image)).copy())


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
    weight = random.integers(0, 41, number)
    return sources(*pairs, weight / (weight + 3)), labels, np.array([0.5, 0.3, 0.2])


def test_the_fit_is_the_one_that_a_plain_search_finds():
    said, labels, prior = several()

    def cost(values):
        logits = np.zeros((len(labels), 3))
        for row in range(len(labels)):
            w = said.weight[row]
            a, c = 1 - (1 - values[0]) * w, values[1] * (1 - (1 - values[1]) * (1 - w))
            odds = np.log(said.image[row].clip(1e-4) / prior) * a
            odds += np.log(said.votes[row].clip(1e-4) / prior) * c
            logits[row] = np.log(prior) + odds + w * values[2:]
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        likelihood = np.log(chances[np.arange(len(labels)), labels]).sum()
        away = np.square((values[:2] - EXPONENTS) / EXPONENT_SPREADS).sum()
        return 0.5 * (away + np.square(values[2:]).sum() / BIAS_SPREAD**2) - likelihood

    start = np.array([0.5, 0.5, 0, 0, 0])
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-8, "fatol": 1e-10}
    searched = minimize(cost, start, method="Nelder-Mead", options=options).x
    found = fit_fusion(said, labels, prior)
    np.testing.assert_allclose([found.image, found.votes, *found.bias], searched, atol=2e-3)


def test_without_objects_it_is_a_tempered_product_with_the_shares_counted_once():
    nothing = np.zeros((0, 2))
    fusion = fit_fusion(sources(nothing, nothing), np.zeros(0, np.int64), np.array([0.8, 0.2]))
    assert (fusion.image, fusion.votes) == pytest.approx(tuple(EXPONENTS))
    image, votes = np.array([[0.7, 0.3]]), np.array([[0.6, 0.4]])
    shares = np.array([0.8, 0.2])
    odds = [image / shares, votes / shares]
    joint = odds[0] ** EXPONENTS[0] * odds[1] ** EXPONENTS[1] * shares
    np.testing.assert_allclose(fusion.fuse(sources(image, votes)), joint / joint.sum())


def test_the_other_posterior_stays_where_one_is_missing():
    nan = [np.nan, np.nan]
    image = np.array([[0.7, 0.3], nan, nan, [0.7, 0.3]])
    votes = np.array([nan, [0.4, 0.6], nan, [0.5, 0.5]])
    fusion = FittedFusion(image=0.5, votes=0.7, bias=np.array([0.3, -0.3]), prior=EVEN)
    fused = fusion.fuse(sources(image, votes))
    np.testing.assert_array_equal(fused[:3], [[0.7, 0.3], [0.4, 0.6], nan])
    assert fused[3].sum() == pytest.approx(1)


@pytest.mark.parametrize("number", [20, 100, 400])
def test_fused_is_better_than_either_even_by_few_objects(number):
    gains = []
    for seed in range(8):
        image, votes, labels = dependent(number, seed)
        fusion = fit_fusion(sources(image[:number], votes[:number]), labels[:number], EVEN)
        fused = fusion.fuse(sources(image[number:], votes[number:]))
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
        fusion = fit_fusion(sources(image[:number], votes[:number]), labels[:number], EVEN)
        rest = labels[number:]
        fused = fusion.fuse(sources(image[number:], votes[number:]))
        gains.append(log_loss(image[number:], rest) - log_loss(fused, rest))
    assert min(gains) > least
    assert np.mean(gains) > 0.005


def test_a_source_that_says_nothing_is_given_up():
    image, votes, labels = dependent(2000, 5)
    shuffled = np.random.default_rng(0).permutation(image)
    fusion = fit_fusion(sources(shuffled, votes), labels, EVEN)
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
    fusion = fit_fusion(sources(image[:1000], votes[:1000]), labels[:1000], shares)
    fused = fusion.fuse(sources(image[1000:], votes[1000:]))
    assert log_loss(fused, labels[1000:]) < log_loss(votes[1000:], labels[1000:]) + 0.002


def test_order_of_classes_does_not_matter():
    said, labels, prior = several()
    order = np.array([2, 0, 1])
    fused = fit_fusion(said, labels, prior).fuse(said)
    swapped = sources(said.image[:, order], said.votes[:, order], said.weight)
    other = fit_fusion(swapped, order.argsort()[labels], prior[order])
    np.testing.assert_allclose(other.fuse(swapped), fused[:, order], atol=1e-4)


def test_certain_posteriors_are_no_trouble():
    said = sources(np.eye(2)[[0, 1, 0]], np.eye(2)[[0, 1, 1]])
    fusion = fit_fusion(said, np.array([0, 1, 0]), EVEN)
    assert np.isfinite(fusion.fuse(said)).all()


def test_an_object_does_not_change_its_own_fusion():
    said, labels, prior = several()
    folds = np.arange(len(labels)) % 3
    fused = fuse_out_of_fold(said, labels, folds, prior)
    swapped = labels.copy()
    swapped[folds == 1] = (swapped[folds == 1] + 1) % 3
    other = fuse_out_of_fold(said, swapped, folds, prior)
    np.testing.assert_array_equal(fused[folds == 1], other[folds == 1])
    assert not np.allclose(fused[folds == 0], other[folds == 0])


def test_arrays_make_the_same_fusion():
    said, labels, prior = several()
    fusion = fit_fusion(said, labels, prior)
    again = FittedFusion.from_arrays(fusion.arrays())
    np.testing.assert_array_equal(again.fuse(said), fusion.fuse(said))


def test_the_fewer_votes_the_more_the_image_stays_as_it_is():
    image, votes = np.tile([0.9, 0.1], (5, 1)), np.tile([0.5, 0.5], (5, 1))
    fusion = FittedFusion(image=0.4, votes=0.5, bias=np.array([-0.3, 0.3]), prior=EVEN)
    number = np.array([0, 1, 3, 40, 1e9])
    fused = fusion.fuse(sources(image, votes, number / (number + 3)))[:, 0]
    assert (np.diff(fused) < 0).all()
    many = (9**0.4) * np.exp(-0.6)  # odds of an image that speaks with 0.4, times those of b
    np.testing.assert_allclose(fused[[0, -1]], [0.9, many / (1 + many)], atol=1e-6)


def votes_of(number, chance, random):
    """Draw votes, and judge by them as well as their number allows."""
    count = random.binomial(number, chance)
    seen = (count / number - 0.5) * number / (number + 3)
    return seen, number / (number + 3)


def test_few_votes_do_no_harm_where_experts_saw_objects_of_many():
    # Image and votes fail on the same objects, so to 40 votes the image adds little, and its
    # exponent is small. With one vote that exponent would throw the image away.
    gains, constant = [], []
    for seed in range(8):
        random = np.random.default_rng(seed)
        experts, others, judges = 400, 8000, 4000
        labels = random.integers(0, 2, experts + others + judges)
        common = (2 * labels - 1) * 1.6 + random.normal(0, 1, len(labels))
        seen = common + random.normal(0, 0.6, len(labels))
        chance = 1 / (1 + np.exp(-1.2 * (common + random.normal(0, 0.2, len(labels)))))
        last = slice(experts + others, None)
        by_image = LogisticRegression().fit(seen[last, None], labels[last])
        image = by_image.predict_proba(seen[:, None])
        said = {}
        for number in (1, 2, 5, 40):
            told, weight = votes_of(number, chance, random)
            by_votes = LogisticRegression(C=1e3).fit(told[last, None], labels[last])
            said[number] = sources(image, by_votes.predict_proba(told[:, None]), weight)
        first, rest = np.arange(experts), np.arange(experts, experts + others)
        fusion = fit_fusion(said[40].of(first), labels[first], EVEN)
        alone = log_loss(image[rest], labels[rest])
        fused = [fusion.fuse(one.of(rest)) for one in said.values()]
        gains.append([alone - log_loss(one, labels[rest]) for one in fused])
        plain = fusion.fuse(sources(image[rest], said[1].votes[rest]))
        constant.append(alone - log_loss(plain, labels[rest]))
    assert np.min(gains) > -0.01
    assert (np.diff(np.mean(gains, axis=0), prepend=0) > 0).all()
    assert np.mean(constant) < -0.01


def test_a_class_that_votes_cannot_tell_is_left_to_the_image():
    prior = np.array([0.5, 0.3, 0.2])
    fusion = FittedFusion(image=1.0, votes=1.0, bias=np.zeros(3), prior=prior)
    image = np.array([[0.05, 0.05, 0.9], [0.45, 0.45, 0.1]])
    fused = fusion.fuse(sources(image, np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])))
    assert fused[0, 2] == pytest.approx(0.9, abs=0.03)
    # Of the classes that votes can tell they say what they would say without the third.
    two = FittedFusion(image=1.0, votes=1.0, bias=np.zeros(2), prior=prior[:2] / 0.8)
    left = two.fuse(
        sources(image[:, :2] / image[:, :2].sum(axis=1)[:, None], np.array([[0.9, 0.1]] * 2))
    )
    np.testing.assert_allclose(fused[:, :2] / fused[:, :2].sum(axis=1)[:, None], left)


def test_a_class_without_votes_does_not_change_the_fit_of_the_others():
    said, labels, prior = several()
    two = labels < 2
    seen = said.of(two)
    shares = prior[:2] / prior[:2].sum()
    narrow = [
        one[:, :2] / one[:, :2].sum(axis=1, keepdims=True) for one in (seen.image, seen.votes)
    ]
    wide = [np.hstack([narrow[0] * 0.8, np.full((two.sum(), 1), 0.2)])]
    wide += [np.hstack([narrow[1], np.zeros((two.sum(), 1))])]
    plain = fit_fusion(sources(*narrow, seen.weight), labels[two], shares)
    fitted = fit_fusion(sources(*wide, seen.weight), labels[two], prior)
    assert (fitted.image, fitted.votes) == pytest.approx((plain.image, plain.votes), abs=1e-3)
    np.testing.assert_allclose(fitted.bias, [*plain.bias, 0], atol=1e-3)
