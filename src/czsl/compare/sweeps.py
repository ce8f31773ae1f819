"""Sweeps: one thing about the tiers is varied, all else stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.compare.protocols import Split
from czsl.errors import ArgumentError, nearest

Rows = NDArray[np.int64]

SWEEPS: dict[str, tuple[float, ...]] = {
    "confidence": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    "experts": (20, 50, 100, 200, 500, 1000),
    "volunteers": (100, 300, 1000, 3000, 10000),
    "votes": (3, 5, 10, 20),
    "unlabelled": (0, 300, 1000, 3000, 10000),
}
"""What can be varied, and the values that it takes where none are given."""

BASE = "all"
"""Name of the setting in which nothing is varied."""


@dataclass(frozen=True, order=True)
class Setting:
    """One point of a sweep, or the base that all sweeps share.

    Parameters
    ----------
    sweep
        ``"confidence"``: only objects whose leading vote fraction is at least the value
        count as labelled by volunteers; ``"experts"``, ``"volunteers"``,
        ``"unlabelled"``: so many objects of the tier are used, the smaller sets within the
        larger; ``"votes"``: so many votes on each object are kept. None is the base.
    value
        The point.

    Examples
    --------
    >>> Setting("experts", 50.0).name, Setting().name
    ('experts=50', 'all')
    >>> Setting("volunteers", 1234567.0).name
    'volunteers=1234567'
    """

    sweep: str | None = None
    value: float = 0.0

    @property
    def name(self) -> str:
        """What files and tables call it."""
        return BASE if self.sweep is None else f"{self.sweep}={_spelled(self.value)}"

    @classmethod
    def named(cls, name: str) -> Setting:
        """Give the setting of a name.

        Examples
        --------
        >>> Setting.named("votes=5")
        Setting(sweep='votes', value=5.0)
        """
        sweep, _, value = name.partition("=")
        return cls() if name == BASE else cls(sweep, float(value))


def _spelled(value: float) -> str:
    """Write a value so that it is read back as it was: six digits where they are enough."""
    short = f"{value:g}"
    if float(short) == value:
        return short
    return str(int(value)) if value.is_integer() else repr(value)


def read_sweep(text: str) -> list[Setting]:
    """Read ``"experts"`` or ``"experts=20,50,100"``.

    Raises
    ------
    ArgumentError
        Where there is no such sweep, or a value cannot be used.

    Examples
    --------
    >>> [setting.name for setting in read_sweep("votes=3,5")]
    ['votes=3', 'votes=5']
    >>> read_sweep("expert")
    Traceback (most recent call last):
    czsl.errors.ArgumentError: sweep 'expert': there is no such sweep; did you mean 'experts'?
    """
    name, _, given = text.partition("=")
    if name not in SWEEPS:
        raise ArgumentError(f"sweep {name!r}: there is no such sweep; {nearest(name, SWEEPS)}")
    try:
        values = [float(value) for value in given.split(",")] if given else list(SWEEPS[name])
    except ValueError:
        values = [np.nan]
    least = 1.0 if name in ("experts", "votes") else 0.0
    if name == "confidence":
        allowed, good = "fractions from 0 to 1", [0 <= value <= 1 for value in values]
    else:
        allowed = f"whole numbers from {least:g}"
        good = [value >= least and value.is_integer() for value in values]
    if not all(good):
        raise ArgumentError(
            f"sweep {text!r}: values are {allowed}, separated by commas; for example "
            f"{name}={','.join(f'{value:g}' for value in SWEEPS[name][:3])}"
        )
    return [Setting(name, value) for value in sorted(set(values))]


def apply_setting(
    setting: Setting, catalogue: Catalogue, split: Split, seed: int
) -> tuple[Catalogue, Split]:
    """Vary what one fold learns from.

    Objects that lose their class or their votes are used as unlabelled; those that the
    sweep ``unlabelled`` leaves out are not used at all.

    Parameters
    ----------
    setting
        What to vary.
    catalogue
        The objects.
    split
        What the fold learns from.
    seed
        Of the execution.
    """
    if setting.sweep is None:
        return catalogue, split
    return _APPLY[setting.sweep](catalogue, split, setting.value, seed)


def leading_fraction(catalogue: Catalogue) -> NDArray[np.float64]:
    """Give the largest share of an answer to the first question that has votes, (object,).

    A class alone counts as a share of 1; 0 where there are no votes.
    """
    leading = np.zeros(len(catalogue))
    for votes in catalogue.questions:
        largest = np.nan_to_num(votes.fractions).max(axis=1)
        leading = np.where(leading > 0, leading, largest)
    return leading


def _confidence(
    catalogue: Catalogue, split: Split, least: float, seed: int
) -> tuple[Catalogue, Split]:
    # Fractions are rounded in tables: .6 there may be .5999 here.
    sure = leading_fraction(catalogue)[split.volunteers] >= least - 1e-6
    return catalogue, _keep(split, "volunteers", split.volunteers[sure])


def _fewer_votes(
    catalogue: Catalogue, split: Split, votes: float, seed: int
) -> tuple[Catalogue, Split]:
    questions = tuple(
        question.thinned(int(votes), seed * 1000 + place)
        for place, question in enumerate(catalogue.questions)
    )
    return replace(catalogue, questions=questions), split


def _fewer(tier: str) -> Callable[[Catalogue, Split, float, int], tuple[Catalogue, Split]]:
    """Make the sweep over the size of a tier."""

    def apply(
        catalogue: Catalogue, split: Split, number: float, seed: int
    ) -> tuple[Catalogue, Split]:
        rows: Rows = getattr(split, tier)
        # One order for all sizes: a smaller set lies within a larger one.
        order = np.random.default_rng([seed, len(tier)]).permutation(rows)
        return catalogue, _keep(split, tier, np.sort(order[: int(number)]))

    return apply


def _keep(split: Split, tier: str, kept: Rows) -> Split:
    """Leave some objects to a tier; the others lose their labels, or are not used."""
    if tier == "unlabelled":
        return replace(split, unlabelled=kept)
    lost = np.setdiff1d(getattr(split, tier), kept)
    changes = {tier: kept, "unlabelled": np.union1d(split.unlabelled, lost)}
    return replace(split, **changes)


_APPLY = {
    "confidence": _confidence,
    "votes": _fewer_votes,
    **{tier: _fewer(tier) for tier in ("experts", "volunteers", "unlabelled")},
}
