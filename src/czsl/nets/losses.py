"""Losses as pure functions of tensors; each gives one number, the mean over objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_SHARE = 1e-4
"""Least expected share of an answer: a vote that nothing foretold costs no more than this."""


def squared_error(logits: Tensor, target: Tensor) -> Tensor:
    r"""Mean squared error of the softmax against probabilities.

    .. math:: L = \frac{1}{NK} \sum_{ik} (\mathrm{softmax}(z_i)_k - t_{ik})^2

    The loss of the published classifier (Jimenez et al. 2023).

    Parameters
    ----------
    logits, target
        Logits z and target probabilities t, shape (object, class).

    Examples
    --------
    >>> squared_error(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item()
    0.25
    """
    return functional.mse_loss(logits.softmax(dim=1), target)


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    r"""Weighted mean cross-entropy against probabilities.

    .. math:: L = -\frac{\sum_i w_i \sum_k t_{ik} \ln \mathrm{softmax}(z_i)_k}{\sum_i w_i}

    Parameters
    ----------
    logits, target
        Logits z and target probabilities t, shape (object, class).
    weight
        Weight w of each object, shape (object,); 0 where there is no target. Where all
        are 0 so is the loss.

    Examples
    --------
    >>> target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(cross_entropy(torch.zeros(2, 2), target, torch.tensor([1.0, 0.0])).item(), 4)
    0.6931
    """
    per_object = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return (weight * per_object).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


def dirichlet_multinomial(logits: Tensor, counts: Tensor) -> Tensor:
    r"""Negative log-likelihood of the votes on one question, per object.

    The network gives the expected shares :math:`p = \mathrm{softmax}(z)` of the answers
    and a precision :math:`A = 1 + 100\,\sigma(s)`. With :math:`a_j = A p_j`, counts
    :math:`k_j` and :math:`n = \sum_j k_j`,

    .. math::
        L = -\Big[\ln\Gamma(A) - \ln\Gamma(A + n)
            + \sum_j \big(\ln\Gamma(a_j + k_j) - \ln\Gamma(a_j)\big)\Big]

    up to the multinomial coefficient, which no logit changes; 0 where nobody voted. Unlike
    a multinomial it does not take the votes on one object for independent: their
    correlation is :math:`1 / (1 + A)`. (Walmsley et al. 2022, MNRAS 509, 3966, equation 4,
    there with :math:`a_j = 1 + 100\,\sigma(z_j)`, from which shares are learned more
    slowly.)

    Parameters
    ----------
    logits
        Logits z of the answers, then s, shape (object, answer + 1).
    counts
        Votes k, not negative, whole or not, shape (object, answer).

    Returns
    -------
    Tensor
        Shape (object,).

    Examples
    --------
    >>> dirichlet_multinomial(torch.zeros(1, 4), torch.zeros(1, 3)).item()
    -0.0
    """
    precision = 1 + 100 * torch.sigmoid(logits[:, -1])
    concentration = precision[:, None] * logits[:, :-1].softmax(dim=1).clamp(min=SMALLEST_SHARE)
    total, votes = concentration.sum(dim=1), counts.sum(dim=1)
    answers = torch.lgamma(concentration + counts) - torch.lgamma(concentration)
    return -(torch.lgamma(total) - torch.lgamma(total + votes) + answers.sum(dim=1))


def votes_loss(logits: Tensor, counts: Tensor, questions: Sequence[int]) -> Tensor:
    """Mean over objects of the votes' negative log-likelihood, summed over questions.

    Parameters
    ----------
    logits
        For each question the logits of its answers and of its precision, side by side,
        shape (object, answers + questions).
    counts
        Votes, shape (object, answer), the answers of all questions side by side.
    questions
        Number of answers of each question, in order.

    Examples
    --------
    A vote for one of two answers that are as likely: ln 2.

    >>> round(votes_loss(torch.zeros(1, 3), torch.tensor([[1.0, 0.0]]), [2]).item(), 4)
    0.6931
    """
    total = torch.zeros(len(logits), device=logits.device)  # (object,)
    for part, votes in _by_question(logits, counts, questions):
        total = total + dirichlet_multinomial(part, votes)
    return total.mean()


def shares_loss(logits: Tensor, counts: Tensor, questions: Sequence[int], *, half: float) -> Tensor:
    r"""Mean over objects of the cross-entropy of the votes' shares, summed over questions.

    With the expected shares :math:`p = \mathrm{softmax}(z)` of a question's answers, counts
    :math:`k_j` and :math:`n = \sum_j k_j`,

    .. math:: L = -\frac{n}{n + h} \sum_j \frac{k_j}{n} \ln p_j

    and 0 where nobody voted. The weight is what n votes tell of the shares if two votes on
    one object correlate by :math:`1 / (1 + h)`, as a part of what any number could tell. How
    the votes spread about the shares teaches nothing here; under their likelihood
    (:func:`dirichlet_multinomial`) it does.

    Parameters
    ----------
    logits
        For each question the logits of its answers and, not used here, of its precision, side
        by side, shape (object, answers + questions).
    counts
        Votes, shape (object, answer), the answers of all questions side by side.
    questions
        Number of answers of each question, in order.
    half
        Votes h that weigh half as much as any number could.

    Examples
    --------
    >>> loss = shares_loss(torch.zeros(1, 3), torch.tensor([[3.0, 0.0]]), [2], half=3)
    >>> torch.isclose(loss, 0.5 * torch.tensor(2.0).log()).item()
    True
    """
    total = torch.zeros(len(logits), device=logits.device)  # (object,)
    for part, votes in _by_question(logits, counts, questions):
        weight = 1 / (votes.sum(dim=1, keepdim=True) + half)  # n / (n + h), for each of n votes
        total = total - (weight * votes * part[:, :-1].log_softmax(dim=1)).sum(dim=1)
    return total.mean()


def _by_question(
    logits: Tensor, counts: Tensor, questions: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give each question's logits, the precision's last, and its votes."""
    return zip(
        torch.split(logits, [answers + 1 for answers in questions], dim=1),
        torch.split(counts, list(questions), dim=1),
        strict=True,
    )


def answer_probabilities(logits: Tensor, questions: Sequence[int]) -> Tensor:
    """Give the expected share of each answer, shape (object, answer).

    Parameters
    ----------
    logits
        For each question the logits of its answers and of its precision, side by side,
        shape (object, answers + questions).
    questions
        Number of answers of each question, in order; the shares of each sum to 1.

    Examples
    --------
    >>> answer_probabilities(torch.zeros(1, 3), [2])
    tensor([[0.5000, 0.5000]])
    """
    parts = torch.split(logits, [answers + 1 for answers in questions], dim=1)
    return torch.cat([part[:, :-1].softmax(dim=1) for part in parts], dim=1)
