"""Stage reconstruct: an autoencoder learns what images look like, without any label."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from czsl.images.augment import central
from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import Training
from czsl.stages.context import Context
from czsl.stages.fitting import fit_network
from czsl.train.checkpoint import Tensors
from czsl.train.loop import Epochs
from czsl.train.samples import Samples, to_tensor
from czsl.train.sharing import rows_of_all


def reconstruct(
    context: Context, rows: NDArray[np.int64], training: Training
) -> tuple[Tensors, Epochs]:
    """Train the published autoencoder and give its weights.

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
        Weights: ``convolutions.`` of the encoder, ``decoder.`` of the rest.
    list of dict
        The epochs.
    """
    samples = Samples(images=context.images, view=context.view, rows=rows, targets={})

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.fold_seed)
        network = PublishedAutoencoder(channels=context.channels)
    return fit_network(context, "reconstruct", network, pixel_loss, samples, training)


def reconstructed(weights: Tensors, pixels: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """Give what a trained autoencoder makes of images.

    Parameters
    ----------
    weights
        As :func:`reconstruct` gives them.
    pixels
        Images of the store, shape (object, row, column, channel).
    view
        Side of the central square that the autoencoder sees, pixels.

    Returns
    -------
    Array
        Their reconstructions, shape (object, view, view, channel).
    """
    network = PublishedAutoencoder(channels=pixels.shape[-1])
    network.load_state_dict(weights)
    with torch.inference_mode():
        shown = torch.sigmoid(network(central(to_tensor(pixels, torch.device("cpu")), view)))
    grey: NDArray[np.uint8] = (255 * shown).round().byte().permute(0, 2, 3, 1).numpy()
    return grey


def pixel_loss(network: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Binary cross-entropy between the pixels and their reconstruction, mean over both.

    Parameters
    ----------
    network
        Gives the logits of the reconstructed pixels.
    images
        Shape (object, channel, row, column), 0 to 1.
    targets
        Not used: the images are what they should become.
    """
    pixels = network(images)
    return functional.binary_cross_entropy_with_logits(pixels, rows_of_all(network, images))
