"""How sure a comparison is: bootstrap over executions and objects, tests over folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError
from czsl.ranking import Floats
from czsl.scores import LEVELS

CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over executions with its 95% interval; NaN where there is none.

    Attributes
    ----------
    mean
        Over the executions, on all objects.
    low, high
        2.5% and 97.5% quantiles of the draws.
    executions
        How many were averaged.
    undefined
        Share of the draws in which the measure is not defined.
    """

    mean: float
    low: float
    high: float
    executions: int
    undefined: float


class Draws:
    """Draws of a bootstrap, the same for all arms: executions and, independently, objects.

    Parameters
    ----------
    executions
        Number of executions; every one has scored every object once.
    objects
        Number of objects.
    draws
        Number of draws.
    seed
        Seed of the draws.

    Raises
    ------
    ArgumentError
        Where a number is below 1.

    Examples
    --------
    >>> draws = Draws(3, 100, draws=10)
    >>> draws.execution_counts().shape, [weights.shape for weights in draws.object_weights(chunk=8)]
    ((10, 3), [(8, 100), (2, 100)])
    """

    def __init__(self, executions: int, objects: int, draws: int = 1000, seed: int = 0) -> None:
        numbers = {"executions": executions, "objects": objects, "draws": draws}
        for name, number in numbers.items():
            if number < 1:
                raise ArgumentError(f"{name} is {number}; it is 1 or more")
        self.number = draws
        self._executions, self._objects = executions, objects
        self._seeds = np.random.SeedSequence(seed).spawn(2)

    def execution_counts(self, kept: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Give how often each execution was drawn, shape (draw, execution).

        Parameters
        ----------
        kept
            Executions to draw from, shape (execution,); as many are drawn as are kept. Without
            it all.

        Examples
        --------
        >>> drawn = Draws(3, 5, draws=4).execution_counts(np.array([True, False, True]))
        >>> drawn.sum(axis=1), drawn[:, 1]
        (array([2, 2, 2, 2]), array([0, 0, 0, 0]))
        """
        kept = np.ones(self._executions, dtype=bool) if kept is None else kept
        rows = np.flatnonzero(kept)
        # One table of numbers serves every choice of executions, so that arms stay paired.
        uniform = np.random.default_rng(self._seeds[0]).random((self.number, self._executions))
        chosen = rows[(uniform[:, : len(rows)] * len(rows)).astype(np.int64)]
        counts: NDArray[np.int64] = (chosen[:, :, None] == np.arange(self._executions)).sum(axis=1)
        return counts

    def object_weights(self, chunk: int = CHUNK) -> Iterator[NDArray[np.uint16]]:
        """Give how often each object was drawn, some draws at a time.

        The draws are the same at every call and for every size of chunk.

        Parameters
        ----------
        chunk
            Draws at a time.

        Yields
        ------
        array
            Shape (draw, object), the draws in order.
        """
        random = np.random.default_rng(self._seeds[1])
        for start in range(0, self.number, chunk):
            weights = np.empty((min(chunk, self.number - start), self._objects), np.uint16)
            for row in weights:
                drawn = random.integers(self._objects, size=self._objects)
                row[:] = np.bincount(drawn, minlength=self._objects)
            yield weights


def two_level_bootstrap(values: Floats, drawn: Floats, draws: Draws) -> Interval:
    r"""Give the mean of a measure over executions, with its 95% interval.

    Executions and objects are crossed, since every execution scores every object. A draw
    takes executions with replacement and, independently, objects with replacement, the same
    for all executions and arms; its value is

    .. math::
        \bar v_d = \frac{\sum_e c_{de}\,v_{ed}}{\sum_e c_{de}}

    with the count :math:`c_{de}` of execution e and its measure :math:`v_{ed}` on the objects of
    draw d. For a difference of two arms, give the differences of their values: they are of
    the same draws. With one execution only the objects vary, and the interval says nothing
    about another training; with few it says too little, since the spread of E executions is
    drawn too small by the factor :math:`\sqrt{(E - 1)/E}`.

    Executions that failed, NaN on all objects or in every draw, are left out, so that a
    difference is over those that neither arm failed. A draw in which an execution drawn has
    no value is left out of the quantiles; where that is half of the draws or more, there is no
    interval: the rest would speak of other samples than this one.

    Parameters
    ----------
    values
        Measure of each execution on all objects, shape (execution,).
    drawn
        Measure on the objects of each draw, shape (execution, draw).
    draws
        The draws.

    Raises
    ------
    ArgumentError
        Where the shapes are not those of the draws.

    Examples
    --------
    >>> draws = Draws(2, 50, draws=400)
    >>> right = np.arange(50) < 40
    >>> weights = np.concatenate(list(draws.object_weights()))
    >>> drawn = np.stack([weights @ right / 50, weights @ right / 50 + 0.02])
    >>> found = two_level_bootstrap(np.array([0.8, 0.82]), drawn, draws)
    >>> round(found.mean, 2), found.low < 0.75, found.high > 0.87
    (0.81, True, True)
    """
    executions = draws.execution_counts().shape[1]
    if values.shape != (executions,) or drawn.shape != (executions, draws.number):
        raise ArgumentError(
            f"values have the shape {values.shape} and drawn {drawn.shape}; they are "
            f"({executions},) and ({executions}, {draws.number}), as the draws are"
        )
    kept = ~np.isnan(values) & ~np.isnan(drawn).all(axis=1)
    number = int(kept.sum())
    if not number:
        return Interval(mean=np.nan, low=np.nan, high=np.nan, executions=0, undefined=1.0)
    counts = draws.execution_counts(kept).T
    means = np.where(counts > 0, counts * drawn, 0).sum(axis=0) / number
    undefined = float(np.isnan(means).mean())
    low, high = np.nanquantile(means, LEVELS) if undefined < 0.5 else (np.nan, np.nan)
    return Interval(
        mean=float(values[kept].mean()),
        low=float(low),
        high=float(high),
        executions=number,
        undefined=undefined,
    )


@dataclass(frozen=True, kw_only=True)
class ResampledT:
    """The mean of differences, its 95% interval and the two-sided p; NaN where unknown."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class CorrelatedT:
    """Probabilities that an arm is worse, practically equal, better; NaN where unknown."""

    worse: float
    equal: float
    better: float


def corrected_resampled_t(differences: Floats, test_share: float) -> ResampledT:
    r"""Test differences of two arms over folds and executions, whose training sets overlap.

    .. math::
        t = \frac{\bar d}{\sqrt{(1/J + n_\mathrm{test}/n_\mathrm{train})\,s^2}}

    of J - 1 degrees of freedom, with the mean and the variance :math:`s^2` (of J - 1) of the J
    differences (Nadeau and Bengio 2003, Mach. Learn. 52, 239).

    Parameters
    ----------
    differences
        Of each fold of each execution, shape (cell,); cells of NaN are left out.
    test_share
        Objects tested over objects trained on, in one cell: 1/(K - 1) for K folds.

    Returns
    -------
    ResampledT
        With fewer than two cells no interval and no p. Cells that all agree show no spread
        to measure by: where all are 0 the arms are the same, with p of 1 and an interval of
        0 to 0, otherwise there is no interval and no p.

    Raises
    ------
    ArgumentError
        Where the test share is not positive.

    Examples
    --------
    >>> found = corrected_resampled_t(np.array([0.01, 0.03, 0.02, 0.04, 0.0]), 0.25)
    >>> round(found.mean, 4), round(found.low, 4), round(found.p, 4)
    (0.02, -0.0094, 0.1324)
    """
    from scipy.stats import t

    cells, mean, spread = _spread(differences, test_share)
    if np.isnan(spread):
        return ResampledT(mean=mean, low=np.nan, high=np.nan, p=np.nan)
    if spread == 0:
        return ResampledT(mean=0.0, low=0.0, high=0.0, p=1.0)
    half = float(t.ppf(LEVELS[1], cells - 1)) * spread
    p = 2 * float(t.sf(abs(mean) / spread, cells - 1))
    return ResampledT(mean=mean, low=mean - half, high=mean + half, p=p)


def bayesian_correlated_t(
    differences: Floats, test_share: float, rope: float = 0.005
) -> CorrelatedT:
    r"""Give the probabilities that an arm is worse, practically equal and better.

    The mean difference has a Student posterior of J - 1 degrees of freedom, around the mean
    of the J differences with the scale

    .. math::
        \sqrt{\Big(\frac{1}{J} + \frac{\rho}{1 - \rho}\Big) s^2}, \qquad
        \rho = \frac{n_\mathrm{test}}{n_\mathrm{test} + n_\mathrm{train}}

    (Corani and Benavoli 2015, Mach. Learn. 100, 285, eq. 8); equal is what lies within
    ``rope`` of 0.

    Parameters
    ----------
    differences
        Of each fold of each execution, shape (cell,), positive where the arm is better; cells
        of NaN are left out.
    test_share
        Objects tested over objects trained on, in one cell: 1/(K - 1) for K folds.
    rope
        Half the width of the region of practical equivalence.

    Returns
    -------
    CorrelatedT
        With fewer than two cells NaN. Where all cells agree: equal is 1 where all are 0,
        otherwise NaN.

    Raises
    ------
    ArgumentError
        Where the test share is not positive.

    Examples
    --------
    >>> found = bayesian_correlated_t(np.array([0.01, 0.03, 0.02, 0.04, 0.0]), 0.25)
    >>> round(found.worse, 3), round(found.equal, 3), round(found.better, 3)
    (0.039, 0.076, 0.885)
    """
    from scipy.stats import t

    cells, mean, spread = _spread(differences, test_share)
    if np.isnan(spread):
        return CorrelatedT(worse=np.nan, equal=np.nan, better=np.nan)
    if spread == 0:
        return CorrelatedT(worse=0.0, equal=1.0, better=0.0)
    worse = float(t.cdf((-rope - mean) / spread, cells - 1))
    better = float(t.sf((rope - mean) / spread, cells - 1))
    return CorrelatedT(worse=worse, equal=max(1 - worse - better, 0.0), better=better)


def holm(p: Floats) -> Floats:
    r"""Adjust p-values for being many (Holm 1979, Scand. J. Stat. 6, 65), shape (test,).

    .. math::
        \tilde p_{(i)} = \max_{j \le i} \min\big(1, (m - j + 1)\,p_{(j)}\big)

    of the m values in rising order. NaN stays NaN and is not counted.

    Parameters
    ----------
    p
        Shape (test,).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, np.nan, 0.03]))
    array([0.03, 0.06,  nan, 0.06])
    """
    order = np.argsort(p)
    order = order[~np.isnan(p[order])]
    adjusted = np.full(len(p), np.nan)
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, steps * p[order]))
    return adjusted


def verdict(low: float, high: float, lower_is_better: bool = False) -> str:
    """Say "better", "worse" or "undecided" of the interval of a difference.

    An interval that holds 0 decides nothing, nor does one that is NaN.

    Parameters
    ----------
    low, high
        The interval of the arm's measure less the other's.
    lower_is_better
        Whether the measure is an error.

    Examples
    --------
    >>> verdict(0.01, 0.03), verdict(0.01, 0.03, lower_is_better=True), verdict(-0.01, 0.03)
    ('better', 'worse', 'undecided')
    """
    if 0 < low <= high:
        return "worse" if lower_is_better else "better"
    if low <= high < 0:
        return "better" if lower_is_better else "worse"
    return "undecided"


def _spread(differences: Floats, test_share: float) -> tuple[int, float, float]:
    """Give the number of cells, their mean, and the standard error of it.

    The error is 0 where all are 0, and NaN where it cannot be known.
    """
    if not test_share > 0:
        raise ArgumentError(f"test_share is {test_share}; it is above 0: n_test / n_train")
    cells = differences[~np.isnan(differences)]
    number = len(cells)
    if number < 2:
        return number, float(cells.mean()) if number else np.nan, np.nan
    # Differences that agree but for rounding have no variance either.
    if np.ptp(cells) <= 1e-12:
        same = bool(np.abs(cells).max() <= 1e-12)
        return number, float(cells.mean()), 0.0 if same else np.nan
    variance = (1 / number + test_share) * float(np.var(cells, ddof=1))
    return number, float(cells.mean()), float(np.sqrt(variance))
