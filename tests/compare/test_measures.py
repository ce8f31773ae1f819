"""Measures of a comparison against scikit-learn, and weights against repeated objects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from czsl.compare.measures import (
    LOWER_IS_BETTER,
    MEASURES,
    confusion,
    decide,
    prepare,
    rarest,
    shared,
)
from czsl.errors import ArgumentError
from czsl.reliability import calibration_error, reliability
from czsl.scores import scores

PRIOR = np.array([0.6, 0.3, 0.1, 0.2, 0.1])


def draw(seed: int, classes: int, count: int = 60, steps: int = 8):
    """Draw labels of every class and posteriors in coarse steps, so that many are tied."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    hint = 0.4 * np.eye(classes)[labels]
    counts = random.multinomial(steps, (random.dirichlet(np.ones(classes), count) + hint) / 1.4)
    return counts / steps, labels


def slow_calibration_error(posterior, labels):
    total = 0.0
    for b in range(10):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(posterior, labels, strict=True)
            if b / 10 <= row.max() < (b + 1) / 10 or (b == 9 and row.max() == 1)
        ]
        if inside:
            stated, right = np.mean(inside, axis=0)
            total += len(inside) / len(labels) * abs(stated - right)
    return total


def expected(posterior, labels, prior, rare):
    """Every measure from scikit-learn or in words."""
    classes = posterior.shape[1]
    found = {}
    for ending, score in (("", posterior), ("_moved", posterior / prior)):
        chosen = score.argmax(axis=1)
        recalls = metrics.recall_score(labels, chosen, average=None, labels=np.unique(labels))
        found["accuracy" + ending] = metrics.accuracy_score(labels, chosen)
        found["balanced_accuracy" + ending] = recalls.mean()
        found["gmean" + ending] = np.exp(np.mean(np.log(np.maximum(recalls, 1e-300))))
    if classes == 2:
        found["auc"] = metrics.roc_auc_score(labels, posterior[:, 1])
    else:
        found["auc"] = metrics.roc_auc_score(labels, posterior, multi_class="ovr")
    found["average_precision"] = metrics.average_precision_score(labels == rare, posterior[:, rare])
    clipped = np.maximum(posterior[np.arange(len(labels)), labels], 1e-12)
    found["log_likelihood"] = np.mean([np.log(p) for p in clipped])
    rows = zip(posterior, labels, strict=True)
    found["brier"] = np.mean([sum((p - (k == y)) ** 2 for k, p in enumerate(r)) for r, y in rows])
    found["calibration_error"] = slow_calibration_error(posterior, labels)
    return found


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [3, 10, 1000])
def test_measures_are_scikit_learns(classes, seed, steps):
    posterior, labels = draw(seed, classes, steps=steps)
    prior, rare = PRIOR[:classes], rarest(labels)
    found = prepare(posterior, labels, prior).values()
    assert tuple(found) == MEASURES
    assert found == pytest.approx(expected(posterior, labels, prior, rare), abs=1e-12)


def test_log_likelihood_is_scikit_learns_where_nothing_is_clipped():
    posterior, labels = draw(0, 3, steps=5000)
    posterior = (posterior + 0.01) / 1.03
    found = prepare(posterior, labels, PRIOR[:3]).values()
    assert found["log_likelihood"] == pytest.approx(-metrics.log_loss(labels, posterior))


def test_measures_agree_with_scores_and_reliability():
    posterior, labels = draw(1, 4)
    posterior[::7] = np.nan
    found = prepare(posterior, labels, PRIOR[:4]).values()
    plain = scores(posterior, labels)
    for name in ("accuracy", "balanced_accuracy", "auc"):
        assert found[name] == pytest.approx(plain[name])
    assert found["log_likelihood"] == pytest.approx(-plain["log_loss"])
    error = calibration_error(reliability(posterior, labels))
    assert found["calibration_error"] == pytest.approx(error)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4), steps=st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_a_weight_is_so_many_objects_alike(seed, classes, steps):
    posterior, labels = draw(seed, classes, 25, steps)
    weights = np.random.default_rng(seed).integers(0, 4, (5, 25))
    weights[:, :classes] += 1  # every class stays
    found = prepare(posterior, labels, PRIOR[:classes], rare=1).measure(weights)
    for number, row in enumerate(weights):
        rows = np.repeat(np.arange(25), row)
        again = prepare(posterior[rows], labels[rows], PRIOR[:classes], rare=1).values()
        assert {name: values[number] for name, values in found.items()} == pytest.approx(again)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_many_draws_are_the_same_in_parts_and_in_any_type(dtype):
    posterior, labels = draw(2, 3)
    prepared = prepare(posterior, labels, PRIOR[:3])
    weights = np.random.default_rng(0).integers(1, 200, (100, 60)).astype(dtype)
    found = prepared.measure(weights)
    for name in MEASURES:
        alone = [prepared.measure(row[None], [name])[name][0] for row in weights[::9]]
        np.testing.assert_allclose(found[name][::9], alone, rtol=1e-12)
    assert prepared.measure(weights[:0], ["auc"])["auc"].shape == (0,)


def test_objects_without_a_posterior_weigh_nothing():
    posterior, labels = draw(3, 3)
    more = np.vstack([posterior, [[np.nan] * 3, [0.1, np.nan, 0.2]]])
    prepared = prepare(more, np.append(labels, [0, 1]), PRIOR[:3], rare=2)
    alone = prepare(posterior, labels, PRIOR[:3], rare=2)
    assert prepared.values() == pytest.approx(alone.values())
    weights = np.random.default_rng(0).integers(1, 4, (3, 62))
    found, without = prepared.measure(weights), alone.measure(weights[:, :-2])
    for name in MEASURES:
        np.testing.assert_allclose(found[name], without[name], rtol=1e-12)


def test_nothing_is_measured_without_any_posterior():
    posterior, labels = draw(0, 3)
    found = prepare(np.full_like(posterior, np.nan), labels, PRIOR[:3]).values()
    assert np.isnan(list(found.values())).all()


def test_a_draw_that_loses_a_class_has_only_what_needs_no_class():
    posterior, labels = draw(4, 3)
    weights = np.stack([labels != 2, labels != 0, labels < 0]).astype(np.uint8)
    found = prepare(posterior, labels, PRIOR[:3], rare=2).measure(weights)
    whole = ("accuracy", "accuracy_moved", "log_likelihood", "brier", "calibration_error")
    for name in MEASURES:
        defined = {"average_precision": [False, True, False]}.get(
            name, [name in whole] * 2 + [False]
        )
        assert (~np.isnan(found[name])).tolist() == defined, name


def test_a_class_that_never_occurs_is_not_missed():
    posterior, labels = draw(5, 3)
    posterior, labels = posterior[labels < 2], labels[labels < 2]
    found = prepare(posterior, labels, PRIOR[:3]).values()
    assert found["auc"] == pytest.approx(scores(posterior, labels)["auc"])
    assert found["balanced_accuracy"] == pytest.approx(
        scores(posterior, labels)["balanced_accuracy"]
    )


def test_one_class_has_no_area():
    found = prepare(np.array([[0.7, 0.3], [0.4, 0.6]]), np.zeros(2, np.int64), PRIOR[:2]).values()
    assert np.isnan(found["auc"])
    assert (found["accuracy"], found["average_precision"]) == (0.5, 1.0)


def test_the_moved_decision_takes_the_rare_class_sooner():
    posterior = np.array([[0.7, 0.3], [0.8, 0.2], [0.85, 0.15]])
    assert decide(posterior).tolist() == [0, 0, 0]
    assert decide(posterior, np.array([0.75, 0.25])).tolist() == [1, 0, 0]
    assert decide(posterior, np.array([0.5, 0.5])).tolist() == decide(posterior).tolist()


def test_a_class_without_training_experts_is_never_decided_on():
    posterior = np.array([[0.1, 0.0, 0.9], [0.0, 0.0, 1.0]])
    assert decide(posterior, np.array([0.5, 0.5, 0.0])).tolist() == [0, 0]


def test_confusion_is_scikit_learns():
    posterior, labels = draw(6, 3)
    posterior[:2] = np.nan
    found = confusion(posterior, labels, 3)
    chosen = posterior[2:].argmax(axis=1)
    np.testing.assert_array_equal(found[:, :3], metrics.confusion_matrix(labels[2:], chosen))
    assert found[:, 3].tolist() == [1, 1, 0]


def test_the_rarest_class_is_the_first_of_those_that_occur():
    assert rarest(np.array([3, 3, 1, 1, 4, 4, 4])) == 1


def test_two_arms_share_the_objects_that_both_have():
    (first, _), (second, _) = draw(7, 2), draw(8, 2)
    first[3], second[5, 0] = np.nan, np.nan
    left, right = shared(first, second)
    for found, given_ in ((left, first), (right, second)):
        assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [3, 5]
        np.testing.assert_array_equal(np.delete(found, [3, 5], 0), np.delete(given_, [3, 5], 0))
    assert not np.isnan(first[5]).any()


def test_arrays_are_left_as_they_were():
    posterior, labels = draw(9, 3)
    posterior[4, 1] = np.nan
    before = posterior.copy()
    prepare(posterior, labels, PRIOR[:3]).values()
    np.testing.assert_array_equal(posterior, before)


def test_errors_are_measures():
    assert set(MEASURES) > LOWER_IS_BETTER


def test_what_cannot_be_measured_is_refused():
    posterior, labels = draw(0, 3)
    prior = PRIOR[:3]
    with pytest.raises(
        ArgumentError, match=r"posterior has the shape \(60, 3\) and labels \(59,\)"
    ):
        prepare(posterior, labels[1:], prior)
    with pytest.raises(ArgumentError, match="of one object or more"):
        prepare(posterior[:0], labels[:0], prior)
    with pytest.raises(
        ArgumentError, match="labels run from -1 to 2; they are classes from 0 to 2"
    ):
        prepare(posterior, np.where(labels == 0, -1, labels), prior)
    with pytest.raises(
        ArgumentError, match=r"prior is \[0.6, 0.3\]; it is a share for each of the 3"
    ):
        prepare(posterior, labels, PRIOR[:2])
    with pytest.raises(ArgumentError, match="rare is 3; it is a class from 0 to 2"):
        prepare(posterior, labels, prior, rare=3)
    prepared = prepare(posterior, labels, prior)
    with pytest.raises(ArgumentError, match=r"shape \(2, 61\); they are whole numbers of shape"):
        prepared.measure(np.ones((2, 61), np.uint8))
    with pytest.raises(ArgumentError, match="weights are float64"):
        prepared.measure(np.ones((2, 60)))
    with pytest.raises(ArgumentError, match="'acuracy'; did you mean 'accuracy'"):
        prepared.measure(np.ones((2, 60), np.uint8), ["acuracy"])
