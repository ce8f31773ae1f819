"""From posteriors to classes: the decision moves with what the user wants, never the posterior."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ConfigError, Problems, nearest
from czsl.scores import known_rows, likeliest

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

RULES = ("accuracy", "gmean", "f1")
"""Rules by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """How the class follows from the posterior.

    Parameters
    ----------
    gains
        What deciding on a class is worth where an object has another, shape (true class,
        decided class). The class of the highest expected worth is decided on.
    by_shares
        Whether the worth is against the shares that the posterior takes for granted: then it
        decides on a posterior of these shares, whatever those of the survey are.
    """

    gains: Floats
    by_shares: bool = False

    def decide(self, posterior: Floats) -> Labels:
        """Give the class of each object, shape (object,); -1 without a posterior.

        Parameters
        ----------
        posterior
            Shape (object, class).

        Examples
        --------
        >>> rare = Rule(gains=np.diag([1.0, 9.0]))
        >>> rare.decide(np.array([[0.8, 0.2], [0.95, 0.05], [np.nan, np.nan]]))
        array([ 1,  0, -1])
        """
        return likeliest(posterior @ self.gains)


def make_rule(
    name: str | Path, posterior: Floats, labels: Labels, prior: Floats, classes: Sequence[str]
) -> Rule:
    """Make a rule by name or from a file of costs.

    Parameters
    ----------
    name
        ``"accuracy"``: the most probable class; ``"gmean"``: the class whose probability is
        highest against its share, for equal recalls; ``"f1"``: for the highest mean F1 on the
        experts' objects; else a file for :func:`read_costs`.
    posterior
        Of experts' objects, out of fold, shape (object, class); rows of NaN are left out.
    labels
        Their classes, shape (object,).
    prior
        Shares of the classes, shape (class,); by ``"gmean"`` none of share 0 is decided on.
    classes
        Names of the classes.

    Raises
    ------
    ConfigError
        Where there is no such rule or file, or the file cannot be used.
    """
    if name == "accuracy":
        return Rule(gains=np.eye(len(classes)))
    if name == "gmean":
        return Rule(
            gains=np.diag(np.divide(1, prior, out=np.zeros(len(prior)), where=prior > 0)),
            by_shares=True,
        )
    if name == "f1":
        return Rule(gains=np.diag(f1_weights(posterior, labels)))
    if not Path(name).exists():
        raise ConfigError(
            f"--decide {name}: there is no such rule and no such file; the rules are "
            f"{', '.join(RULES)}, and a file of costs is written as [cost.TRUE] DECIDED = number"
        )
    return Rule(gains=-read_costs(Path(name), classes))


def f1_weights(posterior: Floats, labels: Labels) -> Floats:
    """Find weights of the classes for the highest mean F1: the class of p times weight is taken.

    One weight after another is moved to the best place between two objects' decisions, until
    none moves; from equal weights, and from those of equal recalls. With two classes that is the
    best threshold there is. The highest F1 of few objects promises more than others will show.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN are left out.
    labels
        True classes, shape (object,).

    Examples
    --------
    >>> posterior = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]])
    >>> weights = f1_weights(posterior, np.array([0, 0, 1, 1]))
    >>> (posterior * weights).argmax(axis=1)
    array([0, 0, 1, 1])
    """
    known, classes = known_rows(posterior), posterior.shape[1]
    logs, truth = np.log(posterior[known].clip(1e-12, 1.0)), labels[known]
    if not len(truth):
        return np.ones(classes)
    rarity = -np.log(np.bincount(truth, minlength=classes).clip(1))
    found = [_climb(logs, truth, start) for start in (np.zeros(classes), rarity)]
    best = max(found, key=lambda shift: mean_f1((logs + shift).argmax(axis=1), truth, classes))
    weights: Floats = np.exp(best - best.max())
    return weights


def mean_f1(decided: Labels, labels: Labels, classes: int) -> float:
    """Give the mean over classes of F1, the harmonic mean of precision and recall.

    Examples
    --------
    >>> mean_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    0.666...
    """
    pairs = np.bincount(labels * classes + decided, minlength=classes**2).reshape(classes, classes)
    total = pairs.sum(axis=0) + pairs.sum(axis=1)
    found = np.divide(2 * np.diag(pairs), total, out=np.zeros(classes), where=total > 0)
    return float(found[total > 0].mean()) if (total > 0).any() else 0.0


def _climb(logs: Floats, truth: Labels, shift: Floats) -> Floats:
    """Move the logarithms of the weights, one after another, until none moves."""
    shift = shift.copy()
    for _ in range(20):
        before = shift.copy()
        for k in range(len(shift)):
            shift[k] = _best_shift(logs, truth, shift, k)
        if np.array_equal(before, shift):
            break
    return shift


def _best_shift(logs: Floats, truth: Labels, shift: Floats, k: int) -> float:
    """Give the best shift of one class's logarithm, the nearest to the present of equals."""
    others = logs + shift
    others[:, k] = -np.inf
    edges = others.max(axis=1) - logs[:, k]  # at more than its edge an object falls to class k
    order = np.argsort(edges, kind="stable")
    edges = edges[order]
    values = _f1_of_cuts(others.argmax(axis=1)[order], truth[order], k, logs.shape[1])
    places = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
    apart = np.concatenate([[True], edges[1:] > edges[:-1], [True]])  # equals fall together
    best = apart & (values >= values[apart].max() - 1e-12)
    if best[np.searchsorted(edges, shift[k])] and shift[k] not in edges:
        return float(shift[k])
    return float(places[best][np.abs(places[best] - shift[k]).argmin()])


def _f1_of_cuts(rest: Labels, truth: Labels, k: int, classes: int) -> Floats:
    """Give the mean F1 where the first objects, none to all, fall to class k.

    Parameters
    ----------
    rest
        The class that each object has otherwise, shape (object,).
    truth
        Its true class, shape (object,).
    k
        The class.
    classes
        Number of classes.

    Returns
    -------
    Array
        Shape (object + 1,).
    """
    names = np.arange(classes)
    decided = np.zeros((len(rest) + 1, classes))  # (objects of class k, class)
    right = decided.copy()
    decided[:-1] = np.cumsum((rest[:, None] == names)[::-1], axis=0)[::-1]
    right[:-1] = np.cumsum(((rest == truth)[:, None] & (rest[:, None] == names))[::-1], axis=0)[
        ::-1
    ]
    decided[:, k] = np.arange(len(rest) + 1)
    right[1:, k] = np.cumsum(truth == k)
    total = decided + np.bincount(truth, minlength=classes)
    each = np.divide(2 * right, total, out=np.zeros(total.shape), where=total > 0)
    values: Floats = each.sum(axis=1) / (total > 0).sum(axis=1)
    return values


def read_costs(path: Path, classes: Sequence[str]) -> Floats:
    """Read what wrong decisions cost.

    The file holds a table for each true class and in it the cost of deciding on others; what
    is not named costs 1, the true class 0::

        [cost.merger]
        other = 10

    Parameters
    ----------
    path
        The file, TOML.
    classes
        Names of the classes.

    Returns
    -------
    Array
        Costs, shape (true class, decided class).

    Raises
    ------
    ConfigError
        Everything in it that cannot be used, at once.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML ({error})") from error
    problems, costs = Problems(), 1 - np.eye(len(classes))
    for word in content:
        if word != "cost":
            problems.add(f"{path}, [{word}]", "there is no such section", "name it [cost.CLASS]")
    if "cost" not in content:
        problems.add(str(path), "there is no [cost.CLASS] in it", "name a true class, and costs")
    for true, row in _tables(content.get("cost", {}), f"{path}, [cost]", problems).items():
        where = f"{path}, [cost.{true}]"
        if true not in classes:
            problems.add(where, f"there is no class {true!r}", nearest(true, classes))
            continue
        for decided, cost in _tables(row, where, problems).items():
            good = isinstance(cost, int | float) and not isinstance(cost, bool)
            if decided not in classes:
                problems.add(where, f"there is no class {decided!r}", nearest(decided, classes))
            elif not good or not 0 <= cost < float("inf"):
                problems.add(f"{where} {decided}", f"got {cost!r}", "a cost is 0 or more")
            else:
                costs[classes.index(true), classes.index(decided)] = cost
    problems.raise_if_fatal(ConfigError)
    return costs


def _tables(value: Any, where: str, problems: Problems) -> dict[str, Any]:
    """Give a table, or note what stands in its place."""
    if isinstance(value, dict):
        return value
    problems.add(where, f"got {value!r}", "a table is needed, as [cost.TRUE] DECIDED = number")
    return {}
