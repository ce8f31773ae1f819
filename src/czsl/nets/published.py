"""The networks of the published method, layer by layer.

Jimenez, Alfaro, Torres Torres and Triguero (2023, MNRAS 526, 1742). Weights start as
in the framework that the authors used: Glorot uniform, biases zero.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

FILTERS = (16, 8, 8)


class Halve(nn.Module):
    """Max-pooling of 2 x 2 pixels.

    Where no gradient is asked for, torch's own takes three times as long: it keeps the place
    of every maximum.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Give the largest of each 2 x 2 pixels, shape (object, channel, row, column)."""
        if torch.is_grad_enabled() or maps.device.type != "cpu":
            return functional.max_pool2d(maps, 2)
        rows = torch.maximum(maps[:, :, ::2], maps[:, :, 1::2])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


class PublishedConvolutions(nn.Sequential):
    """Three blocks of a 3 x 3 convolution, ReLU and 2 x 2 max-pooling: 16, 8, 8 filters.

    Pooling stands before ReLU: both orders give the same values, since ReLU never
    falls, and this one works on a quarter of the pixels.

    Parameters
    ----------
    channels
        Channels of the images.
    """

    def __init__(self, channels: int) -> None:
        layers: list[nn.Module] = []
        for given, made in pairwise((channels, *FILTERS)):
            layers += [nn.Conv2d(given, made, 3, padding=1), Halve(), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class PublishedEncoder(nn.Module):
    """The published classifier without its last layer.

    Parameters
    ----------
    channels, size
        Channels and side (pixels, a multiple of 8) of the images.
    """

    features = 128
    layers = ("convolutions", "dense")

    def __init__(self, *, channels: int, size: int) -> None:
        super().__init__()
        self.convolutions = PublishedConvolutions(channels)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(FILTERS[-1] * (size // 8) ** 2, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, self.features),
            nn.ReLU(inplace=True),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Give the features, shape (object, 128)."""
        features: Tensor = self.dense(self.convolutions(images))
        return features

    @staticmethod
    def initialise(module: nn.Module) -> None:
        """Draw the weights of every layer of a module: Glorot uniform, biases zero."""
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class PublishedAutoencoder(nn.Module):
    """The published convolutional autoencoder; gives logits of the pixels.

    The sigmoid of its last layer is left to the loss, where it is exact for large
    logits too: apply ``torch.sigmoid`` to see the reconstruction.

    Parameters
    ----------
    channels
        Channels of the images.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.convolutions = PublishedConvolutions(channels)
        layers: list[nn.Module] = []
        for given, made in pairwise((FILTERS[-1], *reversed(FILTERS))):
            layers += [
                nn.Conv2d(given, made, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Upsample(scale_factor=2),
            ]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(FILTERS[0], channels, 3, padding=1))
        PublishedEncoder.initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Give the logits of the reconstructed pixels, shaped as the images."""
        pixels: Tensor = self.decoder(self.convolutions(images))
        return pixels
