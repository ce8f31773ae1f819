"""A small residual network (He et al. 2016, CVPR, 770) for cutouts of a galaxy."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut.

    Parameters
    ----------
    given, made
        Channels in and out.
    stride
        2 halves the rows and columns.
    """

    def __init__(self, given: int, made: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(made)
        self.second = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(made)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or given != made:
            # An odd side halves upwards, as the convolution beside it does.
            pool = nn.AvgPool2d(stride, ceil_mode=True)
            self.shortcut = nn.Sequential(
                pool, nn.Conv2d(given, made, 1, bias=False), nn.BatchNorm2d(made)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Give the maps, shape (object, channel, row, column)."""
        inner = torch.relu_(self.first_norm(self.first(maps)))
        return torch.relu_(self.second_norm(self.second(inner)) + self.shortcut(maps))


class ResidualEncoder(nn.Module):
    """A stem that halves the image, then one residual block at each of four scales.

    Parameters
    ----------
    channels
        Channels of the images.
    width
        Channels of the stem and the first block; each of the next has twice as many.
    """

    layers = ("stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3")

    def __init__(self, *, channels: int, width: int) -> None:
        super().__init__()
        self.features = 8 * width
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            ResidualBlock(width, width, stride=1),
            ResidualBlock(width, 2 * width, stride=2),
            ResidualBlock(2 * width, 4 * width, stride=2),
            ResidualBlock(4 * width, 8 * width, stride=2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Give the features, the mean over the last maps, shape (object, feature)."""
        maps: Tensor = self.blocks(self.stem(images))
        return maps.mean(dim=(2, 3))
