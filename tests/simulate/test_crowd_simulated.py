from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from czsl.simulate.crowd import clarity, draw_crowd, expert_class, perceived, vote
from czsl.simulate.universe import ANSWERS, CLASSES, Universe

ELLIPTICAL, CLOCKWISE, ANTICLOCKWISE, EDGE, MERGER, OTHER = range(6)


def ask(kind, detail, axis_ratio, universe, seed=0):
    """Votes on many objects, shape (object, answer)."""
    rng = np.random.default_rng(seed)
    crowd = draw_crowd(rng, universe)
    seen = perceived(kind, detail, axis_ratio, universe)
    return np.array([vote(row, crowd, rng, universe) for row in seen])


def correlation(votes):
    """Intra-class correlation of the votes on objects of one kind, by moments.

    Summed over answers, (variance of the shares - what independent votes would have) over
    (what fully correlated votes would have - the same).
    """
    asked = votes.sum(axis=1)[0]
    share = votes.mean(axis=0) / asked
    spread = share * (1 - share)
    variance = (votes / asked).var(axis=0, ddof=1)
    return (variance - spread / asked).sum() / (spread * (1 - 1 / asked)).sum()


@pytest.fixture(scope="module")
def spirals(drawn):
    """Drawn spirals, each of them many times and in both senses."""
    chosen = np.flatnonzero(np.isin(drawn.kind, [CLOCKWISE, ANTICLOCKWISE]))
    detail = np.tile(drawn.detail[chosen], 10)
    axis_ratio = np.tile(drawn.axis_ratio[chosen], 10)
    kind = np.repeat([CLOCKWISE, ANTICLOCKWISE], detail.size // 2)
    return kind, detail, axis_ratio, ask(kind, detail, axis_ratio, Universe())


def test_every_object_has_its_votes(spirals):
    votes = spirals[-1]
    assert votes.shape[1] == len(ANSWERS)
    assert (votes.sum(axis=1) == 40).all()
    assert (votes >= 0).all()


def test_more_votes_are_anticlockwise_though_senses_are_equal(spirals):
    kind, _, _, votes = spirals
    handed = votes[:, [CLOCKWISE, ANTICLOCKWISE]]
    assert 0.51 < handed[:, 1].sum() / handed.sum() < 0.60
    right = [votes[kind == sense, sense].mean() for sense in (CLOCKWISE, ANTICLOCKWISE)]
    assert right[1] > right[0]


def test_without_the_bias_the_senses_are_equal(spirals):
    kind, detail, axis_ratio, _ = spirals
    fair = replace(Universe(), anticlockwise_bias=0.0, personal_bias=0.0)
    handed = ask(kind, detail, axis_ratio, fair).sum(axis=0)[[CLOCKWISE, ANTICLOCKWISE]]
    # The first half of the objects is clockwise, with the details of the second half.
    assert handed[1] / handed.sum() == pytest.approx(0.5, abs=0.02)


def test_faint_spirals_are_called_elliptical(spirals):
    _, detail, _, votes = spirals
    limits = np.quantile(detail, [0, 0.25, 0.5, 0.75, 1])
    smooth = [
        votes[(detail >= low) & (detail <= high), ELLIPTICAL].mean() / 40
        for low, high in pairwise(limits)
    ]
    assert smooth == sorted(smooth, reverse=True)
    assert smooth[0] > 0.45
    assert smooth[-1] < 0.15


def test_votes_on_one_object_are_correlated(spirals, drawn):
    kind, _, _, votes = spirals
    assert 0.2 < correlation(votes[kind == CLOCKWISE]) < 0.32
    kind = np.tile(drawn.kind, 5)
    every = ask(kind, np.tile(drawn.detail, 5), np.tile(drawn.axis_ratio, 5), Universe())
    each = [correlation(every[kind == index]) for index in range(len(CLASSES))]
    assert 0.12 < np.average(each, weights=np.bincount(kind)) < 0.3


def test_alike_objects_are_independent_without_the_shared_perturbation():
    alike = np.full(500, CLOCKWISE), np.full(500, 25.0), np.ones(500)
    shared = correlation(ask(*alike, Universe()))
    alone = correlation(ask(*alike, Universe(shared_perturbation=0.0)))
    assert abs(alone) < 0.01
    assert shared > alone + 0.08


def test_the_correlation_of_the_test_agrees_with_a_known_one():
    rng = np.random.default_rng(0)
    share = rng.dirichlet([1.0, 2.0, 3.0], size=20000)  # correlation 1 / (1 + sum)
    votes = np.array([rng.multinomial(40, row) for row in share])
    assert correlation(votes) == pytest.approx(1 / 7, abs=0.005)


def test_what_is_thin_is_called_edge_on():
    kind, detail = np.full(300, ELLIPTICAL), np.full(300, 150.0)
    thin = ask(kind, detail, np.full(300, 0.3), Universe())[:, EDGE].mean()
    round_ = ask(kind, detail, np.full(300, 0.9), Universe())[:, EDGE].mean()
    assert thin > 3 * round_


def test_volunteers_overlook_mergers():
    detail, ratio = np.full(300, 25.0), np.full(300, 0.8)
    merger = ask(np.full(300, MERGER), detail, ratio, Universe())
    edge = ask(np.full(300, EDGE), detail, ratio, Universe())
    assert merger[:, MERGER].mean() < edge[:, EDGE].mean() - 4


def test_the_majority_is_a_fair_and_imperfect_label(drawn):
    kind = np.tile(drawn.kind, 5)
    votes = ask(kind, np.tile(drawn.detail, 5), np.tile(drawn.axis_ratio, 5), Universe())
    majority = votes[:, : len(CLASSES)].argmax(axis=1)
    assert 0.72 < (majority == kind).mean() < 0.88
    wrong = majority[(majority != kind) & np.isin(kind, [CLOCKWISE, ANTICLOCKWISE])]
    # Its errors are systematic: most spirals that are missed are missed in one way.
    assert (wrong == ELLIPTICAL).mean() > 0.6


def test_clarity_rises_from_nothing_to_one():
    detail = np.array([0.0, 1.0, Universe().detail_half, 100.0, 1e9])
    clear = clarity(detail, Universe())
    assert clear[0] == 0
    assert clear[2] == pytest.approx(0.5)
    assert clear[-1] == pytest.approx(1)
    assert (np.diff(clear) > 0).all()


def test_mirrored_spirals_are_seen_alike_but_for_the_bias():
    fair = Universe(anticlockwise_bias=0.0)
    detail, ratio = np.geomspace(1, 1000, 9), np.linspace(0.3, 1, 9)
    clockwise = perceived(np.full(9, CLOCKWISE), detail, ratio, fair)
    anticlockwise = perceived(np.full(9, ANTICLOCKWISE), detail, ratio, fair)
    np.testing.assert_array_equal(clockwise[:, [0, 2, 1, 3, 4, 5]], anticlockwise)


def test_active_volunteers_and_everyone_can_be_asked():
    universe = Universe(volunteers=40)
    rng = np.random.default_rng(0)
    crowd = draw_crowd(rng, universe)
    assert vote(np.zeros(6), crowd, rng, universe).sum() == 40
    assert (crowd.activity >= 1).all()
    assert crowd.activity.max() > 5 * np.median(crowd.activity)


def test_experts_are_nearly_right_and_never_systematic(drawn):
    universe, rng = Universe(), np.random.default_rng(4)
    kind, detail = np.tile(drawn.kind, 60), np.tile(drawn.detail, 60)
    named = np.array(
        [expert_class(int(k), float(d), rng, universe) for k, d in zip(kind, detail, strict=True)]
    )
    right = named == kind
    assert 0.95 <= right.mean() <= 0.98
    assert np.median(detail[~right]) < np.median(detail[right])
    errors = np.bincount(named[~right & (kind == CLOCKWISE)], minlength=len(CLASSES))
    assert errors[CLOCKWISE] == 0
    assert stats.chisquare(np.delete(errors, CLOCKWISE)).pvalue > 0.001
