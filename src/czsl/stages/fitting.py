"""What every stage that trains a network does: split, train, keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from czsl.recipes import Training
from czsl.stages.context import Context
from czsl.train.checkpoint import Tensors
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
        last = training.hold_out == "last"
        kept, held_out = split(len(samples), training.held_out, last=last, seed=context.seed)
        weights, epochs = train(
            network,
            loss,
            samples.take(kept),
            samples.take(held_out),
            training,
            rates=rates,
            seed=context.fold_seed,
            fabric=context.fabric,
            stage=context.name(stage),
            checkpoint=checkpoint,
            report=context.report,
        )
        return weights, {"epochs": epochs}

    start = dict(network.state_dict())
    settings = training.model_dump()
    weights, content = context.kept(
        stage, [settings, samples.tensors(), start, *(inputs or [])], make
    )
    return weights, content["epochs"]
