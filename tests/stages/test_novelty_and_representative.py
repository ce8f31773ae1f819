"""Unlike images and unlike samples: told where they are, and rarely where they are not."""

import numpy as np
from sklearn.covariance import EmpiricalCovariance

from czsl.stages.novelty import LEAST, FittedNovelty, fit_novelty
from czsl.stages.representative import area_error, two_sample


def like(number: int, seed: int):
    """Features of images: correlated, of several scales, one constant."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(5).normal(size=(6, 10))
    features = random.normal(size=(number, 6)) @ mixing + 0.1 * random.normal(size=(number, 10))
    return np.hstack([features * np.arange(1, 11), np.full((number, 1), 3.0)])


def test_few_like_images_are_flagged_and_all_unlike_ones():
    novelty = fit_novelty(like(4000, 0), seed=0)
    assert 0.001 < novelty.unlike(like(20_000, 1)).mean() < 0.012
    assert novelty.unlike(like(200, 2) + 400).all()


def test_what_lies_outside_the_components_is_unlike_too():
    novelty = fit_novelty(like(4000, 0), seed=0)
    outside = like(1, 3)[0]
    direction = np.random.default_rng(0).normal(size=11)
    scaled = direction / novelty.scale
    scaled -= novelty.axes @ (novelty.axes.T @ scaled)  # no component sees it
    assert not novelty.unlike(outside[None]).any()
    assert novelty.unlike((outside + 20 * scaled / np.linalg.norm(scaled) * novelty.scale)[None])


def test_the_distance_along_the_components_is_mahalanobis():
    features = like(1000, 0)[:, :10]
    novelty = fit_novelty(features, seed=3)
    order = np.random.default_rng(3).permutation(1000)[:500]
    scaled = (features - novelty.mean) / novelty.scale
    along = scaled @ novelty.axes
    expected = EmpiricalCovariance(assume_centered=True).fit(along[order]).mahalanobis(along)
    left = np.square(scaled).sum(axis=1) - np.square(along).sum(axis=1)
    found = np.square(novelty.distance(features)) - left / novelty.residual
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_too_few_images_say_nothing_and_arrays_make_the_same():
    assert fit_novelty(like(LEAST - 1, 0), seed=0) is None
    novelty = fit_novelty(like(200, 0), seed=0)
    again = FittedNovelty.from_arrays(novelty.arrays())
    np.testing.assert_array_equal(again.distance(like(50, 1)), novelty.distance(like(50, 1)))


def test_a_random_sample_is_seldom_called_unlike_and_a_shifted_one_always():
    calls = [two_sample(like(80, seed), like(300, 100 + seed), seed).unlike for seed in range(30)]
    assert sum(calls) <= 2
    shifted = [two_sample(like(80, seed) + 8, like(300, 100 + seed), seed) for seed in range(5)]
    assert all(one.unlike for one in shifted)
    assert two_sample(like(10, 0), like(300, 1), 0) is None


def test_the_error_of_an_area_is_that_of_a_bootstrap():
    random = np.random.default_rng(0)
    areas = []
    for _ in range(2000):
        inside, outside = random.normal(1, 1, 60), random.normal(0, 1, 90)
        areas.append((inside[:, None] > outside).mean())
    assert abs(area_error(float(np.mean(areas)), 60, 90) - np.std(areas)) < 0.005
