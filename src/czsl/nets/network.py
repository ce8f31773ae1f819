"""The shape that every network of ours has: an encoder and two heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from czsl.errors import ArgumentError
from czsl.nets.given import wrap_encoder
from czsl.nets.published import PublishedEncoder
from czsl.nets.residual import ResidualEncoder

FIRST_PRECISION = -3.4
"""Logit of the precision before training: 4, as of votes that correlate by 0.2."""


class Outputs(NamedTuple):
    """What a network says of a batch of images.

    Attributes
    ----------
    answers
        For each question the logits of its answers and of its precision (see
        :func:`czsl.nets.losses.dirichlet_multinomial`), shape (object, answers +
        questions); no columns where the network has no head for them.
    classes
        Logits of the experts' classes, shape (object, class).
    features
        What the encoder gives, shape (object, feature).
    """

    answers: Tensor
    classes: Tensor
    features: Tensor


class Network(nn.Module):
    """An encoder with one head for volunteers' answers and one for experts' classes.

    Parameters
    ----------
    encoder
        Maps images (object, channel, row, column), 0 to 1, to features (object, feature).
    features
        Number of features that the encoder gives.
    questions
        Number of answers of each question; empty for no such head.
    classes
        Number of classes.
    """

    def __init__(
        self, encoder: nn.Module, *, features: int, questions: Sequence[int], classes: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.0)
        outputs = [answers + 1 for answers in questions]
        self.answers = nn.Linear(features, sum(outputs)) if outputs else None
        if self.answers is not None:
            with torch.no_grad():
                self.answers.bias[torch.tensor(outputs).cumsum(0) - 1] = FIRST_PRECISION
        self.classes = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Outputs:
        """Give the logits of answers and classes for a batch of images."""
        features = self.encoder(images)
        left = self.dropout(features)
        answers = self.answers(left) if self.answers else left[:, :0]
        return Outputs(answers=answers, classes=self.classes(left), features=features)


def make_network(
    kind: str,
    *,
    channels: int,
    size: int,
    width: int,
    questions: Sequence[int],
    classes: int,
    seed: int,
    encoder: nn.Module | None = None,
) -> Network:
    """Make a network with random weights that depend on the seed alone.

    Parameters
    ----------
    kind
        ``"published"``, ``"residual"``, or what stands on a module: ``"pretrained"`` and
        ``"given"``.
    channels, size
        Channels and side (pixels) of the images.
    width
        Channels of the residual network's first blocks.
    questions
        Number of answers of each question; the published network has no head for them.
    classes
        Number of classes.
    seed
        Seed of the weights.
    encoder
        The module, where the network stands on one; it is copied, with its weights.

    Raises
    ------
    ArgumentError
        Where the published network is asked for a side that eight does not divide, or an
        encoder cannot take the images.

    Examples
    --------
    >>> network = make_network("published", channels=3, size=64, width=32, questions=[6],
    ...                        classes=2, seed=0)
    >>> sum(parameter.numel() for parameter in network.parameters())
    166674
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if encoder is not None:
            wrapped = wrap_encoder(encoder, channels=channels, size=size)
            return Network(wrapped, features=wrapped.features, questions=questions, classes=classes)
        if kind == "residual":
            encoder = ResidualEncoder(channels=channels, size=size, width=width)
            return Network(encoder, features=encoder.features, questions=questions, classes=classes)
        if size % 8:
            raise ArgumentError(
                f"size = {size}: the published network halves images three times; choose a "
                f"multiple of 8 for 'size' in [images], as {8 * max(1, round(size / 8))}"
            )
        published = PublishedEncoder(channels=channels, size=size)
        network = Network(published, features=published.features, questions=(), classes=classes)
        published.initialise(network)
        return network
