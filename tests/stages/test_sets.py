"""Sets of classes: p-values against a plain count and against crepes, and the promise kept."""

import numpy as np
import pytest

from czsl.errors import ArgumentError
from czsl.stages.sets import (
    Calibration,
    coverage_by_class,
    needed,
    p_values,
    prediction_sets,
    unsupported,
)


def drawn(number: int, seed: int, shares=(0.6, 0.3, 0.1)):
    """Draw posteriors and classes; the posteriors are too sure, which must not matter."""
    random = np.random.default_rng(seed)
    labels = random.choice(len(shares), size=number, p=shares)
    logits = random.normal(0, 1.5, (number, len(shares))) + 2 * np.eye(len(shares))[labels]
    posterior = np.exp(2 * logits)
    return posterior / posterior.sum(axis=1, keepdims=True), labels


def calibration(number: int = 200, seed: int = 0, weights=None) -> Calibration:
    posterior, labels = drawn(number, seed)
    weights = np.ones(number) if weights is None else weights
    return Calibration(posterior=posterior, labels=labels, weights=weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_p_values_are_counted(weighted):
    random = np.random.default_rng(1)
    known = calibration(60, weights=random.uniform(0.5, 3, 60) if weighted else None)
    posterior, _ = drawn(20, seed=2)
    posterior[3] = known.posterior[5]  # a tie
    own = random.uniform(0.5, 3, 20) if weighted else None
    found = p_values(known, posterior, own)
    for row in range(20):
        for k in range(3):
            inside = known.labels == k
            weight = 1.0 if own is None else own[row]
            no_more = known.posterior[inside, k] <= posterior[row, k]
            some = known.weights[inside][no_more].sum() + weight
            assert found[row, k] == pytest.approx(some / (known.weights[inside].sum() + weight))


def test_crepes_gives_the_same_p_values():
    crepes = pytest.importorskip("crepes", reason="crepes is not installed")
    known = calibration(150)
    posterior, _ = drawn(40, seed=4)
    for k in range(3):
        inside = known.labels == k
        classifier = crepes.ConformalClassifier().fit(1 - known.posterior[inside, k])
        expected = classifier.predict_p(1 - posterior[:, [k]], smoothing=False)
        np.testing.assert_allclose(p_values(known, posterior)[:, k], np.ravel(expected))


def test_every_class_is_covered_as_promised():
    known = [calibration(400, seed=seed) for seed in range(40)]
    posterior, labels = drawn(3000, seed=99)
    for level in (0.8, 0.9):
        covered = np.mean(
            [
                [row["covered"] for row in coverage_by_class(sets, labels, 3)]
                for sets in (prediction_sets(one, posterior, level) for one in known)
            ],
            axis=0,
        )
        assert (covered > level - 0.02).all()
        assert (covered[:2] < level + 0.04).all()


def test_weights_undo_a_selection():
    """Experts saw what is easy of class 0 four times as often as what is not."""
    random = np.random.default_rng(0)
    posterior, labels = drawn(20_000, seed=1, shares=(0.5, 0.5))
    chance = np.where(posterior[:, 0] > 0.8, 0.8, 0.2)
    chosen = random.random(len(labels)) < chance
    others, truth = drawn(20_000, seed=2, shares=(0.5, 0.5))
    own = 1 / np.where(others[:, 0] > 0.8, 0.8, 0.2)

    def covered(weights, given):
        known = Calibration(
            posterior=posterior[chosen], labels=labels[chosen], weights=weights[chosen]
        )
        sets = prediction_sets(known, others, 0.9, given)
        return coverage_by_class(sets, truth, 2)[0]["covered"]

    assert covered(np.ones(len(chance)), None) < 0.86
    assert 0.88 < covered(1 / chance, own) < 0.92


def test_a_weight_that_is_not_known_is_the_mean_of_the_class():
    random = np.random.default_rng(1)
    known = calibration(60, weights=random.uniform(0.5, 3, 60))
    posterior, _ = drawn(3, seed=2)
    found = p_values(known, posterior, np.array([np.nan, 2.0, np.nan]))
    for k in range(3):
        mean = known.weights[known.labels == k].mean()
        expected = p_values(known, posterior, np.array([mean, 2.0, mean]))
        np.testing.assert_allclose(found[:, k], expected[:, k])


def test_of_an_infinite_weight_no_class_is_ruled_out():
    known, (posterior, _) = calibration(60), drawn(4, seed=2)
    own = np.array([1.0, np.inf, 1.0, np.nan])
    found = p_values(known, posterior, own)
    assert (found[1] == 1).all()
    without = p_values(known, posterior, np.array([1.0, 1e12, 1.0, np.nan]))
    np.testing.assert_allclose(found, without, atol=1e-9)
    assert prediction_sets(known, posterior, 0.9, own)[1].all()
    nobody = Calibration(posterior=np.zeros((0, 3)), labels=np.zeros(0, int), weights=np.zeros(0))
    assert (p_values(nobody, posterior, own) == 1).all()


def test_no_set_is_empty_and_higher_coverage_only_adds():
    known = calibration(100)
    posterior, _ = drawn(500, seed=7)
    before = np.zeros((500, 3), bool)
    for level in (0.05, 0.3, 0.6, 0.8, 0.9, 0.99):
        sets = prediction_sets(known, posterior, level)
        assert sets.any(axis=1).all()
        alone = before.sum(axis=1) == 1  # which may stand for an empty one
        assert (sets | ~before)[~alone].all()
        before = sets


def test_a_class_with_too_few_experts_is_in_every_set():
    posterior, labels = drawn(300, seed=0)
    keep = (labels != 2) | (np.cumsum(labels == 2) <= 8)
    known = Calibration(
        posterior=posterior[keep], labels=labels[keep], weights=np.ones(int(keep.sum()))
    )
    assert unsupported(known, 0.9) == [2]
    assert unsupported(known, 0.8) == []
    sets = prediction_sets(known, drawn(400, seed=5)[0], 0.9)
    assert sets[:, 2].all()
    assert not sets[:, 0].all()
    assert needed(0.9) == 9


def test_a_class_with_too_few_experts_is_in_every_set_however_much_they_weigh():
    """Three objects that weigh 20 each do what nine cannot: they would rule their class out."""
    known = Calibration(
        posterior=np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 30),
        labels=np.repeat([0, 1], [3, 30]),
        weights=np.repeat([20.0, 1.0], [3, 30]),
    )
    others = np.array([[0.05, 0.95], [0.95, 0.05]])
    assert p_values(known, others, np.ones(2))[0, 0] < 0.1
    assert unsupported(known, 0.9) == [0]
    sets = prediction_sets(known, others, 0.9, np.ones(2))
    assert sets.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_without_weights_few_experts_alone_keep_their_class_in_every_set(level):
    """The p-values say so by themselves: of n objects the least is 1 / (n + 1)."""
    random = np.random.default_rng(8)
    for number in [*range(1, 25), 98, 99, 100]:
        labels = np.repeat([0, 1], [number, 40])
        posterior = random.dirichlet(np.ones(2), len(labels))
        known = Calibration(posterior=posterior, labels=labels, weights=np.ones(len(labels)))
        few = unsupported(known, level)
        others = random.dirichlet([0.2, 0.2], 200)
        assert (p_values(known, others)[:, few] > 1 - level + 1e-12).all()
        assert (0 in few) == (number < needed(level))


def test_nothing_is_ruled_out_of_what_is_not_known():
    posterior = np.array([[np.nan] * 3, [0.99, 0.005, 0.005]])
    sets = prediction_sets(calibration(), posterior, 0.9)
    assert sets[0].all()
    assert not sets[1].all()


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.5, 90])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ArgumentError, match="above 0 and below 1"):
        prediction_sets(calibration(), drawn(5, 0)[0], coverage)


@pytest.mark.parametrize("given", ["nothing", "weights", "unknown"])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("mirror", [[0, 1, 2], [1, 0, 2]])
def test_an_object_of_these_is_judged_as_if_it_were_none(given, held, mirror):
    """Against sets made anew without it, and without its mirror image."""
    random = np.random.default_rng(11)
    number = 60
    posterior = random.dirichlet(np.ones(3), number).round(1) + 0.01  # with ties
    posterior[5] = np.nan
    labels = np.repeat([0, 1, 2], [18, 30, 12])
    weights = np.ones(number) if given == "nothing" else random.uniform(0.5, 20, number)
    own = {"nothing": None, "weights": weights, "unknown": np.full(number, np.nan)}[given]
    chosen = random.random(number) < 0.7 if held else np.zeros(number, bool)

    def made(kept):
        known = np.where(kept[:, None], posterior, np.nan)
        return Calibration.of(known, labels, weights, chosen).with_mirror_images(np.array(mirror))

    everything = made(np.ones(number, bool))
    judged = np.where(np.isnan(posterior), 1 / 3, posterior)
    numbers = np.arange(number)
    values = p_values(everything, judged, own, numbers)
    sets = prediction_sets(everything, judged, 0.9, own, numbers)
    for row in range(number):
        without = made(numbers != row)
        one = None if own is None else own[[row]]
        expected = p_values(without, judged[[row]], one)
        np.testing.assert_allclose(values[[row]], expected, rtol=1e-12)
        expected = prediction_sets(without, judged[[row]], 0.9, one)
        np.testing.assert_array_equal(sets[[row]], expected)
    plain = p_values(everything, judged, own)
    np.testing.assert_array_equal(p_values(everything, judged, own, np.full(number, -1)), plain)
    assert (values != plain).any(axis=1).sum() > 30


def test_mirror_images_double_the_objects_of_classes_that_mirroring_changes():
    """Against counting an object and its mirror image by hand."""
    random = np.random.default_rng(3)
    posterior, labels = random.dirichlet(np.ones(3), 40), random.integers(0, 3, 40)
    weights, mirror = random.uniform(0.5, 2, 40), np.array([0, 2, 1])
    made = Calibration(posterior=posterior, labels=labels, weights=weights)
    both = made.with_mirror_images(mirror)
    others = random.dirichlet(np.ones(3), 10)
    found, plain = p_values(both, others), p_values(made, others)
    np.testing.assert_array_equal(found[:, 0], plain[:, 0])
    turned = labels > 0
    own = posterior[np.arange(40), labels][turned]  # of an object's class, and of its mirror image
    for k in (1, 2):
        upto = np.array([weights[turned][own <= p].sum() for p in others[:, k]])
        typical = weights[turned].mean()
        np.testing.assert_allclose(
            found[:, k], (typical + upto) / (typical + weights[turned].sum())
        )


def test_a_class_and_its_mirror_are_covered_alike():
    """Few objects of each sense: alone either's threshold is chance, together half as much."""
    mirror, random = np.array([1, 0]), np.random.default_rng(0)

    def drawn(number):
        labels = random.integers(0, 2, number)
        p = 1 / (1 + np.exp(-random.normal(2, 2, number)))
        posterior = np.where(labels[:, None] == [0, 1], p[:, None], 1 - p[:, None])
        return Calibration(posterior=posterior, labels=labels, weights=np.ones(number))

    apart = {False: [], True: []}
    for _ in range(200):
        known, others = drawn(60), drawn(2000)
        for joined, made in ((False, known), (True, known.with_mirror_images(mirror))):
            sets = prediction_sets(made, others.posterior, 0.9)
            covered = [row["covered"] for row in coverage_by_class(sets, others.labels, 2)]
            apart[joined].append(covered)
    means = {joined: np.mean(found) for joined, found in apart.items()}
    assert means[False] == pytest.approx(0.9, abs=0.015)
    assert means[True] == pytest.approx(0.9, abs=0.015)
    spread = {joined: np.std(found) for joined, found in apart.items()}
    assert spread[True] < 0.8 * spread[False]
