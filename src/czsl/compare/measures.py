"""Everything that a comparison scores, for many weights of the objects at once.

===========================  =====================================================================
measure                      what it is
===========================  =====================================================================
``accuracy``                 share of objects whose class is right
``balanced_accuracy``        mean of the recalls of the classes that occur
``gmean``                    geometric mean of the recalls of the classes that occur
``auc``                      area under the ROC curve, one class against the rest, mean over the
                             classes that occur
``average_precision``        of the rarest class
``log_likelihood``           mean log-probability of the true class, in nats
``brier``                    mean over objects of the squared error, summed over classes
``calibration_error``        mean over objects of how far the probability of the class decided on
                             lies from the share that is right, in ten bins of that probability
``..._moved``                the first three with the moved decision: the class whose posterior
                             has most outgrown its share among the training experts
===========================  =====================================================================

A class occurs where an object with a posterior has it; which do is fixed once, so that every
draw of a bootstrap measures the same thing. In a draw where such a class has no object left, the
measures that need it are NaN; intervals are of the draws that remain
(:func:`czsl.compare.statistics.two_level_bootstrap`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl import reliability
from czsl.errors import ArgumentError, nearest
from czsl.ranking import Floats, Labels, Ranking, Weights, rank_class, ratio
from czsl.scores import known_rows, likeliest, log_likelihoods

DECISIONS = ("accuracy", "balanced_accuracy", "gmean")
"""Measures of the decision alone, each also moved."""

MEASURES = (
    *DECISIONS,
    "auc",
    "average_precision",
    "log_likelihood",
    "brier",
    "calibration_error",
    *(f"{name}_moved" for name in DECISIONS),
)

LOWER_IS_BETTER = frozenset({"brier", "calibration_error"})

BINS = 10
CHUNK = 32
"""Draws at a time: more are not faster, and take more memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A posterior made ready, so that every draw costs a product and two running sums.

    Made by :func:`prepare`.

    Attributes
    ----------
    columns
        What an object adds to each kind of sum, shape (object, sum); zero without a posterior.
    rankings
        Of each class that occurs.
    rare
        Of the rarest class.
    """

    columns: dict[str, Floats]
    rankings: tuple[Ranking, ...]
    rare: Ranking

    def values(self) -> dict[str, float]:
        """Give every measure with each object counted once.

        Examples
        --------
        >>> posterior = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> found = prepare(posterior, np.array([0, 1, 1]), np.array([0.8, 0.2])).values()
        >>> found["balanced_accuracy"], found["balanced_accuracy_moved"], found["auc"]
        (0.75, 1.0, 1.0)
        """
        once = np.ones((1, len(self.columns["objects"])), np.uint8)
        return {name: float(found[0]) for name, found in self.measure(once).items()}

    def measure(self, weights: Weights, names: Iterable[str] = MEASURES) -> dict[str, Floats]:
        """Give measures for each draw, each of shape (draw,); NaN where undefined.

        Parameters
        ----------
        weights
            How often each object counts, shape (draw, object), zero or more.
        names
            Of the measures.

        Raises
        ------
        ArgumentError
            Where the weights are not of these objects, or a name is unknown.

        Examples
        --------
        >>> posterior = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        >>> prepared = prepare(posterior, np.array([0, 1, 1]), np.array([0.8, 0.2]))
        >>> prepared.measure(np.array([[1, 1, 1], [1, 2, 0], [0, 1, 2]]), ["gmean"])["gmean"]
        array([0.70710678, 0.        ,        nan])
        """
        names = tuple(names)
        self._check(weights, names)
        starts = range(0, max(len(weights), 1), CHUNK)
        parts = [self._measure(weights[start : start + CHUNK], names) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _check(self, weights: Weights, names: Iterable[str]) -> None:
        """Refuse weights of other objects, and unknown names."""
        number = len(self.columns["objects"])
        if weights.shape[1:] != (number,) or weights.dtype.kind not in "iu":
            raise ArgumentError(
                f"weights are {weights.dtype} of shape {weights.shape}; they are whole numbers "
                f"of shape (draw, {number}), a column for each object"
            )
        for name in names:
            if name not in MEASURES:
                raise ArgumentError(f"no measure is called {name!r}; {nearest(name, MEASURES)}")

    def _measure(self, weights: Weights, names: Iterable[str]) -> dict[str, Floats]:
        exact = weights.astype(np.float64)
        sums = {name: exact @ columns for name, columns in self.columns.items()}
        objects = sums["objects"]
        number = objects.sum(axis=1)
        found = {
            **_decisions(sums["right"], objects, ""),
            **_decisions(sums["right_moved"], objects, "_moved"),
            "log_likelihood": ratio(sums["log_likelihood"][:, 0], number),
            "brier": ratio(sums["brier"][:, 0], number),
            "calibration_error": ratio(np.abs(sums["excess"]).sum(axis=1), number),
        }
        if "auc" in names:
            found["auc"] = np.mean([ranking.area(weights) for ranking in self.rankings], axis=0)
        if "average_precision" in names:
            found["average_precision"] = self.rare.average_precision(weights)
        return {name: found[name] for name in names}


def prepare(
    posterior: Floats, labels: Labels, prior: Floats, *, rare: int | None = None
) -> Prepared:
    r"""Make a posterior ready for measures under many weights of its objects.

    The calibration error is

    .. math::
        \frac{1}{N} \sum_{b=1}^{10} \Big| \sum_{i \in b} ([\hat y_i = y_i] - \hat p_i) \Big|

    with the largest probability :math:`\hat p_i` of object i in the bin b (Guo et al. 2017,
    ICML, PMLR 70, 1321, equation 3); a bin holds its lower edge, the last both.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are objects without, which are left out.
    labels
        True class, shape (object,).
    prior
        Shares of the classes among the training experts, shape (class,), or (object, class)
        where objects were judged by what learned from others.
    rare
        The class of ``average_precision``; without it that of :func:`rarest`.

    Raises
    ------
    ArgumentError
        Where shapes do not agree, a class is none, or the prior is no share.

    Examples
    --------
    >>> posterior = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [np.nan, np.nan]])
    >>> prepared = prepare(posterior, np.array([0, 0, 1, 1]), np.array([0.5, 0.5]))
    >>> prepared.measure(np.array([[1, 1, 1, 1], [2, 0, 1, 5]]), ["calibration_error"])
    {'calibration_error': array([0.23333333, 0.13333333])}
    """
    _check_arrays(posterior, labels, prior, rare)
    rare = rarest(labels) if rare is None else rare
    posterior = posterior.astype(np.float64)
    known = known_rows(posterior)
    # A row with one NaN has no posterior: none of its values may be ranked.
    posterior[~known] = np.nan
    occurring = np.unique(labels[known] if known.any() else labels).tolist()
    rankings = {k: rank_class(posterior[:, k], labels == k) for k in {*occurring, rare}}
    priors = np.broadcast_to(prior, posterior.shape)[known]
    columns = _columns(posterior[known], labels[known], priors, np.array(occurring))
    return Prepared(
        columns={name: _placed(block, known) for name, block in columns.items()},
        rankings=tuple(rankings[k] for k in occurring),
        rare=rankings[rare],
    )


def decide(posterior: Floats, prior: Floats | None = None) -> Labels:
    """Give each object's most probable class, shape (object,); -1 without a posterior.

    With a prior the decision is moved to the largest ratio of posterior to prior: that of
    classes which are equally frequent. A class of prior 0 is never decided on. Of equal
    classes it is the first.

    Parameters
    ----------
    posterior
        Shape (object, class).
    prior
        Shares of the classes among the training experts, shape (class,) or (object, class).

    Examples
    --------
    >>> posterior = np.array([[0.7, 0.3], [0.9, 0.1], [np.nan, np.nan]])
    >>> decide(posterior), decide(posterior, np.array([0.8, 0.2]))
    (array([ 0,  0, -1]), array([ 1,  0, -1]))
    """
    if prior is not None:
        apart = np.full(posterior.shape, -1.0)
        moved = np.divide(posterior, prior, out=apart, where=prior > 0)
        posterior = np.where(known_rows(posterior)[:, None], moved, np.nan)
    return likeliest(posterior)


def confusion(posterior: Floats, labels: Labels, classes: int) -> Labels:
    """Count the objects of each class by what is decided of them, none included.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN count as no class.
    labels
        True class, shape (object,).
    classes
        Number of classes.

    Returns
    -------
    array
        Objects, shape (true class, class decided on or none): "none" is the last column.

    Examples
    --------
    >>> posterior = np.array([[0.9, 0.1], [0.6, 0.4], [np.nan, np.nan]])
    >>> confusion(posterior, np.array([0, 1, 1]), 2).tolist()
    [[1, 0, 0], [1, 0, 1]]
    """
    return reliability.confusion(decide(posterior), labels, classes)


def rarest(labels: Labels) -> int:
    """Give the class that the fewest objects have, of those that occur; of equals the first.

    Examples
    --------
    >>> rarest(np.array([0, 0, 2, 3, 3, 2, 0]))
    2
    """
    counts = np.bincount(labels)
    return int(np.where(counts > 0, counts, len(labels) + 1).argmin())


def shared(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Give two posteriors with NaN wherever either has none, for a difference of arms.

    Parameters
    ----------
    first, second
        Shape (object, class), of the same objects.

    Examples
    --------
    >>> first, second = shared(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([[1, 0], [np.nan] * 2]))
    >>> first
    array([[0.2, 0.8],
           [nan, nan]])
    """
    both = (known_rows(first) & known_rows(second))[:, None]
    return np.where(both, first, np.nan), np.where(both, second, np.nan)


def _decisions(right: Floats, objects: Floats, ending: str) -> dict[str, Floats]:
    """Give the measures of a decision from sums by class, shape (draw, class)."""
    recalls = ratio(right, objects)
    return {
        f"accuracy{ending}": ratio(right.sum(axis=1), objects.sum(axis=1)),
        f"balanced_accuracy{ending}": recalls.mean(axis=1),
        f"gmean{ending}": recalls.prod(axis=1) ** (1 / recalls.shape[1]),
    }


def _columns(
    posterior: Floats, labels: Labels, prior: Floats, occurring: Labels
) -> dict[str, Floats]:
    """Give what each object adds to the sums, each kind of shape (object, column)."""
    objects: NDArray[np.bool_] = labels[:, None] == occurring
    right = np.equal(decide(posterior), labels)
    moved = np.equal(decide(posterior, prior), labels)
    top = posterior.max(axis=1)
    truth = labels[:, None] == np.arange(posterior.shape[1])
    in_bin = reliability.bin_numbers(top, BINS)[:, None] == np.arange(BINS)
    return {
        "objects": objects.astype(np.float64),
        "right": (objects & right[:, None]).astype(np.float64),
        "right_moved": (objects & moved[:, None]).astype(np.float64),
        "log_likelihood": log_likelihoods(posterior, labels)[:, None],
        "brier": np.square(posterior - truth).sum(axis=1, keepdims=True),
        "excess": in_bin * (right - top)[:, None],
    }


def _placed(block: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give objects with a posterior their rows among all; the others' are zero."""
    placed = np.zeros((len(known), block.shape[1]))
    placed[known] = block
    return placed


def _check_arrays(posterior: Floats, labels: Labels, prior: Floats, rare: int | None) -> None:
    """Refuse arrays that do not belong together."""
    if posterior.ndim != 2 or labels.shape != posterior.shape[:1] or not len(labels):
        raise ArgumentError(
            f"posterior has the shape {posterior.shape} and labels {labels.shape}; they are "
            "(object, class) and (object,), of one object or more"
        )
    classes = posterior.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise ArgumentError(
            f"labels run from {labels.min()} to {labels.max()}; they are classes from 0 to "
            f"{classes - 1}: leave out objects that have none"
        )
    if rare is not None and not 0 <= rare < classes:
        raise ArgumentError(f"rare is {rare}; it is a class from 0 to {classes - 1}")
    shaped = prior.shape in ((classes,), posterior.shape)
    if not shaped or not (prior >= 0).all() or not prior.any(axis=-1).all():
        raise ArgumentError(
            f"prior is {prior.tolist()}; it is a share for each of the {classes} classes, zero or "
            "more, of the training experts, for all objects or for each"
        )
