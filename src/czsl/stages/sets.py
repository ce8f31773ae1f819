"""Sets of classes that cannot be ruled out: conformal prediction, class by class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError
from czsl.scores import known_rows, wilson_interval

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Experts' objects that make the sets.

    Judged out of fold (cross-conformal) the coverage of the sets is approximate; held out of
    all teaching it is exact, for objects that are drawn as they were.

    Parameters
    ----------
    posterior
        By what did not learn from the object, shape (object, class).
    labels
        The experts' classes, shape (object,).
    weights
        Objects of the survey that each stands for, up to a factor, shape (object,).
    objects
        Number of each object, which its mirror image bears too, shape (object,); None where
        none of them is ever judged itself.
    """

    posterior: Floats
    labels: Labels
    weights: Floats
    objects: Labels | None = None

    @classmethod
    def of(
        cls, posterior: Floats, labels: Labels, weights: Floats, held: NDArray[np.bool_]
    ) -> Self | None:
        """Take the objects whose posterior is known, those held out alone where there are such.

        Each is numbered by its row.

        Parameters
        ----------
        posterior
            Shape (object, class); rows of NaN where unknown.
        labels, weights
            As above, of all objects.
        held
            Whether each was held out of all teaching, shape (object,).

        Returns
        -------
        Calibration
            None where no object is left to make sets of.
        """
        chosen = known_rows(posterior)
        if held.any():
            chosen &= held
        if not chosen.any():
            return None
        return cls(
            posterior=posterior[chosen],
            labels=labels[chosen],
            weights=weights[chosen],
            objects=np.flatnonzero(chosen),
        )

    def with_mirror_images(self, mirror: Labels) -> Self:
        """Let each object of a class that mirroring changes stand for its mirror image too.

        Where the posterior of a mirror image is that of the image with classes swapped, and the
        sky prefers neither, a class and its mirror have twice as many objects, and one threshold.

        Parameters
        ----------
        mirror
            The class that each becomes when the image is mirrored, shape (class,).

        Examples
        --------
        >>> one = Calibration(
        ...     posterior=np.array([[0.7, 0.2, 0.1]]), labels=np.array([0]), weights=np.ones(1)
        ... )
        >>> both = one.with_mirror_images(np.array([1, 0, 2]))
        >>> both.posterior, both.labels
        (array([[0.7, 0.2, 0.1],
               [0.2, 0.7, 0.1]]), array([0, 1]))
        """
        changed = mirror[self.labels] != self.labels
        numbers = self.objects
        return replace(
            self,
            posterior=np.concatenate([self.posterior, self.posterior[changed][:, mirror]]),
            labels=np.concatenate([self.labels, mirror[self.labels[changed]]]),
            weights=np.concatenate([self.weights, self.weights[changed]]),
            objects=None if numbers is None else np.concatenate([numbers, numbers[changed]]),
        )

    def themselves(self, itself: Labels | None, objects: int) -> tuple[Floats, Floats]:
        """Give what objects that are judged have among these: themselves, and mirror images.

        Parameters
        ----------
        itself
            Number of each object that is judged, shape (object,): -1 for one that is none of
            these; None where none is.
        objects
            How many are judged.

        Returns
        -------
        Array, Array
            Posterior (infinite where there is nothing) and weight (0 there) of what stands for
            the object among the objects of each class, shape (object, class).
        """
        classes = self.posterior.shape[1]
        posterior, weights = np.full((objects, classes), np.inf), np.zeros((objects, classes))
        if itself is None or self.objects is None or not (itself >= 0).any():
            return posterior, weights
        # One row more than there are numbers: it stays empty, and -1 takes it.
        size = 2 + max(self.objects.max(initial=-1), itself.max(initial=-1))
        posterior, weights = np.full((size, classes), np.inf), np.zeros((size, classes))
        rows = np.arange(len(self.labels))
        posterior[self.objects, self.labels] = self.posterior[rows, self.labels]
        weights[self.objects, self.labels] = self.weights
        return posterior[itself], weights[itself]


def p_values(
    calibration: Calibration,
    posterior: Floats,
    weights: Floats | None = None,
    itself: Labels | None = None,
) -> Floats:
    r"""Give the conformal p-value of each class for each object.

    .. math::
        \pi_k(x) = \frac{w_x + \sum_{i: y_i = k} w_i\,[p_{ik} \le p_k(x)]}
            {w_x + \sum_{i: y_i = k} w_i}

    with the posterior p of the class: the share of the class's own objects that look no more
    like it than x does. (Class-conditional, or Mondrian: Vovk 2012, PMLR 25, 475; weights:
    Tibshirani et al. 2019, NeurIPS 32, equation 7.)

    Parameters
    ----------
    calibration
        The experts' objects.
    posterior
        Posterior of other objects, shape (object, class).
    weights
        Their weights, shape (object,); of those that are not known (NaN) the mean weight of
        the class's experts' objects is taken, for which the coverage is approximate. Of an
        infinite weight, an object unlike any that experts could see, every p-value is 1.
    itself
        Which of the experts' objects each is, by its number in the calibration, shape (object,);
        -1 for none, and None where none is. Such an object is judged by the others, as if it and
        its mirror image were not among them.

    Returns
    -------
    Array
        Shape (object, class); rows of NaN where the posterior is not known.

    Examples
    --------
    >>> known = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> calibration = Calibration(posterior=known, labels=np.array([0, 0, 1]), weights=np.ones(3))
    >>> p_values(calibration, np.array([[0.7, 0.3]])).round(3)
    array([[0.667, 0.5  ]])
    >>> numbered = replace(calibration, objects=np.arange(3))
    >>> p_values(numbered, known[:1], itself=np.array([0])).round(3)  # by the other two
    array([[1. , 0.5]])
    """
    found = np.full(posterior.shape, np.nan)
    same, less = calibration.themselves(itself, len(posterior))
    for k in range(posterior.shape[1]):
        inside = calibration.labels == k
        order = np.argsort(calibration.posterior[inside, k], kind="stable")
        scores = calibration.posterior[inside, k][order]
        running = np.concatenate([[0.0], np.cumsum(calibration.weights[inside][order])])
        total, number = running[-1] - less[:, k], len(scores) - np.isfinite(same[:, k])
        typical = np.where(number > 0, total / np.maximum(number, 1), 1.0)
        own = typical if weights is None else np.where(np.isnan(weights), typical, weights)
        upto = running[np.searchsorted(scores, posterior[:, k], side="right")]
        upto = upto - np.where(same[:, k] <= posterior[:, k], less[:, k], 0.0)
        unlike = np.isinf(own)
        own = np.where(unlike, 1.0, own)
        found[:, k] = np.where(unlike, 1.0, (own + upto) / (own + total))
    found[~known_rows(posterior)] = np.nan
    return found


def prediction_sets(
    calibration: Calibration,
    posterior: Floats,
    coverage: float,
    weights: Floats | None = None,
    itself: Labels | None = None,
) -> NDArray[np.bool_]:
    """Give the classes of each object that cannot be ruled out.

    Of the objects of each class, a share of ``coverage`` or more has that class in its set. A
    set is never empty: where no class passes, the one of the largest p-value stands, of equals
    the more probable. An object of which nothing is known cannot be told from any class.

    Parameters
    ----------
    calibration
        The experts' objects. Classes that have fewer than :func:`needed` of them are in
        every set.
    posterior
        Posterior of other objects, shape (object, class).
    coverage
        Above 0 and below 1.
    weights, itself
        As in :func:`p_values`.

    Returns
    -------
    Array
        Whether each class is in the set, shape (object, class).

    Raises
    ------
    ArgumentError
        Where the coverage is no share.
    """
    _check(coverage)
    values = p_values(calibration, posterior, weights, itself)
    unknown = ~known_rows(values)
    with np.errstate(invalid="ignore"):
        sets = values > 1 - coverage + 1e-12
    # Too few objects that weigh more than the object at hand would rule their class out.
    same, _ = calibration.themselves(itself, len(posterior))
    sets |= _counts(calibration) - np.isfinite(same) < needed(coverage)
    best = values.max(axis=1, keepdims=True)
    likeliest = np.where(values == best, posterior, -1.0).argmax(axis=1)
    empty = np.flatnonzero(~sets.any(axis=1) & ~unknown)
    sets[empty, likeliest[empty]] = True
    sets[unknown] = True
    return sets


def needed(coverage: float) -> int:
    """Give the number of experts' objects that a class needs for a coverage.

    Examples
    --------
    >>> needed(0.9), needed(0.95), needed(0.5)
    (9, 19, 1)

    Raises
    ------
    ArgumentError
        Where the coverage is no share.
    """
    _check(coverage)
    return int(np.ceil(1 / (1 - coverage) - 1e-9)) - 1


def unsupported(calibration: Calibration, coverage: float) -> list[int]:
    """Give the classes with too few experts' objects for a coverage: they are in every set."""
    return np.flatnonzero(_counts(calibration) < needed(coverage)).tolist()


def coverage_by_class(
    sets: NDArray[np.bool_], labels: Labels, classes: int
) -> list[dict[str, Any]]:
    """Compare sets with the classes that the objects have.

    Parameters
    ----------
    sets
        Whether each class is in the set, shape (object, class).
    labels
        True classes, shape (object,).
    classes
        Number of classes.

    Returns
    -------
    list of dict
        For each class ``covered, low, high`` (Wilson's interval of 95%), ``size`` (the mean
        number of classes in a set), ``single`` (the share of sets of one class) and ``n``.

    Examples
    --------
    >>> sets = np.array([[True, False], [True, True]])
    >>> coverage_by_class(sets, np.array([0, 0]), 2)[0]["covered"]
    1.0
    """
    rows = []
    for k in range(classes):
        inside = sets[labels == k]
        right, number = int(inside[:, k].sum()), len(inside)
        low, high = wilson_interval(right, number)
        size = inside.sum(axis=1)
        rows.append(
            {
                "covered": right / number if number else None,
                "low": low,
                "high": high,
                "size": float(size.mean()) if number else None,
                "single": float((size == 1).mean()) if number else None,
                "n": number,
            }
        )
    return rows


def _counts(calibration: Calibration) -> Labels:
    """Count the objects of each class, shape (class,)."""
    return np.bincount(calibration.labels, minlength=calibration.posterior.shape[1])


def _check(coverage: float) -> None:
    """Refuse a coverage that is no share."""
    if not 0 < coverage < 1:
        raise ArgumentError(f"coverage is {coverage:g}; it is above 0 and below 1, such as 0.9")
