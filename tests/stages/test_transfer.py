"""Transfers against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from czsl.crowd.features import mirrored_features
from czsl.errors import ArgumentError
from czsl.recipes import Transfer
from czsl.stages.logistic import fit_logistic, spread_logits
from czsl.stages.targets import Layout, TransferInputs, features_of_counts
from czsl.stages.transfer import FittedTransfer, fit_perceptron, fit_transfer

MIRROR = np.array([0, 2, 1])
STRENGTHS = tuple(10.0 ** (power / 2) for power in range(-6, 7))


def votes(count: int = 90, classes: int = 3, seed: int = 0):
    """Draw shares of three answers that follow the class, as (features, labels)."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    shares = np.full((count, 3), 0.2) + 0.4 * np.eye(3)[labels % 3]
    features = np.stack([random.multinomial(12, share) for share in shares]) / 12
    return features, labels


def told(counts: np.ndarray, extra: np.ndarray | None = None, mirror=MIRROR) -> TransferInputs:
    """Give votes on one question, and extra columns, as the logistic transfer takes them."""
    extra = np.zeros((len(counts), 0)) if extra is None else extra
    return TransferInputs(
        features=features_of_counts(counts, [counts.shape[1]], extra),
        usable=counts.sum(axis=1) > 0,
        mirror=mirrored_features([mirror], extra.shape[1]),
        counts=counts,
        extra_names=tuple("abcdefg"[: extra.shape[1]]),
    )


def layout(classes: int = 3, mirror=MIRROR, answered: bool = False) -> Layout:
    """Three answers; where ``answered`` each makes the class of its place."""
    return Layout(
        questions=(3,),
        answer_mirror=mirror,
        class_mirror=mirror if classes == 3 else np.arange(classes),
        class_answers=np.eye(3, classes) * answered,
        answer_names=("smooth", "clockwise", "anticlockwise"),
        class_names=tuple("wxyz"[:classes]),
    )


def fit_logistic_transfer(features, labels, *, classes: int, seed: int) -> FittedTransfer:
    """Fit the shares of twelve votes without mirror."""
    inputs = told(features * 12, mirror=np.arange(3))
    plain = layout(classes, np.arange(3))
    return fit_transfer(
        Transfer(kind="logistic"), inputs, np.arange(len(labels)), labels, plain, seed
    )


FITS = {
    "logistic": lambda x, y, seed: fit_logistic_transfer(x, y, classes=4, seed=seed),
    "perceptron": lambda x, y, seed: fit_perceptron(x, y, classes=4, seed=seed),
}


def seen(fit: str, features: np.ndarray) -> np.ndarray:
    """Give the features as a kind of transfer takes them."""
    return features if fit == "perceptron" else told(features * 12).features


def posterior(fitted, features: np.ndarray) -> np.ndarray:
    logits = (features - fitted.mean) / fitted.scale @ fitted.weight + fitted.bias
    exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponential / exponential.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_logistic_is_scikit_learns_scaled_pipeline(classes, strength):
    features, labels = votes(classes=classes)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    expected = pipeline.fit(features, labels).predict_proba(features)
    fitted = fit_logistic([(features, labels)], classes=classes, strengths=[strength], seed=0)
    np.testing.assert_allclose(posterior(fitted, features), expected, atol=1e-6)


def test_strength_is_that_of_scikit_learns_grid_search():
    features, labels = votes(count=60, seed=3)
    random = np.random.default_rng(0)
    features = np.hstack([features, random.normal(size=(60, 20))])  # noise to be penalised
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(
        pipeline,
        {"logisticregression__C": STRENGTHS},
        scoring="neg_log_loss",
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(features, labels)
    fitted = fit_logistic([(features, labels)], classes=3, strengths=STRENGTHS, seed=0)
    # We scale once for all folds, which moves the choice by a step of the grid at most.
    steps = [STRENGTHS.index(c) for c in (fitted.strength, *search.best_params_.values())]
    assert abs(steps[0] - steps[1]) <= 1
    assert 0 < steps[0] < len(STRENGTHS) - 1


def test_mirrored_votes_have_mirrored_probabilities():
    features, labels = votes(seed=1)
    rows = np.arange(len(labels))
    inputs = told(features * 12)
    settings = Transfer(kind="logistic")
    fitted = fit_transfer(settings, inputs, rows, labels, layout(), seed=0)
    plain = told(features * 12, mirror=np.arange(3))
    unmirrored = fit_transfer(settings, plain, rows, labels, layout(mirror=np.arange(3)), seed=0)
    apart = [
        np.abs(
            made.probabilities(inputs.features[:, inputs.mirror])[:, MIRROR]
            - made.probabilities(inputs.features)
        ).max()
        for made in (fitted, unmirrored)
    ]
    # Mirrored objects are thinned as one, so nothing tells the senses apart.
    assert apart[0] < 1e-4 < apart[1]


def test_relabelling_mirrored_rows_relabels_the_probabilities():
    features, labels = votes(seed=2)
    one = fit_logistic([(features, labels)], classes=3, strengths=[1.0], seed=0)
    other = fit_logistic(
        [(features[:, MIRROR], MIRROR[labels])], classes=3, strengths=[1.0], seed=0
    )
    found = posterior(other, features[:, MIRROR])[:, MIRROR]
    np.testing.assert_allclose(found, posterior(one, features), atol=1e-5)


def test_order_of_the_rows_does_not_matter():
    features, labels = votes(count=60, seed=3)
    random = np.random.default_rng(5)
    features = np.hstack([features, random.normal(size=(60, 20))])
    for seed in range(3):
        order = random.permutation(len(labels))
        one = fit_logistic([(features, labels)], classes=3, strengths=STRENGTHS, seed=seed)
        shuffled = [(features[order], labels[order])]
        other = fit_logistic(shuffled, classes=3, strengths=STRENGTHS, seed=seed)
        assert one.strength == other.strength
        np.testing.assert_allclose(posterior(one, features), posterior(other, features), atol=1e-5)


def test_every_variant_of_an_object_is_left_out_with_it(monkeypatch):
    """The strength is judged on objects of which no variant was fitted on."""
    fitted_on, judged_on = [], []
    original = LogisticRegression

    class Spy(LogisticRegression):
        def fit(self, inputs, labels):
            fitted_on.append(set(np.abs(inputs[:, 0]).round(9)))
            return original.fit(self, inputs, labels)

        def predict_proba(self, inputs):
            judged_on.append((set(np.abs(inputs[:, 0]).round(9)), fitted_on[-1]))
            return original.predict_proba(self, inputs)

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Spy)
    features = np.random.default_rng(0).normal(size=(40, 1))
    features -= features.mean()
    labels = np.arange(40) % 2
    variants = [(features, labels), (-features, 1 - labels)]
    fit_logistic(variants, classes=2, strengths=[0.1, 1.0], seed=0)
    assert len(judged_on) == 10
    assert all(not judged & fitted for judged, fitted in judged_on)


@pytest.mark.parametrize("classes", [2, 3])
def test_perceptron_is_scikit_learns(classes):
    features, labels = votes(count=200, classes=classes)
    model = MLPClassifier((8, 7, 5, 3), alpha=1e-4, max_iter=300, random_state=7)
    model.fit(features, labels)
    fitted = fit_perceptron(features, labels, classes=classes, seed=7)
    expected = model.predict_proba(features)
    np.testing.assert_allclose(fitted.probabilities(features), expected, atol=1e-12)
    assert [weight.shape for weight in fitted.weights] == [
        (3, 8),
        (8, 7),
        (7, 5),
        (5, 3),
        (3, classes),
    ]


def test_a_perceptron_that_collapsed_says_so():
    features, labels = votes(count=40)
    collapsed = {seed: fit_perceptron(features, labels, classes=3, seed=seed) for seed in range(4)}
    for fitted in collapsed.values():
        chosen = fitted.probabilities(features).argmax(axis=1)
        found = [np.mean(chosen[labels == label] == label) for label in range(3)]
        assert fitted.collapsed == (min(found) < 0.1)
    constant = fit_perceptron(np.zeros((40, 3)), labels, classes=3, seed=0)
    assert constant.collapsed
    assert not fit_logistic_transfer(features, labels, classes=3, seed=0).collapsed


@pytest.mark.parametrize("fit", ["logistic", "perceptron"])
@pytest.mark.parametrize("present", [(0, 2), (1, 2, 3)])
def test_classes_that_no_row_has_get_no_probability(fit, present):
    features, places = votes(classes=len(present))
    labels = np.array(present)[places]
    fitted = FITS[fit](features, labels, 0)
    found = fitted.probabilities(seen(fit, features))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    absent = sorted(set(range(4)) - set(present))
    assert found[:, absent].max() < 1e-9
    assert found[:, list(present)].min() > 0


@pytest.mark.parametrize("fit", ["logistic", "perceptron"])
def test_one_class_alone_is_refused(fit):
    features, labels = votes()
    labels = np.zeros_like(labels)
    with pytest.raises(ArgumentError, match="labels: 90 objects of 1 class; objects of two"):
        FITS[fit](features, labels, 0)


def test_a_class_of_one_object_does_not_stop_the_fit():
    features, labels = votes(count=30, classes=2)
    labels[0] = 2
    fitted = fit_logistic_transfer(features, labels, classes=3, seed=0)
    assert np.isfinite(fitted.probabilities(seen("logistic", features))).all()


@pytest.mark.parametrize("fit", ["logistic", "perceptron"])
def test_fitted_numbers_survive_as_arrays_and_the_same_seed_gives_the_same(fit):
    features, labels = votes()
    fitted, again = FITS[fit](features, labels, 1), FITS[fit](features, labels, 1)
    copy = FittedTransfer.from_arrays(fitted.arrays(), collapsed=fitted.collapsed)
    told_of = seen(fit, features)
    expected = fitted.probabilities(told_of)
    np.testing.assert_array_equal(copy.probabilities(told_of), expected)
    np.testing.assert_array_equal(again.probabilities(told_of), expected)
    np.testing.assert_allclose(expected.sum(axis=1), 1)


def test_one_logit_becomes_two_with_the_same_probabilities():
    weight, bias = spread_logits(np.array([[2.0], [1.0]]), np.array([0.5]), np.array([0, 1]), 2)
    inputs = np.array([[0.3, -1.0], [2.0, 0.1]])
    logits = inputs @ weight + bias
    second = np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)
    np.testing.assert_allclose(second, 1 / (1 + np.exp(-(inputs @ [2.0, 1.0] + 0.5))))
