"""Arms whose encoder begins as another training leaves it, such as a denoising autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from czsl.chain import learn
from czsl.compare.cell import Cell
from czsl.compare.recipe_arm import judged_images, make_sets
from czsl.learned import Learned
from czsl.nets.given import GivenEncoder
from czsl.nets.network import Network, make_network
from czsl.nets.residual import ResidualEncoder
from czsl.recipes import Recipe, Training
from czsl.stages.fitting import fit_network
from czsl.stages.targets import make_layout
from czsl.train.checkpoint import Tensors
from czsl.train.samples import Samples

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Begun:
    """The recipe, whose residual encoder begins as another training leaves it."""

    recipe: Recipe

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        return judge(cell, self.recipe, self.fit(cell))

    def fit(self, cell: Cell) -> Learned:
        """Train the encoder, then all that the recipe has."""
        context = cell.context(self.recipe.precision)
        encoder = self.encoder(cell)
        given = GivenEncoder(encoder, channels=context.channels, size=context.view)
        given.layers = tuple(f"module.{layer}" for layer in encoder.layers)  # rates as by default
        learned = learn(cell.training, self.recipe, replace(context, encoder=given), cell.usable)
        cell.notes.extend(learned.notes)
        plain = tuple(own_names(weights) for weights in learned.networks)
        return replace(learned, networks=plain)

    def encoder(self, cell: Cell) -> ResidualEncoder:
        """Give the trained encoder."""
        raise NotImplementedError

    def training(self, cell: Cell, **changes: int) -> Training:
        """Give the optimiser and length of pretrain."""
        assert self.recipe.pretrain is not None
        settings = self.recipe.pretrain.for_senses(cell.training.config.classes.has_senses)
        return Training(**(settings.model_dump(include=set(Training.model_fields)) | changes))


class Denoiser(nn.Module):
    """The residual encoder, and a small decoder that restores what it was to see.

    Images come with Gaussian ``noise`` of that standard deviation, grey levels being 0 to 1,
    and the share ``masked`` of their 8 x 8 patches is black.
    """

    def __init__(self, encoder: ResidualEncoder, channels: int, noise: float, masked: float):
        super().__init__()
        self.encoder, self.noise, self.masked = encoder, noise, masked
        steps: list[nn.Module] = []
        given = encoder.features
        for _ in range(len(encoder.blocks) - 1):
            made = max(given // 2, 8)
            convolution = nn.Conv2d(given, made, 3, padding=1, bias=False)
            steps += [convolution, nn.BatchNorm2d(made), nn.ReLU(), nn.Upsample(scale_factor=2)]
            given = made
        last = nn.Conv2d(given, 4 * channels, 3, padding=1)
        self.decoder = nn.Sequential(*steps, last, nn.PixelShuffle(2))

    def forward(self, images: Tensor) -> Tensor:
        """Restore images, shape (object, channel, row, column), from what is left of them."""
        rows, columns = images.shape[2:]
        maps = self.encoder.blocks(self.encoder.stem(self.corrupted(images)))
        restored: Tensor = self.decoder(maps)[..., :rows, :columns]  # odd sides halve upwards
        return restored

    def corrupted(self, images: Tensor) -> Tensor:
        """Add noise, and black out patches: always the same ones where nothing is trained."""
        device, generator = images.device, None  # training seeds the default one every epoch
        if not self.training:
            generator = torch.Generator(device).manual_seed(0)
        grain = torch.randn(images.shape, generator=generator, device=device)
        hidden = torch.rand(len(images), 1, 8, 8, generator=generator, device=device) < self.masked
        hidden = functional.interpolate(hidden.float(), images.shape[2:]) > 0
        return (images + self.noise * grain).masked_fill(hidden, 0)


@dataclass(frozen=True)
class Denoising(Begun):
    """The recipe, whose encoder begins as that of a denoising autoencoder.

    It is trained as pretrain is, on the images of all objects without an expert's class.
    Without noise and patches it is a plain autoencoder.
    """

    noise: float = 0.1
    masked: float = 0.4

    def encoder(self, cell: Cell) -> ResidualEncoder:
        """Give the trained encoder."""
        context = cell.context(self.recipe.precision)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            encoder = new_network(cell, self.recipe).encoder
            network = Denoiser(encoder, context.channels, self.noise, self.masked)
        # Images of experts' objects stay unseen, so that their scores are honest.
        rows = np.flatnonzero(cell.usable & ~cell.training.is_expert)
        samples = Samples(images=context.images, view=context.view, rows=rows, targets={})
        asked = [self.noise, self.masked]
        weights, _ = fit_network(
            context, "denoise", network, restoring, samples, self.training(cell), inputs=asked
        )
        network.load_state_dict(weights)
        return network.encoder.cpu()


def restoring(network: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Mean squared error between the clean views and those restored."""
    return functional.mse_loss(network(images), images)


def own_names(weights: Tensors) -> Tensors:
    """Name weights as the recipe's own network does; leave out the scaling, which does nothing."""
    scaling = ("encoder.mean", "encoder.std", "encoder._extra_state")
    return {
        name.replace("encoder.module.", "encoder.", 1): tensor
        for name, tensor in weights.items()
        if name not in scaling
    }


def new_network(cell: Cell, recipe: Recipe) -> Network:
    """Make the recipe's network as its seed draws it."""
    config, context = cell.training.config, cell.context()
    layout = make_layout(config.votes, config.classes)
    return make_network(
        recipe.network,
        channels=context.channels,
        size=context.view,
        width=recipe.width,
        questions=layout.questions,
        classes=layout.classes,
        seed=cell.seed,
    )


def judge(cell: Cell, recipe: Recipe, learned: Learned) -> Floats:
    """Give the posterior of the scored objects from their images, and leave their sets."""
    posterior = judged_images(cell, recipe, learned, cell.scored)
    make_sets(cell, recipe, learned, "image", posterior)
    return posterior
