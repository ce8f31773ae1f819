"""The shape that every network of ours has: an encoder and two heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from czsl.errors import ArgumentError
from czsl.nets.published import PublishedEncoder
from czsl.nets.residual import ResidualEncoder


class Outputs(NamedTuple):
    """What a network says of a batch of images.

    Attributes
    ----------
    answers
        Logits of the volunteers' answers, shape (object, answer); no columns where the
        network has no head for them.
    classes
        Logits of the experts' classes, shape (object, class).
    """

    answers: Tensor
    classes: Tensor


class Network(nn.Module):
    """An encoder with one head for volunteers' answers and one for experts' classes.

    Parameters
    ----------
    encoder
        Maps images (object, channel, row, column), 0 to 1, to features (object, feature).
    features
        Number of features that the encoder gives.
    answers
        Number of answers over all questions; 0 for no such head.
    classes
        Number of classes.
    """

    def __init__(self, encoder: nn.Module, *, features: int, answers: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.0)
        self.answers = nn.Linear(features, answers) if answers else None
        self.classes = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Outputs:
        """Give the logits of answers and classes for a batch of images."""
        features = self.dropout(self.encoder(images))
        answers = self.answers(features) if self.answers else features[:, :0]
        return Outputs(answers=answers, classes=self.classes(features))


def make_network(
    kind: str, *, channels: int, size: int, width: int, answers: int, classes: int, seed: int
) -> Network:
    """Make a network with random weights that depend on the seed alone.

    Parameters
    ----------
    kind
        ``"published"`` or ``"residual"``.
    channels, size
        Channels and side (pixels) of the images.
    width
        Channels of the residual network's first blocks.
    answers, classes
        Outputs of the two heads; the published network has none for answers.
    seed
        Seed of the weights.

    Raises
    ------
    ArgumentError
        Where the published network is asked for a side that eight does not divide.

    Examples
    --------
    >>> network = make_network("published", channels=3, size=64, width=32, answers=6,
    ...                        classes=2, seed=0)
    >>> sum(parameter.numel() for parameter in network.parameters())
    166674
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "residual":
            encoder = ResidualEncoder(channels=channels, width=width)
            return Network(encoder, features=encoder.features, answers=answers, classes=classes)
        if size % 8:
            raise ArgumentError(
                f"size = {size}: the published network halves images three times; choose a "
                f"multiple of 8 for 'size' in [images], as {8 * max(1, round(size / 8))}"
            )
        published = PublishedEncoder(channels=channels, size=size)
        network = Network(published, features=published.features, answers=0, classes=classes)
        published.initialise(network)
        return network
