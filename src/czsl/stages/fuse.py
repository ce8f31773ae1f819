"""Stage fuse: one posterior from that of the image and that of the votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.scores import known_rows
from czsl.stages.calibrate import softmax

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

SMALLEST = 1e-4
"""Least probability that is multiplied: beyond it a few hundred experts' objects say nothing."""

EXPONENTS = np.array([0.8, 0.4])
"""Where the exponents of image and votes start. Independent sources would have 1 and 1; but the
image's network learned from the votes on like objects, so votes on the object itself add less."""

EXPONENT_SPREADS = np.array([0.5, 0.25])
"""Their standard deviations before any data: how good images are differs most between surveys."""

BIAS_SPREAD = 0.25
"""Standard deviation of the biases about their start, before any data."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFusion:
    r"""Joins two posteriors.

    .. math::
        \ln p_k = a \ln p^\mathrm{image}_k + c\,(\ln q_k - \ln \pi_k) + b_k + \mathrm{const}

    with the posterior q from the votes and the shares of the classes :math:`\pi`, which both
    posteriors take for granted and which must count once. With a = c = 1 and b = 0 this is
    Bayes' rule for an image and votes that are independent given the class. The votes'
    correlation among themselves is in q already; that image and votes fail on the same
    objects is what a and c below 1 account for.

    Parameters
    ----------
    image, votes
        The exponents a and c.
    bias
        b, shape (class,).
    prior
        :math:`\pi`, shape (class,).
    """

    image: float
    votes: float
    bias: Floats
    prior: Floats

    def fuse(self, image: Floats, votes: Floats) -> Floats:
        """Join posteriors; where one of the two is missing the other stays as it is.

        Parameters
        ----------
        image, votes
            Shape (object, class); rows of NaN where unknown.

        Returns
        -------
        Array
            Shape (object, class); NaN where both are unknown.

        Examples
        --------
        >>> even = np.array([0.5, 0.5])
        >>> fusion = FittedFusion(image=1.0, votes=1.0, bias=np.zeros(2), prior=even)
        >>> fusion.fuse(np.array([[0.8, 0.2]]), np.array([[0.8, 0.2]])).round(3)
        array([[0.941, 0.059]])
        """
        both = known_rows(image) & known_rows(votes)
        fused = np.where(known_rows(image)[:, None], image, votes)
        terms = _terms(image[both], votes[both], self.prior)
        fused[both] = softmax(self.image * terms[0] + self.votes * terms[1] + self.bias)
        return fused

    def arrays(self) -> dict[str, Floats]:
        """Name every array, to keep them."""
        return {
            "exponents": np.array([self.image, self.votes]),
            "bias": self.bias,
            "prior": self.prior,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, Floats]) -> FittedFusion:
        """Make a fusion from the arrays that :meth:`arrays` named."""
        image, votes = arrays["exponents"].tolist()
        return cls(image=image, votes=votes, bias=arrays["bias"], prior=arrays["prior"])


def fit_fusion(image: Floats, votes: Floats, labels: Labels, prior: Floats) -> FittedFusion:
    r"""Fit exponents and biases to objects that neither posterior has learned from.

    They maximise the likelihood of the classes times a normal prior of a and c about 0.8 and
    0.4 and of b about :math:`(1 - a) \ln \pi` (:data:`EXPONENTS`, :data:`EXPONENT_SPREADS`,
    :data:`BIAS_SPREAD`), with a and c not negative. So a few objects leave them near a product
    that allows for image and votes failing together, and many decide themselves. The shares of
    the classes count once whatever a and c are: with a = 0 and c = 1 the votes' posterior is
    left, with a = 1 and c = 0 the image's, and neither needs a bias that the prior would hold
    back.

    Parameters
    ----------
    image, votes
        Posteriors out of fold, shape (object, class); objects that lack one are left out.
    labels
        Their classes, shape (object,).
    prior
        Shares of the classes that both take for granted, shape (class,).
    """
    from scipy.optimize import minimize

    both = known_rows(image) & known_rows(votes)
    first, second = _terms(image[both], votes[both], prior)
    log_prior = np.log(prior.clip(SMALLEST, 1.0))
    first = first - log_prior
    truth, classes = np.eye(len(prior))[labels[both]], len(prior)

    def cost(values: Floats) -> tuple[float, Floats]:
        """Give the negative log of the posterior density, and its gradient."""
        exponents, bias = values[:2], values[2:]
        logits = exponents[0] * first + exponents[1] * second + log_prior + bias
        probabilities = softmax(logits) if len(logits) else logits
        largest = logits.max(axis=1, keepdims=True) if len(logits) else logits[:, :1]
        norm = largest[:, 0] + np.log(np.exp(logits - largest).sum(axis=1))
        excess = probabilities - truth
        away = (exponents - EXPONENTS) / EXPONENT_SPREADS**2
        penalty = 0.5 * (away @ (exponents - EXPONENTS) + bias @ bias / BIAS_SPREAD**2)
        slope = np.concatenate(
            [
                np.array([np.sum(excess * first), np.sum(excess * second)]) + away,
                excess.sum(axis=0) + bias / BIAS_SPREAD**2,
            ]
        )
        return float(np.sum(norm - (logits * truth).sum(axis=1)) + penalty), slope

    start = np.concatenate([EXPONENTS, np.zeros(classes)])
    bounds = [(0.0, None)] * 2 + [(None, None)] * classes
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    bias = found[2:] + (1 - found[0]) * log_prior
    return FittedFusion(image=float(found[0]), votes=float(found[1]), bias=bias, prior=prior.copy())


def fuse_out_of_fold(
    image: Floats, votes: Floats, labels: Labels, folds: Labels, prior: Floats
) -> Floats:
    """Fuse the objects of each fold by what was fitted to the other folds.

    Parameters
    ----------
    image, votes
        Posteriors out of fold, shape (object, class); rows of NaN where unknown.
    labels
        Classes, shape (object,).
    folds
        Fold of each, shape (object,).
    prior
        Shares of the classes, shape (class,).
    """
    fused = np.full_like(image, np.nan)
    for fold in np.unique(folds):
        left = folds == fold
        fusion = fit_fusion(image[~left], votes[~left], labels[~left], prior)
        fused[left] = fusion.fuse(image[left], votes[left])
    return fused


def _terms(image: Floats, votes: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Give the logarithms that the exponents multiply, each of shape (object, class)."""
    first = np.log(image.clip(SMALLEST, 1.0))
    second = np.log(votes.clip(SMALLEST, 1.0)) - np.log(prior.clip(SMALLEST, 1.0))
    return first, second
