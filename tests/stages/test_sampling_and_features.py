"""Rare classes, and votes as numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czsl.crowd.features import (
    extra_features,
    mirrored_features,
    question_places,
    thinned_counts,
    transfer_features,
    trusted_counts,
)
from czsl.recipes import DEFAULT
from czsl.stages.pretrain import _samples
from czsl.stages.sampling import resampled
from czsl.stages.targets import Layout, VoteTargets, features_of_counts

LABELS = np.array([0] * 12 + [1] * 5 + [2] * 2)


def numbers(sampling: str, seed: int = 0) -> list[int]:
    return np.bincount(LABELS[resampled(LABELS, sampling, seed)]).tolist()


def test_over_and_under_sampling_make_classes_equally_many():
    assert numbers("none") == [12, 5, 2]
    assert numbers("over") == [12, 12, 12]
    assert numbers("under") == [2, 2, 2]


def test_over_sampling_leaves_no_row_out_and_under_sampling_repeats_none():
    over, under = resampled(LABELS, "over", 0), resampled(LABELS, "under", 0)
    assert set(over) == set(range(19))
    assert len(set(under)) == len(under)
    for rows in (over, under):
        assert rows.tolist() == sorted(rows)


def test_same_seed_same_rows():
    for sampling in ("over", "under"):
        one, same = resampled(LABELS, sampling, 1), resampled(LABELS, sampling, 1)
        others = [resampled(LABELS, sampling, seed) for seed in range(2, 6)]
        np.testing.assert_array_equal(one, same)
        assert any(not np.array_equal(one, other) for other in others)


@pytest.mark.parametrize("sampling", ["over", "under"])
def test_one_class_or_no_row_stays_as_it_is(sampling):
    assert resampled(np.zeros(4, np.int64), sampling, 0).tolist() == [0, 1, 2, 3]
    assert resampled(np.zeros(0, np.int64), sampling, 0).size == 0


def test_rows_without_a_class_stay_and_those_with_one_are_resampled_as_without_them():
    mixed = np.concatenate([[-1], LABELS, [-1, -1]])
    for sampling in ("none", "over", "under"):
        chosen = resampled(mixed, sampling, 3)
        assert chosen.tolist() == sorted(chosen)
        assert np.sum(mixed[chosen] < 0) == 3
        known = chosen[mixed[chosen] >= 0] - 1
        np.testing.assert_array_equal(known, resampled(LABELS, sampling, 3))


@pytest.mark.parametrize("targets", ["shares", "counts"])
def test_objects_whose_majority_is_no_class_pretrain_whatever_the_sampling(targets):
    """Their votes teach what volunteers say, though none of the classes."""
    layout = Layout(
        questions=(3,),
        answer_mirror=np.arange(3),
        class_mirror=np.arange(2),
        class_answers=np.eye(3)[:, :2],
    )
    counts = np.array([[9.0, 1, 0]] * 50 + [[1.0, 9, 0]] * 30 + [[0, 1.0, 9]] * 2)
    votes = VoteTargets(layout=layout, counts=counts, majority=np.repeat([0, 1, -1], [50, 30, 2]))
    context = SimpleNamespace(images=None, view=8, fold_seed=0)
    settings = DEFAULT.pretrain.model_copy(update={"targets": targets})
    for sampling, expected in {
        "none": [2, 50, 30],
        "over": [2, 50, 50],
        "under": [2, 30, 30],
    }.items():
        rows = _samples(context, votes, np.arange(82), settings, sampling).rows
        assert np.bincount(votes.majority[rows] + 1).tolist() == expected


def test_votes_to_be_trusted():
    fractions = np.array([[0.5, 0.5]] * 4 + [[1.0, 0.0], [np.nan, np.nan]])
    total = np.array([10.0, 40.0, np.nan, 20.0, np.nan, 0.0])
    label = np.array([False, False, False, False, True, False])
    as_counts = trusted_counts(fractions, total, label=label, counts=True)
    as_fractions = trusted_counts(fractions, total, label=label, counts=False)
    assert as_counts.sum(axis=1).tolist() == [10, 40, 20, 20, 2, 0]
    assert as_fractions.sum(axis=1).tolist() == [10, 20, 20, 20, 2, 0]
    assert as_counts[4].tolist() == [2, 0]


@st.composite
def questions(draw):
    """Draw votes on two questions with a mirror each, some objects without any."""
    random = np.random.default_rng(draw(st.integers(0, 999)))
    found = []
    for answers in (draw(st.integers(2, 5)), draw(st.integers(2, 4))):
        counts = random.integers(1, 9, (6, answers)).astype(float)
        fractions = counts / counts.sum(axis=1, keepdims=True)
        nothing = random.random(6) < 0.3
        counts[nothing], fractions[nothing] = 0, np.nan
        mirror = np.arange(answers)
        mirror[:2] = [1, 0]
        found.append((fractions, counts, mirror))
    return found, random.random((6, 2))


@given(drawn=questions())
@settings(max_examples=30, deadline=None)
def test_mirroring_the_votes_is_mirroring_the_features(drawn):
    found, extra = drawn
    questions = [counts.shape[1] for _, counts, _ in found]
    extra[extra > 0.7] = np.nan
    features = features_of_counts(np.hstack([k for _, k, _ in found]), questions, extra)
    turned = np.hstack([counts[:, mirror] for _, counts, mirror in found])
    swapped = features_of_counts(turned, questions, extra)
    order = mirrored_features([mirror for *_, mirror in found], extra.shape[1])
    np.testing.assert_allclose(features[:, order], swapped, atol=1e-12)
    np.testing.assert_array_equal(features[:, order][:, order], features)


def test_features_of_no_votes_are_zero_and_missing_columns_stay_missing():
    features = transfer_features(np.full((1, 3), np.nan), np.zeros((1, 3)))
    np.testing.assert_array_equal(features, np.zeros((1, 7)))
    extra = extra_features(np.array([[np.nan, 2.0], [1.0, 2.0], [np.nan, np.nan]]))
    np.testing.assert_array_equal(
        extra,
        [[np.nan, 2.0, 1, 0, 0.5], [1.0, 2.0, 0, 0, 1.0], [np.nan, np.nan, 0, 0, 0.0]],
    )
    assert extra_features(np.zeros((4, 0))).shape == (4, 0)


def test_beside_extra_columns_votes_have_a_place_of_their_own():
    counts = np.array([[3.0, 9.0]] * 3)
    extra = np.array([[0.5, 2.0], [np.nan, 2.0], [np.nan, np.nan]])
    plain = features_of_counts(counts, [2], np.zeros((3, 0)))
    features = features_of_counts(counts, [2], extra)
    known = np.array([[1.0], [0.5], [0.0]])
    missing = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    expected = np.hstack([plain * (1 - known), extra, missing, known, plain * known])
    np.testing.assert_allclose(features, expected)


def test_few_votes_say_less_than_many():
    counts = np.array([[1.0, 0.0], [10.0, 0.0], [1000.0, 0.0]])
    features = transfer_features(counts / counts.sum(axis=1, keepdims=True), counts)
    assert np.all(np.diff(np.abs(features), axis=0)[:, [0, 2, 3, 4]] > 0)
    np.testing.assert_allclose(features[:, 2], [1 / 4, 10 / 13, 1000 / 1003])
    places = question_places([2, 3])
    assert [part.tolist() for part in places] == [[0, 1, 2], [5, 6, 7, 8]]


def test_thinned_votes_are_hypergeometric():
    from scipy.stats import multivariate_hypergeom

    counts = np.tile([6.0, 3.0, 1.0], (40000, 1))
    votes = np.full(len(counts), 4)
    drawn = thinned_counts(counts, [3], votes, np.random.default_rng(0))
    assert set(drawn.sum(axis=1)) == {4.0}
    assert np.all(drawn <= counts)
    for outcome in ([4, 0, 0], [2, 1, 1], [1, 3, 0]):
        share = np.mean(np.all(drawn == outcome, axis=1))
        expected = multivariate_hypergeom.pmf(outcome, m=[6, 3, 1], n=4)
        assert abs(share - expected) < 4 * np.sqrt(expected / len(counts))


def test_thinned_votes_of_less_than_a_billion_are_numpys_draws_bit_for_bit():
    counts = np.random.default_rng(3).integers(0, [20, 5, 10**6, 10**8], (500, 4)).astype(float)
    votes = np.random.default_rng(4).integers(1, 30, 500)
    drawn = thinned_counts(counts, [4], votes, np.random.default_rng(5))
    random, rest = np.random.default_rng(5), counts.sum(axis=1).astype(int)
    left = np.minimum(votes, rest)
    for place in range(4):
        rest = rest - counts[:, place].astype(int)
        one = random.hypergeometric(counts[:, place].astype(int), rest, left)
        np.testing.assert_array_equal(drawn[:, place], one)
        left = left - one


def test_of_billions_of_votes_some_are_drawn_too():
    """Numpy draws none without replacement of a billion; with replacement they are the same."""
    counts = np.tile([6e9, 3e9, 1e9, 1.0], (20000, 1))
    drawn = thinned_counts(counts, [4], np.full(20000, 20), np.random.default_rng(0))
    assert set(drawn.sum(axis=1)) == {20.0}
    mean = drawn.mean(axis=0)
    np.testing.assert_allclose(mean, [12, 6, 2, 0], atol=0.08)
    np.testing.assert_allclose(drawn[:, :3].var(axis=0), [4.8, 4.2, 1.8], rtol=0.05)


def test_of_any_number_of_votes_no_more_are_drawn_than_there_are():
    counts = np.array([[2e9, 1, 4e9, 3], [1e9, 0, 5, 5], [7, 3, 2, 2], [1e300, 3e300, 0, 0]])
    for keep in (1, 5, 1999999999, 4 * 10**9, 10**17):
        drawn = thinned_counts(counts, [2, 2], np.full(4, keep), np.random.default_rng(1))
        assert np.all((drawn >= 0) & (drawn <= counts))
        most = np.maximum(counts[:3, :2].sum(axis=1), counts[:3, 2:].sum(axis=1))
        kept = np.maximum(drawn[:3, :2].sum(axis=1), drawn[:3, 2:].sum(axis=1))
        np.testing.assert_array_equal(kept, np.minimum(keep, most))
    np.testing.assert_array_equal(drawn[:3], counts[:3])


def test_thinning_keeps_objects_with_fewer_votes_and_the_proportion_of_the_questions():
    counts = np.array([[2.0, 1.0, 0.0, 0.0], [20.0, 20.0, 5.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    votes = np.array([5, 4, 4])
    drawn = thinned_counts(counts, [2, 2], votes, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn[0], counts[0])
    assert (drawn[1, :2].sum(), drawn[1, 2:].sum()) == (4, 1)
    assert drawn[2].sum() == 0
