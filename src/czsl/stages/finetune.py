"""Stage finetune: the network learns from experts and from transferred labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from czsl.crowd.features import FRACTION_VOTES
from czsl.nets.losses import cross_entropy
from czsl.nets.network import Network
from czsl.recipes import Finetune
from czsl.stages.context import Context
from czsl.stages.fitting import fit_network
from czsl.stages.pretrain import class_loss
from czsl.stages.sampling import resampled
from czsl.stages.targets import VoteTargets
from czsl.train.checkpoint import Tensors
from czsl.train.loop import Epochs
from czsl.train.samples import Samples

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


LONG_AVERAGE = 0.995
"""Decay of the moving average of weights in a long training, at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Experts' classes and transferred labels.

    Parameters
    ----------
    experts
        Objects with an expert's class, shape (expert,).
    classes
        That class, shape (expert,).
    volunteers
        Objects with a transferred label, shape (volunteer,); none of them an expert's.
    transferred
        Its posterior, shape (volunteer, class).
    """

    experts: Rows
    classes: Rows
    volunteers: Rows
    transferred: Floats


def finetune(
    context: Context,
    network: Network,
    votes: VoteTargets,
    labels: Labels,
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
        Where training starts, its heads too; changed in place.
    votes
        The votes on every object.
    labels
        Experts' classes and transferred labels.
    settings
        Loss, optimiser and length; of the weights of transferred labels it names one.
    sampling
        ``"none"``, ``"over"`` or ``"under"``, by class.

    Returns
    -------
    dict of Tensor
        The network's weights.
    list of dict
        The epochs.
    """
    network.dropout.p = settings.dropout
    squared = settings.loss == "squared"
    samples = _published if squared else _companions
    return fit_network(
        context,
        "finetune",
        network,
        class_loss if squared else _entropy_loss,
        samples(context, votes, labels, settings, sampling),
        settings,
        rates=layer_rates(network, settings),
        freeze=settings.freeze,
    )


def from_scratch(settings: Finetune) -> Finetune:
    """Change settings for a network that nothing was learned by before.

    The encoder learns as fast as the heads, the statistics of normalisation are its own,
    and training is much longer, in batches half as large and at twice the rate: that of a
    pre-training.

    Parameters
    ----------
    settings
        Settings for a pre-trained network.
    """
    if settings.loss == "squared":  # the published method trains all networks alike
        return settings
    changes = {
        "head": "random",
        "encoder_rate": 1.0,
        "layer_decay": 1.0,
        "freeze": False,
        "rate": 2 * settings.rate,
        "batch": max(settings.batch // 2, 1),
        "epochs": 4 * settings.epochs,
        "images": 8 * settings.images,
        "average": settings.average and max(settings.average, LONG_AVERAGE),
    }
    return settings.model_copy(update=changes)


def weighing(settings: Finetune, weight: float) -> Finetune:
    """Choose one of the weights of transferred labels."""
    return settings.model_copy(update={"transferred": (weight,)})


def layer_rates(network: Network, settings: Finetune) -> dict[str, float]:
    """Give the learning rate of each layer of the encoder, relative to the heads'.

    Parameters
    ----------
    network
        Its encoder names its layers from the first to the last.
    settings
        Rate of the last layer, and the factor from each layer to the one before.
    """
    layers = reversed(network.encoder.layers)  # type: ignore[arg-type]
    return {
        f"encoder.{layer}.": settings.encoder_rate * settings.layer_decay**depth
        for depth, layer in enumerate(layers)
    }


def _entropy_loss(model: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Weighted mean of the cross-entropy against the classes' probabilities."""
    return cross_entropy(model(images).classes, targets["classes"], targets["weight"])


def _published(
    context: Context, votes: VoteTargets, labels: Labels, settings: Finetune, sampling: str
) -> Samples:
    """Take all rows in the table's order, each with one class, as the published method does."""
    rows = np.concatenate([labels.experts, labels.volunteers])
    classes = np.concatenate([labels.classes, labels.transferred.argmax(axis=1)])
    order = np.argsort(rows, kind="stable")  # the last rows of the table are held out
    order = order[resampled(classes[order], sampling, context.fold_seed)]
    target = np.eye(votes.layout.classes)[classes[order]]
    return Samples(
        images=context.images,
        view=context.view,
        rows=rows[order],
        targets={"classes": torch.from_numpy(target).float()},
        mirrors={"classes": torch.from_numpy(votes.layout.class_mirror)},
    )


def _companions(
    context: Context, votes: VoteTargets, labels: Labels, settings: Finetune, sampling: str
) -> Samples:
    """Take the experts' objects in every epoch, and some of the volunteers' beside them."""
    chosen = resampled(labels.classes, sampling, context.fold_seed)
    experts = labels.experts[chosen]
    number = votes.counts[labels.volunteers].sum(axis=1)
    trust = settings.transferred[0] * number / (number + FRACTION_VOTES)
    target = np.vstack([np.eye(votes.layout.classes)[labels.classes[chosen]], labels.transferred])
    rows = np.concatenate([experts, labels.volunteers])
    beside = max(round(float(trust.sum())), 0 if len(experts) else 1)  # an epoch has a row
    return Samples(
        images=context.images,
        view=context.view,
        rows=rows,
        targets={
            "classes": torch.from_numpy(target).float(),
            "weight": torch.from_numpy(np.concatenate([np.ones(len(experts)), trust])).float(),
        },
        mirrors={"classes": torch.from_numpy(votes.layout.class_mirror)},
        always=len(experts),
        companions=min(beside, len(labels.volunteers)),
    )
