"""Arms that judge by image and votes together, each by another rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue, Given, class_shares
from czsl.compare.cell import Cell
from czsl.compare.recipe_arm import fit_recipe, judged_images, make_sets, spread
from czsl.learned import Learned
from czsl.recipes import Recipe
from czsl.scores import known_rows
from czsl.stages.calibrate import softmax
from czsl.stages.fuse import FittedFusion, Sources, fit_fusion
from czsl.stages.targets import transfer_inputs, weights_of_votes

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence(Sources):
    """What image and votes say of some objects.

    Attributes
    ----------
    counts
        Votes for each class, shape (object, class); zeros where there are none.
    """

    counts: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """The experts' objects that a rule is fitted to: judged out of fold.

    Attributes
    ----------
    evidence
        What image and votes say of them.
    labels
        The experts' classes, shape (object,).
    folds
        Fold of each, shape (object,).
    prior
        Shares of the classes, shape (class,).
    """

    evidence: Evidence
    labels: Labels
    folds: Labels
    prior: Floats


@dataclass(frozen=True)
class FusionArm:
    """A recipe whose image's posterior is joined with that of the votes, by one of ``FUSIONS``.

    Parameters
    ----------
    recipe
        The settings of its stages, the transfer among them.
    rule
        Name of the rule.
    """

    recipe: Recipe
    rule: str

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        learned = fit_recipe(cell, self.recipe)
        scored = Evidence(
            image=judged_images(cell, self.recipe, learned, cell.scored),
            votes=_votes(cell, self.recipe, learned, cell.catalogue, cell.scored),
            weight=weights_of_votes(cell.catalogue)[cell.scored],
            counts=class_votes(cell.catalogue)[cell.scored],
        )
        known = self._known(cell, learned)
        posterior = FUSIONS[self.rule](known, scored)
        if self.rule == "fused":
            make_sets(cell, self.recipe, learned, "fused", posterior)
        return posterior

    def _known(self, cell: Cell, learned: Learned) -> Known:
        """Give the experts' objects as the rule is to see them."""
        evidence = Evidence(
            image=learned.image_posterior,
            votes=learned.votes_posterior,
            weight=weights_of_votes(cell.training)[learned.experts],
            counts=class_votes(cell.training)[learned.experts],
        )
        if self.rule == "fused_in_fold":
            evidence = replace(
                evidence,
                image=judged_images(cell, self.recipe, learned, learned.experts),
                votes=_votes(cell, self.recipe, learned, cell.training, learned.experts),
            )
        return Known(
            evidence=evidence,
            labels=cell.training.experts[learned.experts],
            folds=learned.folds,
            prior=learned.prior,
        )


def _votes(
    cell: Cell, recipe: Recipe, learned: Learned, catalogue: Catalogue, rows: Labels
) -> Floats:
    """Give the posterior of objects from their votes."""
    if learned.transfer is None or recipe.transfer is None:
        return np.full((len(rows), len(cell.truth.classes)), np.nan)
    inputs = transfer_inputs(catalogue, recipe.transfer)
    usable = inputs.usable[rows]
    return spread(learned.transfer.probabilities(inputs.features[rows[usable]]), usable)


def class_votes(catalogue: Catalogue) -> Floats:
    """Give the votes for each class, shape (object, class): shares of the first total.

    Where only the volunteers' class is known it counts as one vote.
    """
    if not catalogue.questions:
        return np.zeros((len(catalogue), len(catalogue.classes)))
    given = catalogue.config.classes.from_answers
    shares, _ = class_shares(catalogue.questions, given, catalogue.classes)
    first = catalogue.questions[0]
    number = np.where(first.given == Given.LABEL, 1.0, np.nan_to_num(first.total, nan=1.0))
    return shares * number[:, None]


def fused(known: Known, scored: Evidence) -> Floats:
    """Join by exponents and biases that are fitted out of fold, as the recipe does."""
    return fit_fusion(known.evidence, known.labels, known.prior).fuse(scored)


def product(known: Known, scored: Evidence) -> Floats:
    """Multiply the posteriors and divide by the shares of the classes once."""
    return _power(1.0, known.prior, scored)


def tempered_product(known: Known, scored: Evidence) -> Floats:
    """Multiply, with one exponent on both that makes the experts' classes most likely."""
    from scipy.optimize import minimize_scalar

    both = known.evidence.both
    evidence, labels = known.evidence.of(both), known.labels[both]

    def cost(exponent: float) -> float:
        posterior = _power(exponent, known.prior, evidence)
        return float(-np.log(posterior[np.arange(len(labels)), labels].clip(1e-12)).sum())

    found = minimize_scalar(cost, bounds=(0.05, 2.0), method="bounded").x if both.any() else 1.0
    return _power(float(found), known.prior, scored)


def _power(exponent: float, prior: Floats, sources: Sources) -> Floats:
    """Raise the product of the posteriors to an exponent, however many votes there are."""
    bias = (exponent - 1) * np.log(prior)
    made = FittedFusion(image=exponent, votes=exponent, bias=bias, prior=prior)
    return made.fuse(replace(sources, weight=np.ones(len(sources.weight))))


def crowdlab(known: Known, scored: Evidence) -> Floats:
    r"""Average the image's posterior and every vote, each by its weight.

    .. math::
        p_k = \frac{w_M\,p^\mathrm{image}_k + w\,[n_k P + (n - n_k)\,(1 - P) / (K - 1)]}
            {w_M + w n}, \quad
        w = 1 - \frac{1 - A}{1 - A_0}, \quad
        w_M = \sqrt{\langle n \rangle}\,\Big(1 - \frac{1 - A_M}{1 - A_0}\Big)

    with :math:`n_k` of n votes for class k of K; P how often a vote agrees with the majority of
    its object, A with another vote on its object, :math:`A_M` the image with the majority, and
    :math:`A_0` how often the commonest majority comes. (Goh, Tkachenko and Mueller 2022,
    arXiv 2210.06812, section 3, with one weight for all volunteers, who are not told apart;
    weights are at least 1e-6, and objects with one vote set none, as in cleanlab.)
    """
    one, classes = known.evidence, len(known.prior)
    usable = known_rows(one.image) & (one.counts.sum(axis=1) > 1)
    counts, image = one.counts[usable], one.image[usable]
    if not usable.any():
        return np.where(known_rows(scored.image)[:, None], scored.image, scored.votes)
    majority, number = counts.argmax(axis=1), counts.sum(axis=1)
    share = float((counts.max(axis=1) / number).mean())
    pairs = np.maximum(counts * (counts - 1), 0).sum() / (number * (number - 1)).sum()
    chance = max(1 - np.bincount(majority, minlength=classes).max() / len(majority), 1e-6)
    model = max(1 - float(np.mean(image.argmax(axis=1) != majority)) / chance, 1e-6)
    model *= float(np.sqrt(number.mean()))
    vote = max(1 - (1 - float(pairs)) / chance, 1e-6)
    total = scored.counts.sum(axis=1, keepdims=True)
    said = scored.counts * share + (total - scored.counts) * (1 - share) / (classes - 1)
    return _normalised(model * np.nan_to_num(scored.image) + vote * said)


def space_warps(known: Known, scored: Evidence) -> Floats:
    r"""Start from the image and take every vote for an independent piece of evidence.

    .. math:: p_k \propto p^\mathrm{image}_k \prod_j C_{kj}^{n_j}

    with n votes for class j and C the share of votes for j on experts' objects of class k,
    one vote for each class added. (Marshall et al. 2016, MNRAS 455, 1171, equation 2, with
    one matrix for all volunteers and the image's posterior for the first probability.)
    """
    classes = len(known.prior)
    rates = np.ones((classes, classes))
    np.add.at(rates, known.labels, known.evidence.counts)
    rates /= rates.sum(axis=1, keepdims=True)
    start = np.where(known_rows(scored.image)[:, None], scored.image, known.prior)
    logits = np.log(start.clip(1e-12)) + scored.counts @ np.log(rates).T
    return _unless_unknown(softmax(logits), scored)


def gravity_spy(known: Known, scored: Evidence) -> Floats:
    """Count the image's posterior as the first vote, and take shares of the votes.

    (Zevin et al. 2017, Classical and Quantum Gravity 34, 064003, section 4.3: the machine is
    the first volunteer.)
    """
    return _normalised(np.nan_to_num(scored.image) + scored.counts)


def _normalised(values: Floats) -> Floats:
    """Divide rows by their sums; NaN where nothing is known."""
    total = values.sum(axis=1, keepdims=True)
    nothing = np.full(values.shape, np.nan)
    shares: Floats = np.divide(values, total, out=nothing, where=total > 0)
    return shares


def _unless_unknown(posterior: Floats, scored: Evidence) -> Floats:
    """Give NaN where there is neither an image nor a vote."""
    known = known_rows(scored.image) | (scored.counts.sum(axis=1) > 0)
    return np.where(known[:, None], posterior, np.nan)


FUSIONS: Mapping[str, Callable[[Known, Evidence], Floats]] = {
    "fused": fused,
    "fused_in_fold": fused,
    "product": product,
    "tempered_product": tempered_product,
    "crowdlab": crowdlab,
    "space_warps": space_warps,
    "gravity_spy": gravity_spy,
}
"""Rules that join image and votes, by the name of their arm."""
