"""A small residual network (He et al. 2016, CVPR, 770) for cutouts of a galaxy."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


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
        self.first: nn.Module = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.first_norm: nn.Module = nn.BatchNorm2d(made)
        self.second: nn.Module = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.second_norm: nn.Module = nn.BatchNorm2d(made)
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

    def fold(self) -> None:
        """Put the normalisations into the convolutions before them."""
        self.first, self.first_norm = _folded(self.first, self.first_norm)
        self.second, self.second_norm = _folded(self.second, self.second_norm)
        if isinstance(self.shortcut, nn.Sequential):
            pool, convolution, norm = self.shortcut
            self.shortcut = nn.Sequential(pool, *_folded(convolution, norm))


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Give a convolution that normalises too, and what is left to do after it: nothing."""
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


FEWEST_BLOCKS = 4
"""Blocks of a network for views up to 112 pixels."""

LARGEST_MAP = 7
"""Side of the last maps, at most: so much is averaged away at the end."""


def block_count(size: int) -> int:
    """Say how many residual blocks a view takes.

    The stem halves the view, and each block but the first halves it again, down to a side of 2:
    in maps of one pixel normalisation in training has nothing to go by of a single image. There
    are four blocks, or as many more as it takes until the last maps have a side of 7 or less.

    Parameters
    ----------
    size
        Side of the view, pixels.

    Examples
    --------
    >>> [block_count(size) for size in (32, 64, 96, 112, 128, 224, 225)]
    [4, 4, 4, 4, 5, 5, 6]
    """
    blocks, side = 1, -(-size // 2)
    while side > LARGEST_MAP or blocks < FEWEST_BLOCKS:
        blocks, side = blocks + 1, -(-side // 2)
    return blocks


class ResidualEncoder(nn.Module):
    """A stem that halves the image, then one residual block at each scale.

    Parameters
    ----------
    channels
        Channels of the images.
    size
        Side of the images, pixels; says how many blocks there are (:func:`block_count`).
    width
        Channels of the stem and the first block; each of the next has twice as many, up to
        eight times ``width``.
    """

    def __init__(self, *, channels: int, size: int, width: int) -> None:
        super().__init__()
        blocks = block_count(size)
        made = [width * min(2**scale, 8) for scale in range(blocks)]
        self.features = made[-1]
        self.layers = ("stem", *(f"blocks.{block}" for block in range(blocks)))
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(ResidualBlock(width, width, stride=1))
        side = -(-size // 2)
        for given, more in pairwise(made):
            stride = 2 if side > 2 else 1
            self.blocks.append(ResidualBlock(given, more, stride=stride))
            side = -(-side // stride)

    def fold(self) -> None:
        """Put every normalisation into the convolution before it, for good.

        In evaluation mode it is a product and a sum for each channel, which the convolution
        does as well: the same values up to rounding, with fewer passes over the maps.
        """
        self.stem = nn.Sequential(*_folded(self.stem[0], self.stem[1]), self.stem[2])
        for block in self.blocks:
            block.fold()  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        """Give the features, the mean over the last maps, shape (object, feature)."""
        maps: Tensor = self.blocks(self.stem(images))
        return maps.mean(dim=(2, 3))


def for_prediction(encoder: nn.Module) -> nn.Module:
    """Give a copy of an encoder that gives the same features, faster where it is ours.

    Parameters
    ----------
    encoder
        Any module; normalisations of a :class:`ResidualEncoder` are folded.
    """
    copied = deepcopy(encoder).eval()
    if isinstance(copied, ResidualEncoder):
        copied.fold()
    return copied
