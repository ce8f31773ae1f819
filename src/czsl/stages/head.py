"""Start the classes' head where the experts' classes put it on the pre-trained features."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from czsl.images.augment import steady
from czsl.nets.network import Network
from czsl.nets.residual import for_prediction
from czsl.stages.context import Context
from czsl.stages.infer import batch_size, quarter_turned
from czsl.stages.logistic import fit_logistic
from czsl.stages.targets import Layout
from czsl.train.samples import to_tensor

Floats = NDArray[np.float64]

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths C to choose from; features are many and experts few."""


def start_head(
    context: Context,
    network: Network,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    layout: Layout,
    *,
    resampled: bool,
) -> None:
    """Set the classes' head to the logistic regression of classes on features, in place.

    Parameters
    ----------
    context
        Images, device, seed.
    network
        With a trained encoder.
    rows
        Experts' objects, shape (row,).
    labels
        Their classes, shape (row,), two or more.
    layout
        The classes and their mirror.
    resampled
        Whether training rotates its images.
    """
    plain, mirrored = (
        context.ranks.dealt(
            rows,
            partial(turned_features, context, network, mirrored=flip, resampled=resampled),
        )
        for flip in (False, True)
    )
    fitted = fit_logistic(
        [(plain, labels), (mirrored, layout.class_mirror[labels])],
        classes=layout.classes,
        strengths=STRENGTHS,
        seed=context.seed,
    )
    weight = fitted.weight / fitted.scale[:, None]
    bias = fitted.bias - fitted.mean @ weight
    with torch.no_grad():
        network.classes.weight.copy_(torch.from_numpy(weight.T))
        network.classes.bias.copy_(torch.from_numpy(bias))


@torch.no_grad()
def turned_features(
    context: Context,
    network: Network,
    rows: NDArray[np.int64],
    *,
    mirrored: bool,
    resampled: bool,
) -> Floats:
    """Give the features of images, averaged over quarter turns, shape (row, feature).

    Parameters
    ----------
    context
        Images and device.
    network
        Its encoder gives the features.
    rows
        Which images, shape (row,).
    mirrored
        Whether the images are mirrored first.
    resampled
        Whether training rotates its images.
    """
    device, last = context.fabric.device, torch.channels_last
    encoder = for_prediction(network.encoder).to(device, memory_format=last)  # type: ignore[call-overload]
    size, parts = batch_size(context.view, device), []
    for start in range(0, len(rows), size):
        images = to_tensor(context.images.gather(rows[start : start + size]), device)
        images = images.flip(3) if mirrored else images
        images = steady(images, context.view, resampled=resampled)
        turns = [encoder(quarter_turned(images, turn)) for turn in range(4)]
        parts.append(torch.stack(turns).mean(dim=0).double().cpu().numpy())
    return np.vstack(parts)
