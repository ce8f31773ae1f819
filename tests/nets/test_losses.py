"""Losses against independent computations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, gammaln
from scipy.special import softmax as scipy_softmax
from scipy.stats import dirichlet_multinomial as scipy_dirichlet_multinomial
from sklearn.metrics import log_loss

from czsl.nets.losses import (
    SMALLEST_SHARE,
    answer_probabilities,
    cross_entropy,
    dirichlet_multinomial,
    shares_loss,
    squared_error,
    votes_loss,
)

PARTS = (slice(0, 3), slice(4, 6))


def draws(seed: int, objects: int = 6, answers: int = 4):
    """Draw logits of the answers and of the precision, and votes."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (objects, answers + 1))
    counts = random.integers(0, 30, (objects, answers)).astype(float)
    return torch.from_numpy(logits), torch.from_numpy(counts)


def reference(logits: torch.Tensor, counts: torch.Tensor) -> np.ndarray:
    """Scipy's log-likelihood without the multinomial coefficient, shape (object,)."""
    shares = scipy_softmax(logits[:, :-1].numpy(), axis=1)
    concentration = (1 + 100 * expit(logits[:, -1:].numpy())) * shares.clip(min=SMALLEST_SHARE)
    k = counts.numpy()
    n = k.sum(axis=1)
    coefficient = gammaln(n + 1) - gammaln(k + 1).sum(axis=1)
    whole = [
        scipy_dirichlet_multinomial.logpmf(row.astype(int), a, int(row.sum()))
        for row, a in zip(k, concentration, strict=True)
    ]
    return -(np.array(whole) - coefficient)


@given(seed=st.integers(0, 10_000), answers=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_dirichlet_multinomial_is_scipys_up_to_the_coefficient(seed, answers):
    logits, counts = draws(seed, answers=answers)
    ours = dirichlet_multinomial(logits, counts).numpy()
    np.testing.assert_allclose(ours, reference(logits, counts), rtol=1e-9, atol=1e-9)


def test_single_precision_is_precise_enough():
    logits, counts = draws(0, objects=200, answers=6)
    ours = dirichlet_multinomial(logits.float(), counts.float()).numpy()
    np.testing.assert_allclose(ours, reference(logits, counts), rtol=1e-3, atol=5e-3)


def test_no_votes_no_loss_and_no_gradient():
    logits = torch.randn(3, 5, requires_grad=True)
    loss = dirichlet_multinomial(logits, torch.zeros(3, 4))
    assert not loss.any()
    loss.sum().backward()
    assert not logits.grad.any()


def test_votes_of_several_questions_add_up_and_objects_are_averaged():
    first, second = draws(1, answers=3), draws(2, answers=2)
    logits, counts = (torch.hstack(pair) for pair in zip(first, second, strict=True))
    assert (logits.shape[1], counts.shape[1]) == (7, 5)  # each question has its own precision
    expected = reference(*first) + reference(*second)
    assert votes_loss(logits, counts, [3, 2]).item() == pytest.approx(expected.mean(), rel=1e-9)


def test_the_shares_loss_is_scikit_learns_log_loss_of_weighted_votes():
    first, second = draws(1, answers=3), draws(2, answers=2)
    logits, counts = (torch.hstack(pair) for pair in zip(first, second, strict=True))
    expected = 0.0
    for part, votes in (first, second):
        for shares, row in zip(scipy_softmax(part[:, :-1].numpy(), axis=1), votes, strict=True):
            if n := row.sum().item():
                answers = np.arange(len(row))
                one = log_loss(
                    answers, np.tile(shares, (len(row), 1)), labels=answers, sample_weight=row
                )
                expected += n / (n + 3) * one / len(logits)
    assert shares_loss(logits, counts, [3, 2], half=3).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("votes", [1, 3, 30])
def test_not_to_know_which_of_two_answers_has_all_votes_costs_ln_2_as_shares(votes):
    """However many votes there are; as counts it costs what scipy's likelihood says."""
    counts = votes * torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    torn = torch.tensor([[5.0, 5.0, 0.0, -6.0]] * 2, dtype=torch.float64)
    knows = torch.tensor([[8.0, 0.0, 0.0, -6.0], [0.0, 8.0, 0.0, -6.0]], dtype=torch.float64)
    shares = shares_loss(torn, counts, [3], half=0) - shares_loss(knows, counts, [3], half=0)
    assert shares.item() == pytest.approx(np.log(2), abs=0.02)
    gain = votes_loss(torn, counts, [3]) - votes_loss(knows, counts, [3])
    expected = reference(torn, counts).mean() - reference(knows, counts).mean()
    assert gain.item() == pytest.approx(expected, rel=1e-9)
    assert gain.item() > 0


def test_without_votes_shares_cost_nothing_and_teach_nothing():
    logits = torch.randn(3, 5, requires_grad=True)
    loss = shares_loss(logits, torch.zeros(3, 4), [4], half=3)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_the_likeliest_shares_are_those_of_the_votes():
    counts = torch.tensor([[30.0, 10.0]], dtype=torch.float64)
    steps = torch.linspace(-6, 6, 61, dtype=torch.float64)
    tried = torch.cartesian_prod(steps, steps, steps)  # two answers and the precision
    best = tried[dirichlet_multinomial(tried, counts.expand(len(tried), 2)).argmin()]
    shares = answer_probabilities(best[None], [2])[0]
    assert shares[0].item() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(("wanted", "correlation"), [(5.0, 1 / 6), (20.0, 1 / 21)])
def test_the_likeliest_precision_is_that_of_the_votes_correlation(wanted, correlation):
    random = np.random.default_rng(0)
    shares = random.dirichlet(wanted * np.array([0.6, 0.3, 0.1]), 4000)
    counts = torch.from_numpy(np.array([random.multinomial(20, row) for row in shares]) * 1.0)
    best, least = 0.0, np.inf
    for precision in torch.linspace(-6, 0, 61, dtype=torch.float64):
        logits = torch.cat([torch.tensor([0.6, 0.3, 0.1]).double().log(), precision[None]])
        mean = dirichlet_multinomial(logits.expand(len(counts), 4), counts).mean().item()
        if mean < least:
            best, least = precision.item(), mean
    assert 1 / (2 + 100 * expit(best)) == pytest.approx(correlation, rel=0.1)


def test_a_vote_that_nothing_foretold_costs_as_much_as_for_the_smallest_share():
    counts = torch.tensor([[0.0, 3.0]], dtype=torch.float64)
    gap = np.log((1 - SMALLEST_SHARE) / SMALLEST_SHARE)
    logits = torch.tensor([[gap, 0.0, -3.0], [2 * gap, 0.0, -3.0], [500.0, -500.0, -3.0]]).double()
    least, beyond, far = dirichlet_multinomial(logits, counts.expand(3, 2)).tolist()
    assert least == pytest.approx(beyond, rel=1e-4)
    assert least == pytest.approx(far, rel=1e-4)


def test_answer_probabilities_are_the_softmax_of_each_question_whatever_the_precision():
    logits = torch.randn(5, 7)  # three answers, a precision, two answers, a precision
    shares = answer_probabilities(logits, [3, 2])
    expected = np.hstack([scipy_softmax(logits[:, part].numpy(), axis=1) for part in PARTS])
    np.testing.assert_allclose(shares.numpy(), expected, rtol=1e-5)
    torch.testing.assert_close(shares[:, :3].sum(dim=1), torch.ones(5))
    torch.testing.assert_close(shares[:, 3:].sum(dim=1), torch.ones(5))


def test_squared_error_is_numpys():
    logits = draws(3)[0][:, :4]
    target = np.eye(4)[[0, 1, 2, 3, 0, 1]]
    z = logits.numpy()
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    found = squared_error(logits, torch.from_numpy(target)).item()
    assert found == pytest.approx(np.mean((softmax - target) ** 2), rel=1e-12)


def test_weighted_cross_entropy_is_scikit_learns():
    logits = draws(4)[0][:, :4]
    labels, weight = np.array([0, 1, 2, 3, 1, 2]), np.array([1.0, 0.2, 0.0, 3.0, 0.5, 1.0])
    expected = log_loss(
        labels, logits.softmax(dim=1).numpy(), labels=range(4), sample_weight=weight
    )
    target = torch.from_numpy(np.eye(4)[labels])
    found = cross_entropy(logits, target, torch.from_numpy(weight)).item()
    assert found == pytest.approx(expected, rel=1e-9)


def test_cross_entropy_without_any_weight_is_zero_and_teaches_nothing():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.full((2, 3), 1 / 3), torch.zeros(2))
    assert loss.item() == 0.0
    loss.backward()
    assert not logits.grad.any()


@pytest.mark.parametrize("size", [50.0, 1e4])
def test_gradients_are_finite_for_extreme_logits(size):
    logits = torch.tensor([[size, -size, 0.0], [-size, size, size]], requires_grad=True)
    target = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    votes = torch.hstack([target, target[:, :1]])
    total = (
        squared_error(logits, target)
        + cross_entropy(logits, target, torch.ones(2))
        + votes_loss(logits, 1000 * target[:, :2], [2])
        + votes_loss(logits.repeat(1, 2), 1000 * votes, [3, 1])
    )
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(logits.grad).all()
