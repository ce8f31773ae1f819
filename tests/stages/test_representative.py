"""The two-sample test says nothing where there is nothing, and speaks up where there is."""

import numpy as np
import pytest

from czsl.stages.representative import LEAST, TOLD_APART, area_error, two_sample


def features(number: int, seed: int, shift: float = 0.0, width: int = 40):
    """Draw features of very different scales, correlated, the first few shifted."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(number, width))
    values[:, :10] += values[:, [10]]
    values[:, :5] += shift
    return values * np.logspace(-3, 3, width)


@pytest.mark.parametrize("number", [20, 60, 200])
def test_images_that_are_alike_are_hardly_ever_called_unlike(number):
    found = [
        two_sample(features(number, 2 * seed), features(400, 2 * seed + 1), seed)
        for seed in range(40)
    ]
    assert np.mean([one.unlike for one in found]) <= 0.05
    assert np.mean([one.auc for one in found]) == pytest.approx(0.5, abs=0.04)
    # The interval holds one half at least nearly as often as it says.
    assert np.mean([one.low <= 0.5 <= one.high for one in found]) >= 0.85


@pytest.mark.parametrize("number", [40, 100])
def test_a_strong_shift_is_always_seen(number):
    for seed in range(10):
        found = two_sample(features(number, 2 * seed, 3.0), features(300, 2 * seed + 1), seed)
        assert found.unlike
        assert found.low > TOLD_APART
        assert 0 <= found.low <= found.auc <= found.high <= 1
        assert found.n == number


def test_more_shift_is_told_apart_better():
    areas = [
        two_sample(features(200, 0, shift), features(400, 1), 0).auc for shift in (0.0, 0.7, 2.0)
    ]
    assert areas[0] < areas[1] < areas[2]


def test_of_few_images_nothing_is_said():
    assert two_sample(features(LEAST - 1, 0), features(100, 1), 0) is None
    assert two_sample(features(100, 0), features(LEAST - 1, 1), 0) is None
    assert two_sample(features(LEAST, 0), features(LEAST, 1), 0) is not None


def test_the_same_seed_gives_the_same_answer_and_features_stay():
    experts, rest = features(30, 0).astype(np.float32), features(500, 1).astype(np.float32)
    kept = experts.copy(), rest.copy()
    first, again, other = (two_sample(experts, rest, seed) for seed in (0, 0, 1))
    assert first == again != other
    np.testing.assert_array_equal(experts, kept[0])
    np.testing.assert_array_equal(rest, kept[1])


def test_features_that_are_constant_do_no_harm():
    experts, rest = np.ones((30, 4)), np.ones((60, 4))
    assert two_sample(experts, rest, 0).auc == pytest.approx(0.5, abs=0.2)


def area(inside, outside) -> float:
    """Count pairs; no two scores are equal."""
    return np.mean(inside[:, None] > outside)


def test_the_error_of_an_area_is_that_of_a_bootstrap():
    """Scores of exponential law, for which the formula is exact, and of normal law."""
    random = np.random.default_rng(0)
    inside, outside = random.exponential(3.0, (2000, 60)), random.exponential(1.0, (2000, 120))
    areas = [area(*pair) for pair in zip(inside, outside, strict=True)]
    assert np.mean(areas) == pytest.approx(0.75, abs=0.005)
    assert np.std(areas) == pytest.approx(area_error(0.75, 60, 120), rel=0.06)
    near = random.normal(1, 1, (2000, 60)), random.normal(0, 1, (2000, 90))
    areas_near = [area(*pair) for pair in zip(*near, strict=True)]
    assert np.std(areas_near) == pytest.approx(area_error(np.mean(areas_near), 60, 90), abs=0.005)
    one = inside[0], outside[0]
    drawn = [area(*(random.choice(part, len(part)) for part in one)) for _ in range(1000)]
    assert np.std(drawn) == pytest.approx(area_error(area(*one), 60, 120), rel=0.3)


def test_what_is_kept_can_be_written_as_json():
    found = two_sample(features(60, 0, 3.0), features(200, 1), 0).as_dict()
    assert found["unlike"] is True
    assert sorted(found) == ["auc", "high", "low", "n", "unlike"]
