"""Learn from votes and from images alone at once, by BYOL (Grill et al. 2020, NeurIPS 33, 21271).

A network sees a view of each image and foretells what a slowly moving average of itself makes of
another view; beside that it learns the votes (as Walmsley et al. 2022, arXiv 2206.11927, do).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from begun import Begun, new_network
from torch import Tensor, nn
from torch.nn import functional

from czsl.compare.cell import Cell
from czsl.crowd.features import HALF_VOTES
from czsl.images.augment import augment
from czsl.nets.losses import shares_loss
from czsl.nets.network import Network, Outputs
from czsl.nets.residual import ResidualEncoder
from czsl.recipes import Augment
from czsl.stages.fitting import fit_network
from czsl.stages.targets import VoteTargets, vote_targets
from czsl.train.samples import Samples

OTHER_VIEW = Augment(rotate="any", mirror=False, shift=0.05, zoom=0.2, blur=1.0, noise=0.05)
"""How the second view differs. It is not mirrored: the votes tell senses of rotation apart."""

MOMENTUM = 0.99
"""Of the moving average: the part of its weights that a step leaves."""

HIDDEN, PROJECTED = 256, 64
"""Width of the projector's and predictor's hidden layer, and of what they give."""


class Byol(nn.Module):
    """A network that learns votes, and to foretell its own moving average's view of an image.

    Parameters
    ----------
    network
        Its encoder and its head for answers are trained.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.project = perceptron(network.classes.in_features)
        self.predict = perceptron(PROJECTED)
        self.target = nn.Sequential(deepcopy(network.encoder), deepcopy(self.project))
        self.target.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Outputs, Tensor]:
        """Give the outputs, and the mean over the images of 2 - 2 cos(foretold, seen)."""
        outputs = self.network(images)
        foretold = self.predict(self.project(outputs.features))
        with torch.no_grad():
            if self.training:
                self.follow()
            seen = self.target(other_view(images, fixed=not self.training))
        return outputs, (2 - 2 * functional.cosine_similarity(foretold, seen, dim=1)).mean()

    def follow(self) -> None:
        """Move the average a step towards the network."""
        own = [*self.network.encoder.parameters(), *self.project.parameters()]
        for slow, fast in zip(self.target.parameters(), own, strict=True):
            slow.lerp_(fast, 1 - MOMENTUM)


def perceptron(given: int) -> nn.Sequential:
    """Make the two layers that project or predict."""
    first = nn.Linear(given, HIDDEN, bias=False)
    return nn.Sequential(first, nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PROJECTED))


def other_view(images: Tensor, *, fixed: bool) -> Tensor:
    """Give another view of images; where ``fixed`` always the same one."""
    # Training seeds torch's own generator in every epoch: this goes on from it.
    seed = 0 if fixed else int(torch.randint(2**31, ()))
    generator = torch.Generator(images.device).manual_seed(seed)
    return augment(images, OTHER_VIEW, generator, view=images.shape[-1])[0]


@dataclass(frozen=True)
class Contrasted(Begun):
    """The recipe, whose encoder begins as one that learned votes and images alone at once.

    In every epoch as many unlabelled objects as voted ones are seen, so that the voted ones
    are seen as often as pretrain shows them. With a ``weight`` of 0 images alone teach nothing.
    """

    weight: float = 1.0

    def encoder(self, cell: Cell) -> ResidualEncoder:
        """Give the trained encoder."""
        context, votes = cell.context(self.recipe.precision), vote_targets(cell.training)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            network = Byol(new_network(cell, self.recipe))
        samples = self.samples(cell, votes)
        training = self.training(cell)
        if samples.companions:
            shown = samples.in_epoch / (samples.always or 1)
            training = self.training(cell, images=round(training.images * shown))
        loss = partial(foretelling, questions=votes.layout.questions, weight=self.weight)
        weights, _ = fit_network(
            context, "byol", network, loss, samples, training, inputs=[self.weight]
        )
        network.load_state_dict(weights)
        return network.network.encoder.cpu()

    def samples(self, cell: Cell, votes: VoteTargets) -> Samples:
        """Give the objects: voted ones first, then those of which only the image is used."""
        context = cell.context(self.recipe.precision)
        free = cell.usable & ~cell.training.is_expert
        voted = np.any(votes.counts > 0, axis=1)
        groups = [np.flatnonzero(free & voted), np.flatnonzero(free & ~voted)]
        always = len(groups[0])
        rows = np.concatenate(groups if self.weight else groups[:1])
        return Samples(
            images=context.images,
            view=context.view,
            rows=rows,
            targets={"counts": torch.from_numpy(votes.counts[rows]).float()},
            mirrors={"counts": torch.from_numpy(votes.layout.answer_mirror)},
            always=always,
            companions=min(always, len(rows) - always),
        )


def foretelling(
    model: nn.Module,
    images: Tensor,
    targets: dict[str, Tensor],
    *,
    questions: tuple[int, ...],
    weight: float,
) -> Tensor:
    """Loss of the votes' shares, and of what is foretold of other views."""
    outputs, apart = model(images)
    taught = shares_loss(outputs.answers, targets["counts"], questions, half=HALF_VOTES)
    total: Tensor = taught + weight * apart
    return total
