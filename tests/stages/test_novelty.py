"""The distance from the training's images against scikit-learn, and what it flags."""

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from czsl.stages.novelty import LEAST, MOST_COMPONENTS, FittedNovelty, fit_novelty


def features(count: int, seed: int, width: int = 40, depth: int = 6) -> np.ndarray:
    """Draw features that lie near ``depth`` dimensions, on scales of their own."""
    mixing = np.random.default_rng(99).normal(size=(depth, width))
    scales = np.geomspace(0.1, 100, width)
    random = np.random.default_rng(seed)
    inner = random.normal(size=(count, depth)) * np.linspace(3, 1, depth)
    return (inner @ mixing + random.normal(size=(count, width)) * 0.3) * scales + scales


def fitted(count: int = 4000) -> FittedNovelty:
    novelty = fit_novelty(features(count, 0), seed=1)
    assert novelty is not None
    return novelty


def test_one_in_200_like_images_is_flagged():
    assert fitted().unlike(features(20_000, 5)).mean() == pytest.approx(0.005, abs=0.004)


def test_of_few_images_none_that_made_the_limit_is_beyond_it():
    """With 199 or fewer in the other half the limit is the farthest of them."""
    known = features(398, 3)
    novelty = fit_novelty(known, seed=1)
    other = known[np.random.default_rng(1).permutation(398)[199:]]
    assert not novelty.unlike(other).any()
    assert novelty.limit == pytest.approx(novelty.distance(other).max(), rel=2e-3)
    assert novelty.limit > novelty.distance(other).max()


def test_images_that_are_shifted_inside_or_outside_the_components_are_flagged():
    novelty, like = fitted(), features(500, 6)
    outside = np.random.default_rng(3).normal(size=novelty.axes.shape[0])
    outside -= novelty.axes @ (novelty.axes.T @ outside)
    outside /= np.linalg.norm(outside)
    far = 4 * np.sqrt(0.05 * len(outside))  # four times what 5% of the variance leaves outside
    assert novelty.unlike(like + far * outside * novelty.scale).mean() > 0.99
    along = novelty.axes[:, 0] * np.sqrt(novelty.variances[0])
    assert novelty.unlike(like + 12 * along * novelty.scale).mean() > 0.99
    assert novelty.unlike(like + 400 * novelty.scale).all()
    assert novelty.unlike(like).mean() < 0.03


def test_the_distance_along_the_components_is_that_of_scikit_learn():
    novelty = fitted()
    data, other = features(4000, 0), features(100, 2)
    half = data[np.random.default_rng(1).permutation(len(data))[:2000]]
    mean, scale = half.mean(axis=0), half.std(axis=0)
    pca = PCA(0.95).fit((half - mean) / scale)
    assert novelty.axes.shape == (40, pca.n_components_)
    covariance = EmpiricalCovariance().fit(pca.transform((half - mean) / scale))
    scaled = (other - mean) / scale
    inside = covariance.mahalanobis(pca.transform(scaled))
    left = ((scaled - pca.inverse_transform(pca.transform(scaled))) ** 2).sum(axis=1)
    values = np.linalg.eigvalsh(np.cov(scaled_rest(half, mean, scale, pca), rowvar=False, ddof=0))
    unit = (values**2).sum() / values.sum()
    np.testing.assert_allclose(novelty.distance(other) ** 2, inside + left / unit, rtol=1e-6)


def scaled_rest(half, mean, scale, pca):
    """Give what the components leave of standardised features."""
    scaled = (half - mean) / scale
    return scaled - pca.inverse_transform(pca.transform(scaled))


def test_neither_part_of_the_distance_drowns_the_other():
    novelty = fitted()
    scaled = (features(3000, 7) - novelty.mean) / novelty.scale
    along = scaled @ novelty.axes
    inside = (along**2 / novelty.variances).sum(axis=1)
    left = ((scaled**2).sum(axis=1) - (along**2).sum(axis=1)) / novelty.residual
    # A chi-squared number varies by twice its mean.
    assert left.var() == pytest.approx(2 * left.mean(), rel=0.2)
    assert inside.var() == pytest.approx(2 * inside.mean(), rel=0.2)


def test_it_is_the_same_from_its_arrays_and_for_the_same_seed():
    novelty = fitted()
    again = FittedNovelty.from_arrays(novelty.arrays())
    other = features(20, 3)
    np.testing.assert_array_equal(again.distance(other), novelty.distance(other))
    np.testing.assert_array_equal(fitted().distance(other), novelty.distance(other))
    assert again.limit == novelty.limit


def test_too_few_images_tell_nothing():
    assert fit_novelty(features(LEAST - 1, 0), seed=0) is None
    assert fit_novelty(features(LEAST, 0), seed=0) is not None
    assert fit_novelty(np.zeros((0, 5)), seed=0) is None


def test_constant_features_divide_by_nothing():
    data = features(400, 0)
    data[:, 3] = 7.0
    novelty = fit_novelty(data, seed=0)
    assert novelty is not None
    like = features(2000, 8)
    like[:, 3] = 7.0
    assert novelty.unlike(like).mean() < 0.05
    same = fit_novelty(np.full((100, 4), 2.5), seed=0)
    assert same is not None
    assert same.unlike(np.array([[2.5] * 4, [2.6] * 4])).tolist() == [False, True]


def test_many_wide_features_keep_few_components_and_all_of_them_stay_finite():
    wide = np.random.default_rng(0).normal(size=(80, 200)).astype(np.float32)
    novelty = fit_novelty(wide, seed=0)
    assert novelty is not None
    assert novelty.axes.shape == (200, MOST_COMPONENTS)
    assert np.isfinite(novelty.distance(wide)).all()
