"""What the stages of a recipe give, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.conclude import Conclusion
from czsl.stages.transfer import FittedTransfer
from czsl.train.checkpoint import Tensors

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned(Conclusion):
    """What the stages give: networks, and what was concluded of the experts' objects.

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
    choices
        Weights of transferred labels that were tried: ``transferred, log_loss, chosen``.
    experts
        Rows of the catalogue with an expert's class, shape (expert,).
    history
        Epochs of every stage: ``stage, fold, epoch, loss, held_out, images_per_second``.
    notes
        What was left out and why, and what went wrong without stopping the work.
    """

    networks: tuple[Tensors, ...]
    from_answers: bool
    transfer: FittedTransfer | None
    autoencoder: Tensors | None
    choices: tuple[dict[str, Any], ...]
    experts: Rows
    history: list[dict[str, Any]]
    notes: tuple[str, ...]
