"""From what networks and transfers say out of fold to posteriors: calibration and fusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from czsl.recipes import Recipe
from czsl.scores import known_rows, log_loss
from czsl.stages.calibrate import Calibrator
from czsl.stages.fuse import FittedFusion, Sources, fit_fusion, fuse_out_of_fold

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What is said of experts' objects by what did not learn from them.

    Attributes
    ----------
    logits
        Of the networks, shape (object, class); NaN where the image cannot be used.
    votes
        Posterior of the transfer, shape (object, class); NaN where there are no votes.
    weight
        How much could be learned from the votes, 0 to 1, shape (object,).
    folds
        Fold of each, shape (object,); -1 where none.
    held
        Whether it was held out of all teaching, to make the sets, shape (object,).
    """

    logits: Floats
    votes: Floats
    weight: Floats
    folds: Labels
    held: NDArray[np.bool_]

    @classmethod
    def nothing(cls, objects: int, classes: int) -> Self:
        """Start with nothing said of so many objects."""
        return cls(
            logits=np.full((objects, classes), np.nan),
            votes=np.full((objects, classes), np.nan),
            weight=np.zeros(objects),
            folds=np.full(objects, -1),
            held=np.zeros(objects, bool),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Conclusion:
    """Calibrated posteriors of experts' objects, and what makes them of others.

    Attributes
    ----------
    calibrator
        Makes posteriors of logits; a plain softmax where it was not fitted.
    prior
        Shares of the classes that posteriors take for granted, those among the experts' objects
        that teach, shape (class,); where images are mirrored, a class has its mirror's share.
    mirror
        The class that each becomes when the image is mirrored, where the posterior from the
        image follows exactly, shape (class,); else each class itself.
    fusion
        Joins the posteriors from image and votes; None where the recipe does not.
    image_posterior, votes_posterior, fused_posterior
        Each out of fold or held out, shape (expert, class); NaN where nothing is known.
    folds, held
        As in :class:`Judged`.
    """

    calibrator: Calibrator
    prior: Floats
    mirror: Labels
    fusion: FittedFusion | None
    image_posterior: Floats
    votes_posterior: Floats
    fused_posterior: Floats
    folds: Labels
    held: NDArray[np.bool_]


def conclude(judged: Judged, labels: Labels, recipe: Recipe, class_mirror: Labels) -> Conclusion:
    """Fit calibration and fusion to what was said out of fold.

    Objects that are held out fit neither.

    Parameters
    ----------
    judged
        What is said of the experts' objects.
    labels
        Their classes, shape (expert,).
    recipe
        Whether posteriors are calibrated and fused.
    class_mirror
        The class that each becomes when the image is mirrored, shape (class,).
    """
    known = known_rows(judged.logits)
    fits = known & ~judged.held
    prior = class_shares(labels[~judged.held], judged.logits.shape[1])
    if recipe.mirrors:  # whatever is shown mirrored takes a class to be as common as its mirror
        prior = (prior + prior[class_mirror]) / 2
    calibrator = Calibrator(shares=prior)
    if recipe.calibrate and fits.any():
        calibrator = Calibrator.fit(judged.logits[fits], labels[fits], prior, recipe.calibrate)
    image = np.full_like(judged.logits, np.nan)
    image[known] = calibrator.probabilities(judged.logits[known])
    fusion, fused = None, np.full_like(image, np.nan)
    if recipe.fuse:
        sources = Sources(image=image, votes=judged.votes, weight=judged.weight)
        teach = ~judged.held
        taught, folds = sources.of(teach), judged.folds[teach]
        fusion = fit_fusion(taught, labels[teach], prior)
        fused[judged.held] = fusion.fuse(sources.of(judged.held))
        fused[teach] = fuse_out_of_fold(taught, labels[teach], folds, prior)
    return Conclusion(
        calibrator=calibrator,
        prior=prior,
        mirror=class_mirror if recipe.views == 8 else np.arange(len(class_mirror)),
        fusion=fusion,
        image_posterior=image,
        votes_posterior=judged.votes,
        fused_posterior=fused,
        folds=judged.folds,
        held=judged.held,
    )


def class_shares(labels: Labels, classes: int) -> Floats:
    """Give the shares of classes, each with half an object added, so that none is zero.

    Examples
    --------
    >>> class_shares(np.array([0, 0, 0, 1]), 2)
    array([0.7, 0.3])
    """
    counts = np.bincount(labels, minlength=classes) + 0.5
    shares: Floats = counts / counts.sum()
    return shares


def held_out_loss(logits: Floats, labels: Labels) -> float:
    """Give the log loss of logits at their own best temperature and lapse rate; 0 if none is known.

    Parameters
    ----------
    logits
        Out of fold, shape (object, class); rows of NaN are left out.
    labels
        Classes, shape (object,).
    """
    known = known_rows(logits)
    if not known.any():
        return 0.0
    shares = class_shares(labels, logits.shape[1])
    calibrator = Calibrator.fit(logits[known], labels[known], shares, "lapse")
    return log_loss(calibrator.probabilities(logits[known]), labels[known])
