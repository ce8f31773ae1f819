"""What every stage that trains a network does: split, train, keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from czsl.recipes import Training
from czsl.stages.context import Context
from czsl.train.checkpoint import Tensors
from czsl.train.helpers import Job
from czsl.train.loop import Epochs, Loss, train
from czsl.train.samples import Samples, split


def fit_network(
    context: Context,
    stage: str,
    network: nn.Module,
    loss: Loss,
    samples: Samples,
    training: Training,
    *,
    rates: dict[str, float] | None = None,
    freeze: bool = False,
    inputs: list[Any] | None = None,
) -> tuple[Tensors, Epochs]:
    """Train a network on samples, or give its weights from disk where nothing has changed.

    Parameters
    ----------
    context
        Images, device, seed, folder.
    stage
        Name of the stage.
    network
        Where training starts; changed in place.
    loss
        What is minimised.
    samples
        Rows to train on and to hold out.
    training
        Optimiser and length.
    rates
        Relative learning rates by the start of the parameters' names.
    freeze
        Whether normalisation layers keep their statistics.
    inputs
        What else the result depends on.

    Returns
    -------
    dict of Tensor
        The network's weights.
    list of dict
        The epochs.
    """

    def make(checkpoint: Path) -> tuple[Tensors, dict[str, Any]]:
        kept, held_out = samples, samples.take(np.zeros(0, np.int64))
        if training.held_out:
            last = training.hold_out == "last"
            places = split(len(samples), training.held_out, last=last, seed=context.seed)
            kept, held_out = samples.take(places[0]), samples.take(places[1])
        job = Job(
            network=network,
            loss=loss,
            samples=kept,
            held_out=held_out,
            training=training,
            rates=rates or {},
            freeze=freeze,
            seed=context.fold_seed,
            stage=context.name(stage),
            checkpoint=checkpoint,
        )
        if context.helpers is not None:
            weights, epochs = context.helpers.train(job)
            return weights, {"epochs": epochs}
        weights, epochs = train(
            **vars(job),
            fabric=context.fabric,
            report=context.report,
            ranks=context.ranks,
            resident=context.resident,
        )
        return weights, {"epochs": epochs}

    start = dict(network.state_dict())
    settings = training.model_dump()
    weights, content = context.kept(
        stage, [settings, samples.tensors(), start, *(inputs or [])], make
    )
    return weights, content["epochs"]
