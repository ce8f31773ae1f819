"""The map from votes to classes where questions form a tree, against recursions by hand."""

import csv

import numpy as np
import pytest

from czsl.catalogue import Catalogue
from czsl.crowd.features import mirrored_features, question_places, tree_features
from czsl.expected import _answers_as_classes
from czsl.recipes import Transfer
from czsl.stages.fitted_transfer import FittedTransfer
from czsl.stages.map_table import map_table
from czsl.stages.targets import (
    Layout,
    TransferInputs,
    features_of_counts,
    make_layout,
    transfer_inputs,
)
from czsl.stages.votes_map import VOTE_WORTH, _majority, _taken, fit_votes_map
from trees import FROM, NAMES, SIZES, expected, split_shares, tree_config

PRIOR = np.array([0.5, 0.2, 0.2, 0.1])
MADE = [NAMES.index(one[0]) for one in FROM.values()]


def layout_of(**tree) -> Layout:
    config = tree_config(**tree)
    return make_layout(config.votes, config.classes)


def told(counts: np.ndarray, layout: Layout) -> TransferInputs:
    features = features_of_counts(counts, SIZES, np.zeros((len(counts), 0)), layout.after)
    return TransferInputs(
        features=features,
        usable=counts.sum(axis=1) > 0,
        mirror=np.arange(features.shape[1]),
        counts=counts,
        after=layout.after,
    )


def calibrated_majority(counts: np.ndarray, layout: Layout) -> np.ndarray:
    """Give the logits of the calibrated majority, shape (object, class)."""
    inputs = told(counts, layout)
    size = inputs.features.shape[1]
    prior = np.log(PRIOR[: layout.classes])
    return prior + inputs.features @ _majority(prior, layout, inputs, size, beside=False)


def votes(objects: int = 60, seed: int = 0) -> np.ndarray:
    """Draw votes down the tree; a third of the objects lack some question."""
    random = np.random.default_rng(seed)
    counts = np.zeros((objects, len(NAMES)))
    for row in counts:
        row[:3] = random.multinomial(random.integers(1, 60), random.dirichlet(np.ones(3)))
        row[3:5] = random.multinomial(row[1], random.dirichlet(np.ones(2)))
        row[5:8] = random.multinomial(row[4], random.dirichlet(np.ones(3)))
        if random.random() < 0.3:
            row[random.choice([0, 3, 5]) :] = 0
    return counts


def test_weighted_shares_are_shares_of_all_votes_with_the_weight_of_the_first_question():
    counts = votes()
    parts = tree_features(
        split_shares(counts), np.split(counts, np.cumsum(SIZES)[:-1], axis=1), layout_of().after
    )
    found = np.hstack([part[:, :size] for part, size in zip(parts, SIZES, strict=True)])
    whole = expected(np.hstack(split_shares(counts)))
    first, last = counts[:, :3].sum(axis=1), counts[:, 8:].sum(axis=1)
    np.testing.assert_allclose(found[:, :8], whole[:, :8] * (first / (first + 3))[:, None])
    np.testing.assert_allclose(found[:, 8:], whole[:, 8:] * (last / (last + 3))[:, None])


def test_without_a_tree_the_features_are_the_very_same():
    counts = votes()
    counts[:, 8:] = counts[:, :2]
    for extra in (np.zeros((60, 0)), np.array([[1.0, np.nan]] * 60)):
        plain = features_of_counts(counts, SIZES, extra)
        np.testing.assert_array_equal(
            features_of_counts(counts, SIZES, extra, (None,) * len(SIZES)), plain
        )
        tree = features_of_counts(counts, SIZES, extra, layout_of().after)
        changed = np.flatnonzero((tree != plain).any(axis=0))
        places = question_places(SIZES)
        # Only the shares of the two questions that follow an answer, each time they are there.
        assert {*places[1][:-1], *places[2][:-1]} == {one for one in changed if one < 24}


def test_the_calibrated_majority_is_the_trees_majority_where_all_questions_have_votes():
    counts = np.array([[24, 16, 0, 0, 16, 16, 0, 0, 0, 0]] * 2, float)
    counts[1, :2] = 16, 24
    found = calibrated_majority(counts, layout_of())
    # w = 40 / 43; of all votes .6 are for smooth and .4 for cw, then the other way round
    worth = VOTE_WORTH * 40 / 43
    prior = (1 - 40 / 43) * np.log(PRIOR)
    np.testing.assert_allclose(found[0], prior + worth * np.array([0.6, 0, 0.4, 0]))
    np.testing.assert_allclose(found[1], prior + worth * np.array([0.4, 0, 0.6, 0]))
    assert found.argmax(axis=1).tolist() == [0, 2]


def by_hand(counts: np.ndarray) -> np.ndarray:
    """Give the calibrated majority's logits: each share is of a class, of none, or of the prior."""
    whole, logits = expected(np.hstack(split_shares(counts))), []
    for votes_on, share in zip(counts, whole, strict=True):
        n = votes_on[:3].sum()
        weight, one = n / (n + 3), dict(zip(NAMES, share, strict=True))
        ended = one["smooth"] + one["star"] + one["edge"]
        ended += sum(one[name] for name in ("cw", "acw", "unclear"))
        classes = VOTE_WORTH * weight * share[MADE]
        logits.append((1 - weight * ended) * np.log(PRIOR) + classes)
    return np.array(logits)


def test_the_calibrated_majority_is_that_of_a_recursion_whatever_has_no_votes():
    counts = votes(200)
    np.testing.assert_allclose(
        calibrated_majority(counts, layout_of()), by_hand(counts), atol=1e-12
    )
    nothing = np.zeros((1, len(NAMES)))
    np.testing.assert_array_equal(calibrated_majority(nothing, layout_of()), np.log([PRIOR]))
    # All said disc, and nobody was asked more: the experts' shares stay.
    nothing[0, 1] = 30
    np.testing.assert_allclose(calibrated_majority(nothing, layout_of()), np.log([PRIOR]))


def test_two_questions_after_one_answer_share_what_it_leaves_to_them():
    after = {"edge": "disc", "odd": "disc"}
    made = {"early": ["smooth"], "side": ["edge"], "cw": ["cw"], "dusty": ["dust"]}
    taken = _taken(layout_of(after=after, made=made))
    # shape and sense are asked of everyone; edge and odd share what disc leaves.
    np.testing.assert_allclose(taken[0], [0, -0.5, 0, 0.5])
    np.testing.assert_allclose(taken[1], [0.25, 0.25, 0])
    np.testing.assert_allclose(taken[2], [0, 0, 0, 0.5])
    np.testing.assert_allclose(taken[3], [0.25, 0.25, 0])


def test_questions_that_tell_no_class_take_nothing_and_an_answer_of_a_class_leaves_nothing():
    made = {"early": ["smooth"], "late": ["disc"], "cw": ["cw"]}
    taken = _taken(layout_of(made=made))
    np.testing.assert_allclose(taken[0], [0, 0, 0, 1])
    for part in taken[1:]:
        np.testing.assert_array_equal(part, 0)
    made = {"early": ["smooth"], "late": ["disc"], "odd": ["star"]}
    for part in _taken(layout_of(made=made))[1:]:
        np.testing.assert_array_equal(part, 0)


@pytest.mark.parametrize("experts", [20, 200])
def test_few_experts_leave_the_trees_majority_as_it_is(experts):
    layout, counts = layout_of(), votes(4000, seed=3)
    whole = expected(np.hstack(split_shares(counts)))[:, MADE]
    usable = np.flatnonzero(whole.max(axis=1) > whole.sum(axis=1) / 2)
    labels = whole.argmax(axis=1)
    rows = np.random.default_rng(0).permutation(usable)[:experts]
    fitted = fit_votes_map(told(counts, layout), rows, labels[rows], layout, seed=0, image=False)
    found = fitted.probabilities(told(counts, layout).features).argmax(axis=1)
    assert np.mean(found[usable] == labels[usable]) > 0.9


def test_the_features_of_a_catalogue_are_those_of_its_counts_thinned_too(tmp_path):
    counts = votes()
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *NAMES, "expert"])
        for place, row in enumerate(counts.astype(int).tolist()):
            writer.writerow([place, *row, [*FROM][place % 4]])
    catalogue = Catalogue.read(tree_config(table=str(tmp_path / "t.csv")))
    inputs, layout = transfer_inputs(catalogue, Transfer(kind="logistic")), layout_of()
    np.testing.assert_allclose(inputs.features, told(counts, layout).features)
    rows, all_of_them = np.arange(60), np.full(60, 1000)
    again = inputs.thinned(rows, all_of_them, SIZES, np.random.default_rng(0))
    np.testing.assert_allclose(again, inputs.features)


def test_mirrored_votes_have_the_mirrored_features():
    counts, mirrors = votes(), [np.arange(size) for size in SIZES]
    mirrors[2] = np.array([1, 0, 2])
    turned = counts[:, [0, 1, 2, 3, 4, 6, 5, 7, 8, 9]]
    order, layout = mirrored_features(mirrors, 0), layout_of()
    features = told(counts, layout).features
    np.testing.assert_allclose(features[:, order], told(turned, layout).features, atol=1e-12)


def test_the_table_gives_the_votes_that_lead_to_a_question():
    layout, counts = layout_of(), votes()
    inputs = told(counts, layout)
    prior, size = np.log(PRIOR), inputs.features.shape[1]
    fitted = FittedTransfer(
        mean=np.zeros(size),
        scale=np.ones(size),
        weights=(_majority(prior, layout, inputs, size, beside=False),),
        biases=(prior,),
        collapsed=False,
        pairs=np.zeros((0, 2), np.int64),
    )
    rows = map_table(fitted, layout, counts, numbers=(40,), question=2)
    row = next(row for row in rows if row["kind"] == "unanimous" and row["first"] == "acw")
    led = np.array([[0, 40, 0, 0, 40, 0, 40, 0, 0, 0]], float)
    (posterior,) = fitted.probabilities(told(led, layout).features)
    np.testing.assert_allclose([row[f"p_{name}"] for name in FROM], posterior)
    assert row["p_acw"] > 0.9


def test_what_images_let_expect_of_an_answer_stays_that_among_its_question():
    layout = layout_of()
    assert any(layout.after)
    assert not any(_answers_as_classes(layout).after)
