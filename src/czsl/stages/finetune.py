"""Stage finetune: the network learns from experts and from transferred labels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from czsl.nets.losses import cross_entropy, squared_error, votes_loss
from czsl.nets.network import Network
from czsl.recipes import Finetune
from czsl.stages.context import Context
from czsl.stages.fitting import fit_network
from czsl.stages.sampling import resampled
from czsl.stages.targets import VoteTargets
from czsl.train.checkpoint import Tensors
from czsl.train.loop import Epochs
from czsl.train.samples import Samples

Floats = NDArray[np.float64]


def finetune(
    context: Context,
    network: Network,
    votes: VoteTargets,
    rows: NDArray[np.int64],
    target: Floats,
    weight: Floats,
    settings: Finetune,
    *,
    sampling: str,
) -> tuple[Tensors, Epochs]:
    """Train a network on classes and give its weights.

    Parameters
    ----------
    context
        Images, device, seed.
    network
        Where training starts; changed in place.
    votes
        The votes on every object.
    rows
        Objects that train, shape (row,).
    target
        Probability of each class: an expert's class or a transferred label, shape
        (row, class).
    weight
        Weight of each row, shape (row,).
    settings
        Loss, optimiser and length.
    sampling
        ``"none"``, ``"over"`` or ``"under"``, by the likeliest class.

    Returns
    -------
    dict of Tensor
        The network's weights.
    list of dict
        The epochs.
    """
    chosen = resampled(target.argmax(axis=1), sampling, context.fold_seed)
    samples = Samples(
        images=context.images,
        view=context.view,
        rows=rows[chosen],
        targets={
            "classes": torch.from_numpy(target[chosen]).float(),
            "weight": torch.from_numpy(weight[chosen]).float(),
            "counts": torch.from_numpy(votes.counts[rows[chosen]]).float(),
        },
        mirrors={
            "classes": torch.from_numpy(votes.layout.class_mirror),
            "counts": torch.from_numpy(votes.layout.answer_mirror),
        },
    )

    def loss(model: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        outputs = model(images)
        if settings.loss == "squared":
            return squared_error(outputs.classes, targets["classes"])
        value = cross_entropy(outputs.classes, targets["classes"], targets["weight"])
        if settings.votes:
            counts = targets["counts"]
            value = value + settings.votes * votes_loss(
                outputs.answers, counts, votes.layout.questions
            )
        return value

    rates, inputs = {"encoder": settings.encoder_rate}, [votes.layout.questions]
    return fit_network(
        context, "finetune", network, loss, samples, settings, rates=rates, inputs=inputs
    )
