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
    logits too: apply ``torch.sigmoid`` to see the reconstruction. The last doubling and
    convolution of ``decoder`` are done in one (:func:`doubled_convolution`).

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
        *layers, _, last = self.decoder
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        maps = self.convolutions(images)
        for layer in layers:
            maps = layer(maps)
        return doubled_convolution(maps, last.weight, last.bias)


def doubled_convolution(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Double the sides of maps by repetition, then convolve: both at once, in less time.

    Along each side, a pixel of the doubled maps and its two neighbours are of two pixels of
    the maps. So each of its four kinds has a kernel of its own on the maps, whose weights are
    sums of the given ones; what lies outside is zero in both.

    Parameters
    ----------
    maps
        Shape (object, given, row, column).
    weight
        Of a convolution of 3 x 3 pixels, shape (made, given, 3, 3).
    bias
        Shape (made,).

    Returns
    -------
    Tensor
        Shape (object, made, 2 rows, 2 columns): up to rounding, what
        ``torch.nn.Upsample(scale_factor=2)`` and a convolution padded by 1 give.

    Examples
    --------
    >>> maps, weight = torch.tensor([[[[1.0, 2.0]]]]), torch.ones(1, 1, 3, 3)
    >>> doubled_convolution(maps, weight, torch.zeros(1))
    tensor([[[[ 4.,  8., 10.,  8.],
              [ 4.,  8., 10.,  8.]]]])
    """
    kernels = _of_both(_of_both(weight, -2, place=1), -1, place=2).flatten(0, 2)
    found = functional.conv2d(maps, kernels, bias.repeat_interleave(4), padding=1)
    return functional.pixel_shuffle(found, 2)


def _of_both(weight: Tensor, side: int, *, place: int) -> Tensor:
    """Give kernels for the first and the second of two pixels that repeat one, along a side."""
    before, same, after = weight.unbind(side)
    nothing = torch.zeros_like(same)
    first = torch.stack([before, same + after, nothing], side)
    second = torch.stack([nothing, before + same, after], side)
    return torch.stack([first, second], place)
