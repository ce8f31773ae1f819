"""The arm that fits a recipe, and what arms that start from a fitted recipe share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from czsl.chain import learn
from czsl.compare.cell import Cell
from czsl.learned import Learned
from czsl.nets.pretrained import open_encoder
from czsl.recipes import Recipe
from czsl.record import where_fused
from czsl.stages.context import Context
from czsl.stages.infer import ClassReader, open_reader
from czsl.stages.sets import Calibration, prediction_sets
from czsl.stages.targets import make_layout
from czsl.train.checkpoint import Tensors

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RecipeArm:
    """A recipe, fitted as ``czsl fit`` does; it judges by the image alone.

    Parameters
    ----------
    recipe
        The settings of its stages.
    ceiling
        Whether it learns from the experts' class of every training object.
    """

    recipe: Recipe
    ceiling: bool = False

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        learned = fit_recipe(cell, self.recipe, ceiling=self.ceiling)
        if self.ceiling:
            cell.ceiling_prior()
        if self.recipe.sampling != "none":
            cell.even_prior()
        posterior = judged_images(cell, self.recipe, learned, cell.scored)
        make_sets(cell, self.recipe, learned, "image", posterior)
        return posterior


def fit_recipe(cell: Cell, recipe: Recipe, *, ceiling: bool = False) -> Learned:
    """Fit a recipe to what a cell may learn from; what it has to say goes to the cell's notes.

    Parameters
    ----------
    cell
        What may be learned from.
    recipe
        The settings of its stages.
    ceiling
        Whether it learns from the experts' class of every training object.
    """
    training = cell.ceiling if ceiling else cell.training
    learned = learn(training, recipe, _context(cell, recipe), cell.usable)
    cell.notes.extend(learned.notes)
    cell.notes.extend(
        f"transferred labels weigh {choice['transferred']:g}: log loss {choice['log_loss']:.4f}"
        f"{', chosen' if choice['chosen'] else ''}"
        for choice in learned.choices
    )
    return learned


def _context(cell: Cell, recipe: Recipe) -> Context:
    """Give the cell's context for a recipe, with the module that its networks stand on."""
    encoder = open_encoder(recipe.network, recipe.encoder, None)
    return replace(cell.context(recipe.precision), encoder=encoder)


def judged_images(cell: Cell, recipe: Recipe, learned: Learned, rows: NDArray[np.int64]) -> Floats:
    """Give the posterior of objects from their images, shape (row, class); NaN without one.

    Parameters
    ----------
    cell
        Holds the images.
    recipe
        What was fitted.
    learned
        What it gave.
    rows
        Objects, shape (row,).
    """
    context, config = _context(cell, recipe), cell.training.config
    known = cell.images.usable[rows]
    layout = make_layout(config.votes, config.classes)

    def read(_: Path) -> tuple[Tensors, dict[str, Any]]:
        return {"logits": torch.from_numpy(reader().stored(cell.images, rows[known]))}, {}

    def reader() -> ClassReader:
        return open_reader(
            learned.networks,
            recipe,
            layout,
            channels=context.channels,
            view=context.view,
            from_answers=learned.from_answers,
            device=context.fabric.device,
            encoder=context.encoder,
        )

    # Kept, for arms that differ in what they make of the same networks.
    asked = {"rows": torch.from_numpy(rows[known])}
    meaning = [layout.class_answers.tolist(), layout.after, layout.class_mirror.tolist()]
    given = [
        *learned.networks, asked, recipe.views, recipe.resampled, learned.from_answers, meaning,
    ]  # fmt: skip
    kept, _ = context.kept("judged", given, read)
    return spread(learned.calibrator.probabilities(kept["logits"].numpy()), known)


def make_sets(
    cell: Cell,
    recipe: Recipe,
    learned: Learned,
    source: Literal["image", "fused"],
    posterior: Floats,
) -> None:
    """Make the sets of the scored objects, and leave them to the cell.

    Parameters
    ----------
    cell
        Takes the sets.
    recipe
        Says their coverage; without it there are none.
    learned
        Holds the experts' objects.
    source
        Where the posterior comes from.
    posterior
        Posterior of the scored objects, shape (scored, class).
    """
    if recipe.sets is None:
        return
    said = learned.image_posterior
    if source == "fused":
        said = where_fused(said, learned.votes_posterior, learned.fused_posterior)
    labels = cell.truth.experts[learned.experts]
    calibration = Calibration.of(said, labels, np.ones(len(labels)), learned.held)
    if calibration is None:
        return
    if source == "image":
        calibration = calibration.with_mirror_images(learned.mirror)
    cell.sets = prediction_sets(calibration, posterior, recipe.sets.coverage)


def spread(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Give the objects that could be judged their places among all; NaN for the others.

    Parameters
    ----------
    values
        Posterior of those that could, shape (known, class).
    known
        Which those are, shape (object,).

    Examples
    --------
    >>> spread(np.array([[0.2, 0.8]]), np.array([False, True]))
    array([[nan, nan],
           [0.2, 0.8]])
    """
    posterior = np.full((len(known), values.shape[1]), np.nan)
    posterior[known] = values
    return posterior
