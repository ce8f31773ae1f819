"""The map from votes to classes: few votes, what it falls back to, the image, odd inputs."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from czsl.crowd.features import mirrored_features
from czsl.errors import ArgumentError
from czsl.recipes import Transfer
from czsl.stages.fitted_transfer import with_products
from czsl.stages.map_table import map_table
from czsl.stages.targets import Layout, TransferInputs, features_of_counts
from czsl.stages.transfer import FittedTransfer, fit_transfer

STAY = np.arange(3)


def layout(answered: bool = False, classes: int = 2) -> Layout:
    """Three answers; the first makes the first class, the others the second."""
    made = np.zeros((3, classes))
    made[[0, 1, 2], [0, 1, 1]] = answered
    return Layout(
        questions=(3,),
        answer_mirror=STAY,
        class_mirror=np.arange(classes),
        class_answers=made,
        answer_names=("smooth", "arms", "merger"),
        class_names=("early", "late", "odd")[:classes],
    )


def survey(objects: int, seed: int = 0, votes: int = 40, mean: float = 0.9, spread: float = 2.0):
    """Draw classes, three to two, and correlated votes that follow them."""
    random = np.random.default_rng(seed)
    labels = (np.arange(objects) % 5 < 2).astype(np.int64)
    share = random.beta(spread * mean, spread * (1 - mean), objects)
    share = np.where(labels == 1, 1 - share, share)
    smooth = random.binomial(votes, share)
    arms = random.binomial(votes - smooth, 0.8)
    return np.stack([smooth, arms, votes - smooth - arms], axis=1).astype(float), labels


def told(counts: np.ndarray, extra: np.ndarray | None = None) -> TransferInputs:
    extra = np.zeros((len(counts), 0)) if extra is None else extra
    return TransferInputs(
        features=features_of_counts(counts, [3], extra),
        usable=counts.sum(axis=1) > 0,
        mirror=mirrored_features([STAY], extra.shape[1]),
        counts=counts,
        extra_names=("colour", "redshift", "third", "fourth", "fifth")[: extra.shape[1]],
    )


def fit(inputs: TransferInputs, labels: np.ndarray, *, seed: int = 0, image=False, **kinds):
    settings = Transfer(kind="logistic", image=image)
    return fit_transfer(settings, inputs, np.arange(len(labels)), labels, layout(**kinds), seed)


def loss(posterior: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(posterior[np.arange(len(labels)), labels]).mean())


def test_no_votes_give_the_experts_class_shares():
    counts, labels = survey(100)
    fitted = fit(told(counts), labels)
    nothing = told(np.zeros((1, 3))).features
    np.testing.assert_allclose(fitted.probabilities(nothing), [[0.6, 0.4]], atol=1e-12)


@pytest.mark.parametrize("votes", [1, 3, 5, 10, 20])
def test_few_votes_are_calibrated_although_the_experts_objects_have_forty(votes):
    counts, labels = survey(1000, seed=1)
    fitted = fit(told(counts), labels)
    many, truth = survey(20000, seed=2)
    few = np.full(len(many), votes)
    features = told(many).thinned(np.arange(len(many)), few, [3], np.random.default_rng(0))
    posterior = fitted.probabilities(features)
    # Of the objects that are said to be late with some probability that share is.
    places = np.minimum((posterior[:, 1] * 10).astype(int), 9)
    apart = [
        abs(np.sum(truth[places == place] - posterior[places == place, 1])) for place in range(10)
    ]
    assert sum(apart) / len(many) < 0.05
    right = fit(told(_kept(features, votes)), truth)
    best = loss(right.probabilities(told(_kept(features, votes)).features), truth)
    assert loss(posterior, truth) < best + 0.03


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("votes", [1, 3, 5])
def test_twenty_experts_are_not_below_the_majority_with_few_votes(votes, columns):
    counts, labels = survey(4000, seed=9)
    random = np.random.default_rng(1)
    debiased = np.clip(counts[:, :1] / 40 + random.normal(0, 0.1, (4000, 1)), 0, 1)
    inputs, taken = told(counts, debiased if columns else None), layout(answered=True)
    few = inputs.thinned(np.arange(4000), np.full(4000, votes), [3], random)
    majority = np.mean((few[:, :3] @ taken.class_answers).argmax(axis=1) == labels)
    found = []
    for seed in range(16):
        drawn = np.random.default_rng(seed).permutation(4000)
        rows = np.concatenate([drawn[labels[drawn] == 0][:12], drawn[labels[drawn] == 1][:8]])
        fitted = fit_transfer(Transfer(kind="logistic"), inputs, rows, labels[rows], taken, seed)
        found.append(np.mean(fitted.probabilities(few).argmax(axis=1) == labels))
    assert np.mean(found) > majority - 0.015


def test_an_answer_that_no_experts_object_has_means_what_the_majority_takes_it_for():
    counts, labels = survey(10)
    counts[:, 1] += counts[:, 2]
    counts[:, 2] = 0
    fitted = fit(told(counts), labels, answered=True)
    found = fitted.probabilities(told(np.array([[0.0, 0.0, 5.0], [0.0, 5.0, 0.0]])).features)
    assert np.all(found[:, 1] > 0.8)


def _kept(features: np.ndarray, votes: int) -> np.ndarray:
    """Give the counts that features of so many votes stand for."""
    return np.rint(features[:, :3] / features[:, 3:4] * votes)


def test_more_votes_for_the_same_answer_are_surer():
    counts, labels = survey(200)
    fitted = fit(told(counts), labels)
    ladder = np.array([[n, 0.0, 0.0] for n in (0, 1, 2, 5, 10, 40)])
    early = fitted.probabilities(told(ladder).features)[:, 0]
    assert np.all(np.diff(early) > 0)


def test_order_of_rows_does_not_matter_and_repeated_rows_share_a_fold():
    counts, labels = survey(60)
    extra = np.random.default_rng(3).normal(size=(60, 2))
    inputs, settings = told(counts, extra), Transfer(kind="logistic")
    rows = np.concatenate([np.arange(60), np.arange(0, 60, 3)])
    shuffled = np.random.default_rng(4).permutation(rows)
    one, other = (
        fit_transfer(settings, inputs, part, labels[part], layout(answered=True), 7)
        for part in (rows, shuffled)
    )
    np.testing.assert_allclose(one.weights[0], other.weights[0], atol=1e-6)
    assert one.fallback == other.fallback


def test_votes_that_lie_are_learned_and_not_the_majority():
    counts, labels = survey(300, seed=5)
    fitted = fit(told(counts[:, [1, 0, 2]]), labels, answered=True)
    assert not fitted.fallback
    assert (
        np.mean(fitted.probabilities(told(counts[:, [1, 0, 2]]).features).argmax(1) == labels) > 0.8
    )


def test_the_calibrated_majority_is_taken_where_the_map_learns_noise():
    random = np.random.default_rng(0)
    fallen = []
    for seed in range(8):
        counts, labels = survey(24, seed=seed, spread=1.0)
        noise = random.normal(size=(24, 2))
        fitted = fit(told(counts, noise), labels, answered=True, seed=seed)
        fallen.append(fitted.fallback)
        assert fitted.fallback == any("calibrated majority" in note for note in fitted.notes)
        if fitted.fallback:
            # It reads nothing but the votes for each class, and of no votes it says the prior.
            other = told(counts, random.normal(size=(24, 2))).features
            same = fitted.probabilities(told(counts, noise).features)
            prior, weight = np.bincount(labels) / 24, 40 / 43
            shares = np.stack([counts[:, 0], counts[:, 1:].sum(axis=1)], axis=1) / 40
            powers = prior ** (1 - weight) * 256 ** (weight * shares)
            np.testing.assert_allclose(same, powers / powers.sum(axis=1, keepdims=True))
            np.testing.assert_allclose(fitted.probabilities(other), same)
            swapped = fitted.probabilities(told(counts[:, [0, 2, 1]], noise).features)
            np.testing.assert_allclose(swapped, same, atol=1e-9)
    assert any(fallen)
    assert not any(fit(told(survey(24, seed=s)[0]), survey(24)[1]).fallback for s in range(3))


def test_the_image_is_used_where_it_helps_and_only_there():
    counts, labels = survey(200, seed=6, votes=4, mean=0.7)
    random = np.random.default_rng(1)
    useful = np.where(labels[:, None] == [0, 1, 1], -0.5, -2.0) + random.normal(0, 0.3, (200, 3))
    image = fit(told(counts).with_image(useful), labels, image=True)
    assert image.uses_image
    assert image.image_gain > image.image_gain_error > 0
    found = image.probabilities(told(counts).with_image(useful).matrix(np.arange(200), image=True))
    plain = fit(told(counts).with_image(useful), labels)
    assert not plain.uses_image
    assert np.isnan(plain.image_gain)
    assert loss(found, labels) < loss(plain.probabilities(told(counts).features), labels)
    noise = fit(told(counts).with_image(random.normal(size=(200, 3))), labels, image=True)
    assert not noise.uses_image
    assert noise.image_gain < noise.image_gain_error
    np.testing.assert_allclose(noise.weights[0], plain.weights[0])


def test_objects_without_an_image_are_judged_by_their_votes():
    counts, labels = survey(200, seed=6, votes=4, mean=0.7)
    useful = np.where(labels[:, None] == [0, 1, 1], -0.5, -2.0) + 0.0
    useful[::4] = np.nan
    inputs = told(counts).with_image(useful)
    fitted = fit(inputs, labels, image=True)
    assert fitted.uses_image
    found = fitted.probabilities(inputs.matrix(np.arange(200), image=True))
    assert np.isfinite(found).all()


def test_an_image_that_was_used_must_be_given():
    counts, labels = survey(200, votes=4, mean=0.7)
    useful = np.where(labels[:, None] == [0, 1, 1], -0.5, -2.0) + 0.0
    fitted = fit(told(counts).with_image(useful), labels, image=True)
    with pytest.raises(ArgumentError, match="got 7 columns; this transfer was fitted on 11, those"):
        fitted.probabilities(told(counts).features)
    with pytest.raises(ArgumentError, match="image: the transfer was fitted with what the image"):
        told(counts).matrix(np.arange(3), image=True)
    copy = FittedTransfer.from_arrays(fitted.arrays(), collapsed=False)
    assert copy.uses_image
    assert copy.image_gain == fitted.image_gain
    features = told(counts).with_image(useful).matrix(np.arange(200), image=True)
    np.testing.assert_array_equal(copy.probabilities(features), fitted.probabilities(features))


def test_a_class_without_experts_objects_that_have_votes_is_told():
    counts, labels = survey(40)
    fitted = fit(told(counts), labels, classes=3)
    assert "no expert's object of class 'odd' has votes; votes cannot tell it, only images can" in (
        fitted.notes
    )
    probabilities = fitted.probabilities(told(counts).features)
    assert (probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_an_answer_that_no_experts_object_has_is_told_and_moves_nothing_by_itself():
    counts, labels = survey(80)
    counts[:, 1] += counts[:, 2]
    counts[:, 2] = 0
    fitted = fit(told(counts), labels)
    expected = "no expert's object has a vote for 'merger'; what such votes mean is not learned"
    assert expected in fitted.notes
    found = fitted.probabilities(told(np.array([[0.0, 0.0, 40.0]])).features)
    assert np.isfinite(found).all()
    assert 0.05 < found[0, 1] < 0.95


def test_columns_that_are_missing_or_constant_are_told_and_unused():
    counts, labels = survey(80)
    extra = np.stack([np.full(80, np.nan), np.full(80, 2.5)], axis=1)
    fitted = fit(told(counts, extra), labels)
    assert "extra column 'colour' is missing for every expert's object; unused" in fitted.notes
    assert "extra column 'redshift' is 2.5 for every expert's object; unused" in fitted.notes
    same = fitted.probabilities(told(counts, extra).features)
    assert np.isfinite(same).all()
    other = np.stack([np.full(80, 9.0), np.full(80, np.nan)], axis=1)
    found = fitted.probabilities(told(counts, other).features)
    np.testing.assert_allclose(found, same, atol=1e-9)


def test_an_extra_column_that_is_sometimes_missing_helps_where_it_is_known():
    counts, labels = survey(300, votes=3, mean=0.7)
    random = np.random.default_rng(0)
    colour = labels * 1000.0 + random.normal(0, 200, 300) + 5e4
    colour[random.random(300) < 0.3] = np.nan
    fitted = fit(told(counts, colour[:, None]), labels)
    posterior = fitted.probabilities(told(counts, colour[:, None]).features)
    known = ~np.isnan(colour)
    assert loss(posterior[known], labels[known]) < loss(posterior[~known], labels[~known]) - 0.2


def test_products_of_extra_columns_share_the_prior_of_one_input():
    counts, labels = survey(120, seed=4)
    random = np.random.default_rng(2)
    extra = np.stack([labels + random.normal(0, 0.7, 120), random.normal(size=120)], axis=1)
    inputs = told(counts, extra)
    fitted = fit(inputs, labels)
    assert fitted.pairs is not None
    # At the minimum the prior of each weight pulls as strongly as the experts' classes.
    values = with_products((inputs.features - fitted.mean) / fitted.scale, fitted.pairs)
    pull = values.T @ (np.eye(2)[labels] - fitted.probabilities(inputs.features))
    of_columns = np.isin(np.arange(values.shape[1]), [7, 8])
    products = np.concatenate([np.zeros(19, bool), np.isin(fitted.pairs, [7, 8]).all(axis=1)])
    assert products.sum() == 3
    for places, penalty in ((of_columns, 0.1), (products, 0.1 * 3)):
        assert np.abs(fitted.weights[0][places]).max() > 0.1
        np.testing.assert_allclose(pull[places], penalty * fitted.weights[0][places], atol=1e-3)


def test_alike_columns_teach_few_experts_more_than_a_plain_logistic_regression():
    counts, labels = survey(4000, seed=9)
    random = np.random.default_rng(1)
    shown = np.where(labels == 0, 0.75, 0.25) + random.normal(0, 0.3, 4000)
    extra = np.clip(shown[:, None] + random.normal(0, 0.1, (4000, 5)), 0, 1)
    inputs, plain = told(counts, extra), np.hstack([counts / 40, extra])
    losses = []
    for seed in range(16):
        rows = np.random.default_rng(seed).choice(4000, 40, replace=False)
        fitted = fit_transfer(Transfer(kind="logistic"), inputs, rows, labels[rows], layout(), seed)
        scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        scaled.fit(plain[rows], labels[rows])
        found = (fitted.probabilities(inputs.features), scaled.predict_proba(plain))
        losses.append([loss(posterior, labels) for posterior in found])
    ours, theirs = np.mean(losses, axis=0)
    # With products as free as the columns themselves the two are equal.
    assert ours < theirs - 0.004


def test_experts_objects_without_any_vote_teach_the_shares_alone():
    labels = np.array([0, 0, 0, 1])
    fitted = fit(told(np.zeros((4, 3))), labels)
    found = fitted.probabilities(told(np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])).features)
    np.testing.assert_allclose(found, [[0.75, 0.25]] * 2, atol=1e-6)


def test_the_table_of_the_map():
    counts, labels = survey(200)
    fitted = fit(told(counts), labels)
    rows = map_table(fitted, layout(), counts, numbers=(5, 40))
    assert len(rows) == 2 * (3 + 11)
    unanimous = [row for row in rows if row["kind"] == "unanimous" and row["votes"] == 40]
    assert [row["first"] for row in unanimous] == ["smooth", "arms", "merger"]
    expected = fitted.probabilities(told(40 * np.eye(3)).features)
    np.testing.assert_allclose([[r["p_early"], r["p_late"]] for r in unanimous], expected)
    mixed = [row for row in rows if row["kind"] == "mixture" and row["votes"] == 5]
    assert {(row["first"], row["second"]) for row in mixed} == {("smooth", "arms")}
    assert [row["share"] for row in mixed] == [round(0.1 * step, 1) for step in range(11)]
    half = fitted.probabilities(told(np.array([[2.5, 2.5, 0.0]])).features)[0, 0]
    np.testing.assert_allclose(mixed[5]["p_early"], half)
    assert mixed[-1]["p_early"] > 0.5 > mixed[0]["p_early"]


def test_the_table_takes_extra_columns_for_unknown():
    counts, labels = survey(200)
    extra = np.random.default_rng(0).normal(size=(200, 1)) + 3
    fitted = fit(told(counts, extra), labels)
    row = map_table(fitted, layout(), counts, numbers=(40,))[0]
    unknown = told(np.array([[40.0, 0.0, 0.0]]), np.array([[np.nan]])).features
    np.testing.assert_allclose(row["p_early"], fitted.probabilities(unknown)[0, 0])


def test_which_extra_column_is_missing_may_tell_the_class():
    counts, labels = survey(400, seed=2)
    extra = np.random.default_rng(3).normal(size=(400, 2))
    extra[np.arange(400), labels] = np.nan  # of either class the other column
    votes = np.random.default_rng(4).permutation(counts)  # which say nothing
    fitted = fit(told(votes[:200], extra[:200]), labels[:200])
    found = fitted.probabilities(told(votes[200:], extra[200:]).features)
    assert loss(found, labels[200:]) < 0.1


def test_without_a_missing_value_flags_change_nothing():
    counts, labels = survey(60, seed=5)
    extra = np.random.default_rng(6).normal(size=(60, 2))
    fitted = fit(told(counts, extra), labels)
    flags = slice(2 * 3 + 1 + 2, 2 * 3 + 1 + 4)  # behind the votes' and the columns' places
    np.testing.assert_array_equal(fitted.weights[0][flags], 0)
