"""Intervals and tests against independent codes, brute force and what is known to hold."""

import itertools

import baycomp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from czsl.compare.measures import prepare
from czsl.compare.statistics import (
    Draws,
    bayesian_correlated_t,
    corrected_resampled_t,
    holm,
    two_level_bootstrap,
    verdict,
)
from czsl.errors import ArgumentError


def object_weights(draws: Draws, **keywords: int):
    return np.concatenate(list(draws.object_weights(**keywords)))


def accuracies(right, draws):
    """Give accuracy of each execution, and on every draw; right has shape (execution, object)."""
    return right.mean(axis=1), right @ object_weights(draws).T / right.shape[1]


def test_draws_take_as_many_as_there_are():
    draws = Draws(4, 30, draws=50)
    weights = object_weights(draws)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert (draws.execution_counts().sum(axis=1) == 4).all()
    assert len(np.unique(weights, axis=0)) == 50


@pytest.mark.parametrize("chunk", [1, 7, 50, 1000])
def test_draws_are_the_same_at_every_call_and_in_every_chunk(chunk):
    draws = Draws(3, 20, draws=50, seed=4)
    np.testing.assert_array_equal(object_weights(draws, chunk=chunk), object_weights(draws))
    again = Draws(3, 20, draws=50, seed=4)
    np.testing.assert_array_equal(object_weights(again), object_weights(draws))
    np.testing.assert_array_equal(again.execution_counts(), draws.execution_counts())
    assert (object_weights(Draws(3, 20, draws=50, seed=5)) != object_weights(draws)).any()


def test_draws_are_even():
    draws = Draws(3, 10, draws=4000)
    counts = draws.execution_counts()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), 2 / 3, atol=0.06)
    weights = object_weights(draws)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    # Executions say nothing of objects.
    assert abs(np.corrcoef(counts[:, 0], weights[:, 0])[0, 1]) < 0.06


def test_left_out_executions_are_not_drawn():
    kept = np.array([True, False, True, True])
    counts = Draws(4, 5, draws=100).execution_counts(kept)
    assert (counts[:, 1] == 0).all()
    assert (counts.sum(axis=1) == 3).all()


def test_one_execution_leaves_the_plain_bootstrap_of_objects():
    draws = Draws(1, 200, draws=2000, seed=1)
    right = (np.random.default_rng(0).random((1, 200)) < 0.8).astype(float)
    values, drawn = accuracies(right, draws)
    found = two_level_bootstrap(values, drawn, draws)
    assert (found.low, found.high) == tuple(np.quantile(drawn[0], [0.025, 0.975]))
    plain = stats.bootstrap((right[0],), np.mean, n_resamples=2000, method="percentile", rng=2)
    expected = plain.confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.012)


def test_a_draws_value_is_the_mean_over_the_executions_drawn():
    draws = Draws(3, 40, draws=99)
    random = np.random.default_rng(0)
    values, drawn = accuracies((random.random((3, 40)) < 0.7).astype(float), draws)
    means = [
        np.mean([drawn[e, d] for e in range(3) for _ in range(count[e])])
        for d, count in enumerate(draws.execution_counts())
    ]
    found = two_level_bootstrap(values, drawn, draws)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    assert found.mean == pytest.approx(values.mean())
    assert (found.executions, found.undefined) == (3, 0.0)


def test_executions_and_objects_both_widen_the_interval():
    random = np.random.default_rng(0)
    draws = Draws(8, 400, draws=1000)
    hard = random.random(400) < 0.5
    chance = 0.7 + 0.2 * hard + 0.05 * random.standard_normal((8, 1))
    values, drawn = accuracies((random.random((8, 400)) < chance).astype(float), draws)
    both = two_level_bootstrap(values, drawn, draws)
    objects = np.quantile(drawn.mean(axis=0), [0.025, 0.975])
    executions = np.quantile(draws.execution_counts() @ values / 8, [0.025, 0.975])
    assert both.high - both.low > max(np.ptp(objects), np.ptp(executions))
    expected = np.hypot(np.ptp(objects), np.ptp(executions))
    assert both.high - both.low == pytest.approx(expected, rel=0.15)


def test_arms_are_paired():
    random = np.random.default_rng(0)
    right = (random.random((3, 300)) < 0.7).astype(float)
    better = np.maximum(right, random.random((3, 300)) < 0.1)
    draws = Draws(3, 300)
    first, second = accuracies(right, draws), accuracies(better, draws)
    found = two_level_bootstrap(second[0] - first[0], second[1] - first[1], draws)
    assert found.mean == pytest.approx((better - right).mean())
    alone = two_level_bootstrap(*first, draws)
    assert found.high - found.low < (alone.high - alone.low) / 2
    assert verdict(found.low, found.high) == "better"
    same = two_level_bootstrap(first[0] - first[0], first[1] - first[1], draws)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_failed_executions_are_left_out_of_a_difference():
    random = np.random.default_rng(0)
    draws = Draws(3, 50, draws=200)
    arms = [accuracies((random.random((3, 50)) < p).astype(float), draws) for p in (0.6, 0.8)]
    arms[0][0][1], arms[0][1][1] = np.nan, np.nan
    found = two_level_bootstrap(arms[1][0] - arms[0][0], arms[1][1] - arms[0][1], draws)
    assert (found.executions, found.undefined) == (2, 0.0)
    kept = [0, 2]
    assert found.mean == pytest.approx(arms[1][0][kept].mean() - arms[0][0][kept].mean())
    nothing = two_level_bootstrap(np.full(3, np.nan), np.full((3, 200), np.nan), draws)
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()
    assert (nothing.executions, nothing.undefined) == (0, 1.0)


def test_draws_without_a_value_are_left_out_unless_they_are_most():
    values, draws = np.array([0.5, 0.7]), Draws(2, 10, draws=100)
    drawn = np.repeat(values[:, None], 100, axis=1) + np.linspace(0, 0.1, 100)
    drawn[:, :30] = np.nan
    found = two_level_bootstrap(values, drawn, draws)
    assert found.undefined == 0.3
    means = (draws.execution_counts()[30:] * drawn[:, 30:].T).sum(axis=1) / 2
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    drawn[:, :50] = np.nan
    found = two_level_bootstrap(values, drawn, draws)
    assert found.mean == pytest.approx(0.6)
    assert np.isnan([found.low, found.high]).all()


def test_an_execution_that_is_not_drawn_leaves_its_gap_behind():
    draws = Draws(2, 10, draws=100)
    drawn = np.ones((2, 100))
    drawn[1, :99] = np.nan
    absent = draws.execution_counts()[:, 1] == 0
    assert 0 < absent[:99].sum() < 50
    found = two_level_bootstrap(np.array([1.0, 1.0]), drawn, draws)
    assert found.undefined == pytest.approx(1 - (absent[:99].sum() + 1) / 100)


@pytest.mark.parametrize("name", ["auc", "gmean_moved", "brier"])
def test_intervals_of_measures_hold_the_truth_about_as_often_as_they_say(name):
    random = np.random.default_rng(0)

    def sample(count):
        labels = (random.random(count) < 0.3).astype(np.int64)
        chance = 1 / (1 + np.exp(-(2 * labels - 1 + 1.2 * random.standard_normal(count))))
        return np.stack([1 - chance, chance], axis=1), labels

    prior = np.array([0.7, 0.3])
    truth = prepare(*sample(200_000), prior).values()[name]
    inside = 0
    for repeat in range(100):
        prepared, draws = prepare(*sample(150), prior), Draws(1, 150, draws=200, seed=repeat)
        drawn = prepared.measure(object_weights(draws), [name])[name]
        found = two_level_bootstrap(np.array([prepared.values()[name]]), drawn[None], draws)
        inside += found.low <= truth <= found.high
    assert 86 <= inside <= 100


def test_what_is_not_of_the_draws_is_refused():
    draws = Draws(2, 10, draws=5)
    with pytest.raises(ArgumentError, match=r"drawn \(2, 4\); they are \(2,\) and \(2, 5\)"):
        two_level_bootstrap(np.zeros(2), np.zeros((2, 4)), draws)
    with pytest.raises(ArgumentError, match="executions is 0; it is 1 or more"):
        Draws(0, 10)


differences = st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 4)), min_size=2, max_size=30)


@given(cells=differences, share=st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_corrected_t_is_students_with_its_variance_stretched(cells, share):
    cells = np.array(cells)
    found = corrected_resampled_t(cells, share)
    if np.ptp(cells) == 0:
        assert np.isnan(found.p) == bool(cells[0])
        return
    number = len(cells)
    stretch = np.sqrt(1 + number * share)
    # The same t from scipy's plain test, with deviations from the mean stretched.
    plain = stats.ttest_1samp(cells.mean() + (cells - cells.mean()) * stretch, 0)
    interval = plain.confidence_interval(0.95)
    assert found.p == pytest.approx(plain.pvalue, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.mean == pytest.approx(cells.mean(), abs=1e-12)


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("rope", [0.005, 0.02])
def test_probabilities_are_baycomps(folds, runs, rope):
    random = np.random.default_rng(folds)
    for shift in (-0.02, 0, 0.01):
        first = random.normal(0.8, 0.03, folds * runs)
        second = first + random.normal(shift, 0.02, folds * runs)
        # baycomp's left is "the first is better", and its rho is one over the folds.
        left, middle, right = baycomp.two_on_single(first, second, rope=rope, runs=runs)
        found = bayesian_correlated_t(second - first, 1 / (folds - 1), rope)
        expected = (left, middle, right)
        assert (found.worse, found.equal, found.better) == pytest.approx(expected, abs=1e-9)


def test_probabilities_are_the_integral_over_mean_and_variance():
    """The formula from its beginning: correlated normals, the prior 1/variance."""
    cells = np.array([0.012, 0.03, -0.004, 0.021, 0.009])
    share = 0.25
    rho = share / (1 + share)
    number = len(cells)
    inverse = np.linalg.inv((1 - rho) * np.eye(number) + rho)
    ones = np.ones(number)

    def density(mean, spread):
        rest = cells - mean * ones
        return np.exp(-rest @ inverse @ rest / (2 * spread**2)) / spread ** (number + 1)

    def marginal(low, high):
        return integrate.dblquad(density, 2e-3, 2, low, high, epsabs=1e-3, epsrel=1e-5)[0]

    edges = (-1.0, -0.2, -0.005, 0.005, 0.03, 0.2, 1.0)
    parts = np.array([marginal(low, high) for low, high in itertools.pairwise(edges)])
    parts /= parts.sum()
    found = bayesian_correlated_t(cells, share)
    expected = (parts[:2].sum(), parts[2], parts[3:].sum())
    assert (found.worse, found.equal, found.better) == pytest.approx(expected, abs=2e-3)


def test_better_and_worse_change_places_with_the_arms():
    cells = np.array([0.01, 0.02, -0.01, 0.005])
    found, other = bayesian_correlated_t(cells, 0.25), bayesian_correlated_t(-cells, 0.25)
    assert (found.worse, found.equal, found.better) == pytest.approx(
        (other.better, other.equal, other.worse)
    )
    assert found.better > found.worse
    none = bayesian_correlated_t(cells, 0.25, rope=0)
    assert none.equal == pytest.approx(0, abs=1e-12)
    p = corrected_resampled_t(cells, 0.25).p
    assert none.worse == pytest.approx(p / 2)


@pytest.mark.parametrize("cells", [[], [0.1], [np.nan, 0.1], [0.1, 0.1, 0.1], [0.1, 0.3 - 0.2]])
def test_without_a_spread_nothing_is_said(cells):
    found = corrected_resampled_t(np.array(cells), 0.25)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert verdict(found.low, found.high) == "undecided"
    bayes = bayesian_correlated_t(np.array(cells), 0.25)
    assert np.isnan([bayes.worse, bayes.equal, bayes.better]).all()
    assert found.mean == pytest.approx(0.1 if len(cells) else np.nan, nan_ok=True)


def test_arms_that_are_the_same_are_equal():
    found, bayes = (
        corrected_resampled_t(np.zeros(5), 0.25),
        bayesian_correlated_t(np.zeros(5), 0.25),
    )
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (bayes.worse, bayes.equal, bayes.better) == (0, 1, 0)


def test_failed_cells_are_left_out():
    cells = np.array([0.01, np.nan, 0.03, 0.02])
    without = cells[~np.isnan(cells)]
    assert corrected_resampled_t(cells, 0.25) == corrected_resampled_t(without, 0.25)
    assert bayesian_correlated_t(cells, 0.25) == bayesian_correlated_t(without, 0.25)


def test_a_test_share_is_positive():
    for test in (corrected_resampled_t, bayesian_correlated_t):
        with pytest.raises(ArgumentError, match="test_share is 0; it is above 0"):
            test(np.array([0.1, 0.2]), 0)


def slow_holm(p):
    """Closed testing: reject a hypothesis where Bonferroni rejects every set that holds it."""
    number = len(p)
    subsets = [s for k in range(1, number + 1) for s in itertools.combinations(range(number), k)]
    return [
        max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in range(number)
    ]


@given(p=st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 0.9, 1.0]), max_size=7))
def test_holm_is_the_closure_of_bonferroni(p):
    np.testing.assert_allclose(holm(np.array(p)), slow_holm(p), rtol=1e-12)
    np.testing.assert_allclose(holm(np.array([np.nan, *p])), [np.nan, *slow_holm(p)], rtol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.02, "better"),
        (-0.02, -0.01, "worse"),
        (-0.01, 0.01, "undecided"),
        (0.0, 0.01, "undecided"),
        (0.0, 0.0, "undecided"),
        (np.nan, np.nan, "undecided"),
        (np.nan, -0.1, "undecided"),
        (0.1, np.nan, "undecided"),
    ],
)
def test_verdicts(low, high, expected):
    assert verdict(low, high) == expected
    opposite = {"better": "worse", "worse": "better", "undecided": "undecided"}
    assert verdict(low, high, lower_is_better=True) == opposite[expected]
