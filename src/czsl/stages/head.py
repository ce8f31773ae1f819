"""Start the classes' head where the experts' classes put it on the pre-trained features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from czsl.images.augment import steady
from czsl.nets.network import Network
from czsl.nets.residual import for_prediction
from czsl.stages.context import Context
from czsl.stages.infer import batch_size, quarter_turned
from czsl.stages.logistic import Logistic, fit_logistic
from czsl.stages.targets import Layout
from czsl.train.samples import to_tensor

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths C to choose from; features are many and experts few."""


class Heads:
    """Where the classes' heads of a fit's networks start: each is fitted once.

    It serves every weight of the transferred labels. Folds leave out experts' objects in turn:
    where they share a network, it looks at each image once. It looks at the images of one
    fold together, so that no bit depends on which fold asks first.

    Parameters
    ----------
    context
        Images, device, seed.
    layout
        The classes and their mirror.
    resampled
        Whether training rotates its images.
    """

    def __init__(self, context: Context, layout: Layout, *, resampled: bool) -> None:
        self.context, self.layout, self.resampled = context, layout, resampled
        self._seen: dict[tuple[int | None, int], tuple[Floats, Floats]] = {}
        self._fitted: dict[int, Logistic] = {}
        self._looking = Lock()

    def start(
        self,
        fold: int,
        network: Network,
        experts: Mapping[int, Rows],
        classes: Rows,
        *,
        shared: bool,
    ) -> None:
        """Set the classes' head to the logistic regression of classes on features, in place.

        Parameters
        ----------
        fold
            The fold whose network it is; several threads may ask at once.
        network
            With a trained encoder.
        experts
            Of each other fold the experts' objects, shape (row,) each.
        classes
            The class of every object, shape (object,); two or more among the experts'.
        shared
            Whether all folds start from this encoder.
        """
        if fold not in self._fitted:
            encoder = None if shared else fold
            seen = [self._look(encoder, part, network, rows) for part, rows in experts.items()]
            self._fitted[fold] = self._fit(seen, classes[np.concatenate(list(experts.values()))])
        fitted = self._fitted[fold]
        weight = fitted.weight / fitted.scale[:, None]
        bias = fitted.bias - fitted.mean @ weight
        with torch.no_grad():
            network.classes.weight.copy_(torch.from_numpy(weight.T))
            network.classes.bias.copy_(torch.from_numpy(bias))

    def _fit(self, seen: Sequence[tuple[Floats, Floats]], labels: Rows) -> Logistic:
        """Fit to images and their mirror images."""
        plain, mirrored = (np.vstack(each) for each in zip(*seen, strict=True))
        return fit_logistic(
            [(plain, labels), (mirrored, self.layout.class_mirror[labels])],
            classes=self.layout.classes,
            strengths=STRENGTHS,
            seed=self.context.seed,
        )

    def _look(
        self, encoder: int | None, part: int, network: Network, rows: Rows
    ) -> tuple[Floats, Floats]:
        """Give the features of one fold's images and of their mirror images."""
        look = partial(turned_features, self.context, network, resampled=self.resampled)
        with self._looking:  # who comes second finds them
            if (encoder, part) not in self._seen:
                plain, mirrored = (
                    self.context.ranks.dealt(rows, partial(look, mirrored=flip))
                    for flip in (False, True)
                )
                self._seen[encoder, part] = plain, mirrored
            return self._seen[encoder, part]


@torch.no_grad()
def turned_features(
    context: Context,
    network: Network,
    rows: Rows,
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
        with context.fabric.autocast():  # in the precision that trains and predicts
            turns = [encoder(quarter_turned(images, turn)).cpu() for turn in range(4)]
        parts.append(torch.stack(turns).double().mean(dim=0).numpy())
    return np.vstack(parts)
