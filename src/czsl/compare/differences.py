"""Differences of arms, with intervals and tests: to one arm, and from tier to tier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from czsl.compare.contest import Contest, Scores
from czsl.compare.measures import LOWER_IS_BETTER, MEASURES
from czsl.compare.statistics import (
    bayesian_correlated_t,
    corrected_resampled_t,
    holm,
    verdict,
)
from czsl.scores import known_rows

Row = dict[str, Any]

DIFFERENCES = (
    *("task", "setting", "arm", "reference", "measure", "difference", "low", "high", "verdict"),
    *("p", "p_holm", "worse", "equal", "better", "objects", "executions"),
)

LADDERS = (
    ("experts", "no_transfer", "default"),
    (
        *("czsl2023_experts", "czsl2023_volunteers_experts"),
        *("czsl2023_no_autoencoder", "czsl2023"),
    ),
)
"""Arms of which each learns from what the one before learns from, and from more."""


def difference_rows(contest: Contest, reference: str) -> list[Row]:
    """Give the rows of ``differences.csv``: every arm against one, on the test folds.

    The verdict is that of the two-level bootstrap's interval; the corrected resampled t
    test, adjusted over arms by Holm's method, and the probabilities of the Bayesian
    correlated t test stand beside it.
    """
    if reference not in contest.posteriors:
        return []
    return _rows(contest, [(arm, reference) for arm in contest.posteriors if arm != reference])


def step_rows(contest: Contest) -> list[Row]:
    """Give the rows of ``steps.csv``: each arm of a ladder against the one before it."""
    return [row for pairs in steps(list(contest.posteriors)) for row in _rows(contest, pairs)]


def steps(arms: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Pair the arms of each of ``LADDERS`` that are there with those before them.

    Parameters
    ----------
    arms
        Names of arms.

    Examples
    --------
    >>> steps(["majority", "default", "experts"])
    [[('default', 'experts')]]
    """
    ladders = [[arm for arm in ladder if arm in arms] for ladder in LADDERS]
    return [list(zip(rungs[1:], rungs, strict=False)) for rungs in ladders if len(rungs) > 1]


def _rows(contest: Contest, pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """Give the differences of pairs of arms; p is adjusted over the pairs."""
    rows = [row for arm, other in pairs for row in _pair_rows(contest, arm, other)]
    for measure in MEASURES:
        same = [row for row in rows if row["measure"] == measure]
        adjusted = holm(np.array([row["p"] for row in same]))
        for row, p in zip(same, adjusted, strict=True):
            row["p_holm"] = p
    return rows


def _pair_rows(contest: Contest, arm: str, reference: str) -> list[Row]:
    """Give the difference of two arms in every measure."""
    drawn = contest.difference(arm, reference)
    judged = known_rows(contest.posteriors[arm])
    both = judged & known_rows(contest.posteriors[reference])
    scores = contest.fold_scores(arm, reference)
    folds = max((fold for _, fold in contest.ended[arm]), default=1)
    rows = []
    for measure in MEASURES:
        found = drawn.interval(measure, contest.bootstrap)
        rows.append(
            {
                "task": contest.task,
                "setting": contest.setting,
                "arm": arm,
                "reference": reference,
                "measure": measure,
                "difference": found.mean,
                "low": found.low,
                "high": found.high,
                "verdict": verdict(found.low, found.high, measure in LOWER_IS_BETTER),
                **_tests(scores, folds, measure),
                "objects": int(both.sum(axis=1).max()),
                "executions": found.executions,
            }
        )
    return rows


def _tests(scores: Sequence[tuple[Scores, Scores]], folds: int, measure: str) -> Row:
    """Test the differences of the test folds of two arms."""
    pairs = [(mine[measure], theirs[measure]) for mine, theirs in scores]
    differences = np.array([a - b for a, b in pairs if a is not None and b is not None])
    share = 1 / max(folds - 1, 1)
    resampled = corrected_resampled_t(differences, share)
    bayesian = bayesian_correlated_t(differences, share)
    worse, better = bayesian.worse, bayesian.better
    if measure in LOWER_IS_BETTER:
        worse, better = better, worse
    return {"p": resampled.p, "worse": worse, "equal": bayesian.equal, "better": better}
