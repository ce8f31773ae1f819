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
"""Where the exponents of image and many votes start. Independent sources would have 1 and 1; but
the image's network learned from the votes on like objects, so votes on the object add less."""

EXPONENT_SPREADS = np.array([0.5, 0.25])
"""Their standard deviations before any data: how good images are differs most between surveys."""

BIAS_SPREAD = 0.25
"""Standard deviation of the biases about 0, before any data."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """What image and votes say of some objects.

    Attributes
    ----------
    image, votes
        Posteriors, shape (object, class); rows of NaN where unknown. A 0 from the votes says
        that they cannot tell this class.
    weight
        How much could be learned from so many votes, 0 for none to 1, shape (object,): see
        :func:`czsl.crowd.features.votes_weight`.
    """

    image: Floats
    votes: Floats
    weight: Floats

    @property
    def both(self) -> NDArray[np.bool_]:
        """Whether image and votes are known, shape (object,)."""
        return known_rows(self.image) & known_rows(self.votes)

    def of(self, rows: Labels | NDArray[np.bool_]) -> Sources:
        """Give some of the objects."""
        return Sources(image=self.image[rows], votes=self.votes[rows], weight=self.weight[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFusion:
    r"""Joins two posteriors.

    .. math::
        \ln p_k = \ln \pi_k + a_w \ln \frac{p^\mathrm{image}_k}{\pi_k}
            + c_w \ln \frac{q_k}{\pi_k} + w\,b_k + \mathrm{const}, \quad
        a_w = 1 - (1 - a)\,w, \quad c_w = c\,[1 - (1 - c)(1 - w)]

    with the posterior q from the votes, the shares of the classes :math:`\pi`, which both
    posteriors take for granted and which must count once, and the weight w = n / (n + 3) of n
    votes. With a = c = 1 and b = 0 this is Bayes' rule for an image and votes that are
    independent given the class. The votes' correlation among themselves is in q already; that
    image and votes fail on the same objects is what a and c below 1 account for. The fewer
    votes there are the less they can repeat: without any the image's posterior stays.

    Parameters
    ----------
    image, votes
        The exponents a and c, of many votes.
    bias
        b, shape (class,).
    prior
        :math:`\pi`, shape (class,).
    """

    image: float
    votes: float
    bias: Floats
    prior: Floats

    def fuse(self, sources: Sources) -> Floats:
        """Join posteriors; where one of the two is missing the other stays as it is.

        Parameters
        ----------
        sources
            What image and votes say.

        Returns
        -------
        Array
            Shape (object, class); NaN where both are unknown.

        Examples
        --------
        >>> even, said = np.array([0.5, 0.5]), np.array([[0.8, 0.2]])
        >>> fusion = FittedFusion(image=1.0, votes=1.0, bias=np.zeros(2), prior=even)
        >>> fusion.fuse(Sources(image=said, votes=said, weight=np.ones(1))).round(3)
        array([[0.941, 0.059]])
        """
        both = sources.both
        fused = np.where(known_rows(sources.image)[:, None], sources.image, sources.votes)
        terms = _terms(sources.of(both), self.prior)
        fused[both] = softmax(terms.logits(self.image, self.votes, self.bias))
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Terms:
    """Logarithms that the exponents multiply.

    Attributes
    ----------
    prior
        ln of the shares of the classes, shape (class,).
    image, votes
        ln of the posteriors over these shares, shape (object, class).
    weight
        Of the votes, shape (object, 1).
    """

    prior: Floats
    image: Floats
    votes: Floats
    weight: Floats

    def logits(self, image: float, votes: float, bias: Floats) -> Floats:
        """Give the logits of the classes under exponents and biases, shape (object, class)."""
        first = 1 - (1 - image) * self.weight
        second = votes * (1 - (1 - votes) * (1 - self.weight))
        return self.prior + first * self.image + second * self.votes + self.weight * bias

    def slope(self, votes: float, excess: Floats) -> Floats:
        """Give the derivatives by a, c and each b, from those by the logits."""
        by_votes = self.weight + 2 * votes * (1 - self.weight)
        exponents = [
            np.sum(excess * self.weight * self.image),
            np.sum(excess * by_votes * self.votes),
        ]
        return np.concatenate([exponents, (excess * self.weight).sum(axis=0)])


def fit_fusion(sources: Sources, labels: Labels, prior: Floats) -> FittedFusion:
    r"""Fit exponents and biases to objects that neither posterior has learned from.

    They maximise the likelihood of the classes times a normal prior of a and c about 0.8 and
    0.4 and of b about 0 (:data:`EXPONENTS`, :data:`EXPONENT_SPREADS`, :data:`BIAS_SPREAD`), with
    a not negative and c from 0 to 1. So a few objects leave them near a product that allows for
    image and votes failing together, and many decide themselves. The shares of the classes
    count once whatever a and c are: with a = 0 and c = 1 many votes' posterior is left, with
    a = 1 and c = 0 the image's. Classes that none of the objects has take no part.

    Parameters
    ----------
    sources
        Posteriors out of fold; objects that lack one are left out.
    labels
        Their classes, shape (object,).
    prior
        Shares of the classes that both take for granted, shape (class,).
    """
    from scipy.optimize import minimize

    both = sources.both
    terms = _terms(sources.of(both), prior)
    truth = np.eye(len(prior))[labels[both]]
    absent = np.where(truth.any(axis=0), 0.0, -np.inf) if len(truth) else np.zeros(len(prior))

    def cost(values: Floats) -> tuple[float, Floats]:
        """Give the negative log of the posterior density, and its gradient."""
        exponents, bias = values[:2], values[2:]
        logits = terms.logits(exponents[0], exponents[1], bias)
        norm = np.logaddexp.reduce(logits + absent, axis=1)
        excess = np.exp(logits + absent - norm[:, None]) - truth
        away = (exponents - EXPONENTS) / EXPONENT_SPREADS**2
        penalty = 0.5 * (away @ (exponents - EXPONENTS) + bias @ bias / BIAS_SPREAD**2)
        slope = terms.slope(exponents[1], excess) + np.concatenate([away, bias / BIAS_SPREAD**2])
        return float(np.sum(norm - (logits * truth).sum(axis=1)) + penalty), slope

    start = np.concatenate([EXPONENTS, np.zeros(len(prior))])
    bounds = [(0.0, None), (0.0, 1.0), *[(None, None)] * len(prior)]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    image, votes = found[:2].tolist()
    return FittedFusion(image=image, votes=votes, bias=found[2:], prior=prior.copy())


def fuse_out_of_fold(sources: Sources, labels: Labels, folds: Labels, prior: Floats) -> Floats:
    """Fuse the objects of each fold by what was fitted to the other folds.

    Parameters
    ----------
    sources
        Posteriors out of fold.
    labels
        Classes, shape (object,).
    folds
        Fold of each, shape (object,).
    prior
        Shares of the classes, shape (class,).
    """
    fused = np.full_like(sources.image, np.nan)
    for fold in np.unique(folds):
        left = folds == fold
        fusion = fit_fusion(sources.of(~left), labels[~left], prior)
        fused[left] = fusion.fuse(sources.of(left))
    return fused


def _terms(sources: Sources, prior: Floats) -> _Terms:
    """Take logarithms; a class that the votes cannot tell keeps its share."""
    shares = prior.clip(SMALLEST, 1.0)
    untold = sources.votes == 0
    told = 1 - (untold * prior).sum(axis=1, keepdims=True)
    votes = np.where(untold, shares, sources.votes * told)
    return _Terms(
        prior=np.log(shares),
        image=np.log(sources.image.clip(SMALLEST, 1.0)) - np.log(shares),
        votes=np.log(votes.clip(SMALLEST, 1.0)) - np.log(shares),
        weight=sources.weight[:, None],
    )
