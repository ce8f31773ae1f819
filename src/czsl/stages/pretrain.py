"""Stage pretrain: a network learns what volunteers say of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from czsl.crowd.features import HALF_VOTES
from czsl.nets.losses import shares_loss, squared_error, votes_loss
from czsl.nets.network import Network
from czsl.recipes import Pretrain
from czsl.stages.context import Context
from czsl.stages.fitting import fit_network
from czsl.stages.sampling import resampled
from czsl.stages.targets import VoteTargets, one_hot
from czsl.train.checkpoint import Tensors
from czsl.train.loop import Epochs, Loss
from czsl.train.samples import Samples


def pretrain(
    context: Context,
    network: Network,
    votes: VoteTargets,
    rows: NDArray[np.int64],
    settings: Pretrain,
    *,
    sampling: str,
) -> tuple[Tensors, Epochs]:
    """Train a network on the volunteers' votes and give its weights.

    Parameters
    ----------
    context
        Images, device, seed.
    network
        Where training starts; changed in place.
    votes
        The votes on every object.
    rows
        Objects that may train, shape (row,); those without a target are left out.
    settings
        Target, optimiser and length.
    sampling
        ``"none"``, ``"over"`` or ``"under"``, by the volunteers' majority.

    Returns
    -------
    dict of Tensor
        The network's weights.
    list of dict
        The epochs.
    """
    samples = _samples(context, votes, rows, settings, sampling)

    questions = votes.layout.questions
    losses: dict[str, Loss] = {
        "majority": class_loss,
        "shares": partial(
            _answers_loss, loss=partial(shares_loss, half=HALF_VOTES), questions=questions
        ),
        "counts": partial(_answers_loss, loss=votes_loss, questions=questions),
    }
    loss = losses[settings.targets]
    return fit_network(context, "pretrain", network, loss, samples, settings, inputs=[questions])


def class_loss(model: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Squared error against one class, the published loss."""
    return squared_error(model(images).classes, targets["classes"])


def _answers_loss(
    model: nn.Module,
    images: Tensor,
    targets: dict[str, Tensor],
    *,
    loss: Callable[[Tensor, Tensor, Sequence[int]], Tensor],
    questions: tuple[int, ...],
) -> Tensor:
    """Take a loss of the answers' logits against the votes."""
    return loss(model(images).answers, targets["counts"], questions)


def _samples(
    context: Context,
    votes: VoteTargets,
    rows: NDArray[np.int64],
    settings: Pretrain,
    sampling: str,
) -> Samples:
    """Take the rows that have a target, resampled by the volunteers' majority."""
    if settings.targets == "majority":
        rows = rows[votes.majority[rows] >= 0]
        rows = rows[resampled(votes.majority[rows], sampling, context.fold_seed)]
        target = one_hot(votes.majority[rows], votes.layout.classes)
        mirrors = {"classes": torch.from_numpy(votes.layout.class_mirror)}
        return Samples(
            images=context.images,
            view=context.view,
            rows=rows,
            targets={"classes": target},
            mirrors=mirrors,
        )
    rows = rows[votes.counts[rows].sum(axis=1) > 0]
    rows = rows[resampled(votes.majority[rows], sampling, context.fold_seed)]
    return Samples(
        images=context.images,
        view=context.view,
        rows=rows,
        targets={"counts": torch.from_numpy(votes.counts[rows]).float()},
        mirrors={"counts": torch.from_numpy(votes.layout.answer_mirror)},
    )
