"""A cell of a comparison: one arm on one fold of one execution in one setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.compare.protocols import Split
from czsl.images.store import ImageStore
from czsl.imaging import open_images
from czsl.model import Hardware
from czsl.stages.context import Context
from czsl.train.progress import Reporter, silent

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class Cell:
    """What an arm is given: what it may learn from, and which objects it is to judge.

    Rows are those of the whole catalogue everywhere.

    Parameters
    ----------
    truth
        The catalogue with everything that is known; arms that peek are no use.
    split
        What is learned from.
    seed
        Seed of the execution: what depends on it alone is shared by its folds.
    fold
        Number of the fold, from 1.
    stages
        Folder of the stages' results, shared by all cells.
    hardware
        Device and threads.
    report
        Listener of the training's progress.
    notes
        What an arm has to say; it may append.

    Attributes
    ----------
    prior : (class,)
        Shares of the classes that the posterior takes for granted, for the moved decision:
        those among the objects of L, unless an arm that learns from others, or samples
        otherwise, sets them.
    sets : (scored, class)
        Whether each class is in the set of each scored object; None unless an arm sets it.
    """

    truth: Catalogue
    split: Split
    seed: int
    fold: int
    stages: Path
    hardware: Hardware
    report: Reporter = silent
    notes: list[str] = field(default_factory=list)
    sets: NDArray[np.bool_] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.prior = self._shares(self.split.experts)

    @property
    def fold_seed(self) -> int:
        """A seed of this fold's own."""
        return (self.seed * 1000 + self.fold) % 2**32  # scikit-learn takes no more

    def ceiling_prior(self) -> None:
        """Take the shares of the classes among all training objects, as ``ceiling`` has them."""
        self.prior = self._shares(self.split.training)

    def even_prior(self) -> None:
        """Take classes for equally common, as over- and under-sampling make them."""
        present = self.prior > 0
        self.prior = present / present.sum()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The objects with everyone's votes and without experts' classes."""
        everyone = np.ones(len(self.truth), bool)
        return self.truth.hiding(classes=everyone, votes=~everyone)

    @cached_property
    def training(self) -> Catalogue:
        """What may be learned from: classes of L, votes of L and A, nothing of the others."""
        return self._learnable(self.split.experts)

    @cached_property
    def ceiling(self) -> Catalogue:
        """The same with the experts' class of every training object that has one."""
        return self._learnable(self.split.training)

    @cached_property
    def scored(self) -> Rows:
        """The objects to judge: those of L, A, U and the test fold with an expert's class."""
        rows = np.union1d(self.split.training, self.split.test)
        return rows[self.truth.is_expert[rows]]

    @cached_property
    def images(self) -> ImageStore:
        """The images of all objects.

        Raises
        ------
        ConfigError
            Where the configuration names no images.
        """
        return open_images(self.truth, processes=1)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether an object's image may train: usable and in L, A or U, shape (object,)."""
        mask = np.zeros(len(self.truth), bool)
        mask[self.split.training] = True
        return mask & self.images.usable

    def context(self, precision: str = "32") -> Context:
        """Give what the stages are given besides their data."""
        return Context(
            images=self.images,
            images_fingerprint=self.images.fingerprint,
            channels=self.images.channels,
            view=self.truth.config.images.seen,
            folder=self.stages,
            fabric=self.hardware.fabric(precision),
            seed=self.seed,
            report=self.report,
        )

    def _shares(self, rows: Rows) -> Floats:
        """Give the shares of the classes among some rows, shape (class,)."""
        taught = self.truth.experts[rows]
        counts = np.bincount(taught[taught >= 0], minlength=len(self.truth.classes))
        shares: Floats = counts / max(counts.sum(), 1)
        return shares

    def _learnable(self, named: Rows) -> Catalogue:
        """Hide all classes but those of some rows, and all votes but those of L and A."""
        classes = np.ones(len(self.truth), bool)
        classes[named] = False
        votes = np.ones(len(self.truth), bool)
        votes[np.union1d(self.split.experts, self.split.volunteers)] = False
        # A fold column is the comparison's; a recipe makes folds of its own.
        return replace(self.truth.hiding(classes=classes, votes=votes), folds=None)


Arm = Callable[[Cell], Floats]
"""Learns from ``cell.training`` and gives the posterior of each class for the objects
``cell.scored``, shape (scored, class); rows of NaN where it has none."""

Arms = Mapping[str, Arm]
