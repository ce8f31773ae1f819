"""What the stages of a recipe give, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.stages.transfer import FittedTransfer
from czsl.train.checkpoint import Tensors

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What the stages give.

    Attributes
    ----------
    networks
        Weights of each network: one for each fold, or one where all folds share it.
    from_answers
        Whether classes are read off the volunteers' answers.
    transfer
        Fitted on all experts' objects that have votes; None where there is none.
    autoencoder
        Weights of the autoencoder; None where the recipe has none.
    temperature
        Divides the logits; 1 where it was not fitted.
    experts
        Rows of the catalogue with an expert's class, shape (expert,).
    folds
        Fold of each, shape (expert,); -1 where one network learned from all.
    image_posterior
        Out-of-fold posterior of each from its image, shape (expert, class); NaN where
        the image cannot be used.
    votes_posterior
        The same from its votes; NaN where there are none.
    history
        Epochs of every stage: ``stage, fold, epoch, loss, held_out, images_per_second``.
    notes
        What was left out and why, and what went wrong without stopping the work.
    """

    networks: tuple[Tensors, ...]
    from_answers: bool
    transfer: FittedTransfer | None
    autoencoder: Tensors | None
    temperature: float
    experts: Rows
    folds: Rows
    image_posterior: Floats
    votes_posterior: Floats
    history: list[dict[str, Any]]
    notes: tuple[str, ...]
