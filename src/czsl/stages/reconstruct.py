"""Stage reconstruct: an autoencoder learns what images look like, without any label."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import Training
from czsl.stages.context import Context
from czsl.stages.fitting import fit_network
from czsl.train.checkpoint import Tensors, without_prefix
from czsl.train.loop import Epochs
from czsl.train.samples import Samples


def reconstruct(
    context: Context, rows: NDArray[np.int64], training: Training
) -> tuple[Tensors, Epochs]:
    """Train the published autoencoder and give the weights of its convolutions.

    The loss is the pixel-wise binary cross-entropy (Jimenez et al. 2023).

    Parameters
    ----------
    context
        Images, device, seed.
    rows
        Images that train, shape (row,).
    training
        Optimiser and length.

    Returns
    -------
    dict of Tensor
        Weights of the encoder's convolutions.
    list of dict
        The epochs.
    """
    samples = Samples(images=context.images, view=context.view, rows=rows, targets={})

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.fold_seed)
        network = PublishedAutoencoder(channels=context.channels)
    weights, epochs = fit_network(context, "reconstruct", network, _loss, samples, training)
    return without_prefix("convolutions", weights), epochs


def _loss(network: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Binary cross-entropy between the pixels and their reconstruction."""
    return functional.binary_cross_entropy_with_logits(network(images), images)
