"""Volunteers who vote on galaxies and experts who name their class, as people err."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.simulate.universe import ANSWERS, CLASSES, Universe

Array = NDArray[np.float64]

_ELLIPTICAL, _CLOCKWISE, _ANTICLOCKWISE, _EDGE, _MERGER, _OTHER = range(len(ANSWERS))


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The people who vote.

    Attributes
    ----------
    skill
        How strongly each reacts to what an image shows; shape (volunteer,).
    leaning
        Log-odds that each adds to every answer, whatever the image; (volunteer, answer).
    activity
        How many votes each gives, relative to the others; shape (volunteer,).
    """

    skill: Array
    leaning: Array
    activity: Array


def draw_crowd(rng: np.random.Generator, universe: Universe) -> Crowd:
    """Draw the volunteers: skilled or not, biased, a few of them very active.

    Examples
    --------
    >>> draw_crowd(np.random.default_rng(0), Universe(volunteers=50)).leaning.shape
    (50, 6)
    """
    number = universe.volunteers
    return Crowd(
        skill=rng.lognormal(np.log(universe.skill[0]), universe.skill[1], number),
        leaning=rng.normal(0.0, universe.personal_bias, (number, len(ANSWERS))),
        activity=1.0 + rng.pareto(1.2, number),
    )


def clarity(detail: Array, universe: Universe) -> Array:
    """How clearly a galaxy shows its class, from 0 (not at all) to 1; same shape as detail.

    c = 1 / (1 + (d_half / d)^s) with the detail d, a signal-to-noise ratio.

    Examples
    --------
    >>> clarity(np.array([0.0, 10.0]), Universe(detail_half=10.0)).tolist()
    [0.0, 0.5]
    """
    powered = np.asarray(detail, dtype=float) ** universe.detail_slope
    clear: Array = powered / (powered + universe.detail_half**universe.detail_slope)
    return clear


def perceived(
    kind: NDArray[np.int64], detail: Array, axis_ratio: Array, universe: Universe
) -> Array:
    """Log-odds of each answer in the eyes of an average volunteer, shape (object, answer).

    The right answer gains as the galaxy is clear, "elliptical" as it is not: faint, small
    and blurred spirals look smooth. What is thin is called edge-on, arms of unclear sense
    are called anticlockwise, mergers are overlooked.

    Parameters
    ----------
    kind
        Index of the true class in `CLASSES`, shape (object,).
    detail, axis_ratio
        As in `czsl.simulate.galaxies.Galaxy`, shape (object,).

    Examples
    --------
    >>> seen = perceived(np.array([1, 1]), np.array([500.0, 1.0]), np.ones(2), Universe())
    >>> [ANSWERS[best] for best in seen.argmax(axis=1)]
    ['clockwise', 'elliptical']
    """
    clear = clarity(detail, universe)
    unclear = 1.0 - clear
    seen = np.zeros((len(kind), len(ANSWERS)))  # (object, answer)
    seen[:, _ELLIPTICAL] = universe.smooth_bias * unclear
    seen[np.arange(len(kind)), kind] += universe.evidence * clear
    spiral = (kind == _CLOCKWISE) | (kind == _ANTICLOCKWISE)
    # Half seen, the arms are seen before their sense.
    arms = universe.evidence * clear * unclear
    wrong = _CLOCKWISE + _ANTICLOCKWISE - kind[spiral]
    seen[np.flatnonzero(spiral), wrong] += arms[spiral]
    seen[:, _ANTICLOCKWISE] += universe.anticlockwise_bias * unclear * spiral
    seen[:, _EDGE] += universe.edge_bias / (1.0 + np.exp((axis_ratio - 0.5) / 0.06))
    seen[:, _MERGER] += universe.merger_bias
    seen[:, _OTHER] += universe.other_bias
    return seen


def vote(
    seen: Array, crowd: Crowd, rng: np.random.Generator, universe: Universe
) -> NDArray[np.int64]:
    """Ask volunteers about one object; the number of votes for each answer, shape (answer,).

    Each of them gives the answer with the largest skill * (seen + shared) + leaning +
    Gumbel noise. The perturbation "shared" is the same for all who see the object, which
    is why their votes are not independent.

    Examples
    --------
    >>> rng, universe = np.random.default_rng(0), Universe()
    >>> int(vote(np.zeros(6), draw_crowd(rng, universe), rng, universe).sum())
    40
    """
    shared = rng.normal(0.0, universe.shared_perturbation, len(ANSWERS))
    # The first to arrive vote: an exponential waiting time draws without replacement.
    waiting = rng.exponential(1.0, crowd.activity.size) / crowd.activity
    asked = np.argpartition(waiting, universe.votes_per_object - 1)[: universe.votes_per_object]
    odds = crowd.skill[asked, None] * (seen + shared) + crowd.leaning[asked]  # (volunteer, answer)
    answers = np.argmax(odds + rng.gumbel(size=odds.shape), axis=1)
    return np.bincount(answers, minlength=len(ANSWERS))


def expert_class(kind: int, detail: float, rng: np.random.Generator, universe: Universe) -> int:
    """Index of the class that an expert names: the true one but for rare, unbiased errors.

    Examples
    --------
    >>> expert_class(3, 1e6, np.random.default_rng(0), Universe())
    3
    """
    unclear = 1.0 - float(clarity(np.array(detail), universe))
    others = [index for index in range(len(CLASSES)) if index != kind]
    if rng.random() < universe.expert_error * unclear:
        return int(rng.choice(others))
    return kind
