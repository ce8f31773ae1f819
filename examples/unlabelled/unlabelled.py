"""Ask what images without a label are worth: the recipe beside arms that learn from them too.

Usage: python unlabelled.py CONFIG [CONFIG ...] --out DIR, with --protocol, --folds, --sweep,
--executions, --seed, --arms, --jobs and --threads as `czsl compare` has them. The same command
goes on where it was stopped. Arms, each the recipe with one thing more:

autoencoder    the encoder begins as that of an autoencoder, which saw the images of all objects
               that no expert judged, turned and mirrored as in training
denoising      the same, of images with noise and black patches, which it had to restore
pseudo_labels  the networks are fine-tuned once more, also on what they themselves say of the
               unlabelled images, aligned to the experts' shares of classes
not_aligned    the same without the alignment, which a small sample of experts' classes misleads
once_more      the same without the pseudo-labels: what training for longer does
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from czsl.chain import learn
from czsl.compare.cell import Arm, Cell
from czsl.compare.compare import compare, read_metrics, read_tasks
from czsl.compare.protocols import Protocol
from czsl.compare.recipe_arm import fit_recipe, judged_images, make_sets
from czsl.conclude import Judged, class_shares, conclude
from czsl.learned import Learned
from czsl.machine import prepare_process
from czsl.model import Hardware
from czsl.nets.given import GivenEncoder
from czsl.nets.network import Network, make_network
from czsl.nets.residual import ResidualEncoder
from czsl.recipes import Recipe, Training
from czsl.stages.calibrate import Calibrator, tempered
from czsl.stages.finetune import Labels, finetune
from czsl.stages.fitting import fit_network
from czsl.stages.targets import Layout, make_layout, transfer_inputs, vote_targets
from czsl.stages.transfer import fit_transfer
from czsl.terminal import FitDisplay, show_comparison
from czsl.train.checkpoint import Tensors
from czsl.train.samples import Samples

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


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
class Denoising:
    """The recipe, whose residual encoder begins as that of a denoising autoencoder.

    It is trained as pretrain is, on the images of all objects without an expert's class.
    Without noise and patches it is a plain autoencoder.
    """

    recipe: Recipe
    noise: float = 0.1
    masked: float = 0.4

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        return judge(cell, self.recipe, self.fit(cell))

    def fit(self, cell: Cell) -> Learned:
        """Train the autoencoder, then all that the recipe has."""
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
        context, pretrain = cell.context(self.recipe.precision), self.recipe.pretrain
        assert pretrain is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cell.seed)
            encoder = new_network(cell, self.recipe).encoder
            network = Denoiser(encoder, context.channels, self.noise, self.masked)
        # Images of experts' objects stay unseen, so that their scores are honest.
        rows = np.flatnonzero(cell.usable & ~cell.training.is_expert)
        samples = Samples(images=context.images, view=context.view, rows=rows, targets={})
        training = Training(**pretrain.model_dump(include=set(Training.model_fields)))
        asked = [self.noise, self.masked]
        weights, _ = fit_network(
            context, "denoise", network, restoring, samples, training, inputs=asked
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


@dataclass(frozen=True)
class PseudoLabels:
    """The recipe; then its networks learn once more, from what they say of images too.

    Each takes its pseudo-labels from itself, so that none knows the classes of the experts'
    objects that it is to judge. Experts' classes and transferred labels teach as before. A
    pseudo-label weighs as one transferred from so many ``votes``, of which 0 leave it out; below
    a ``temperature`` of 1 it is surer than the network.
    """

    recipe: Recipe
    votes: float = 20.0
    temperature: float = 0.5
    align: bool = True

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        return judge(cell, self.recipe, self.fit(cell))

    def fit(self, cell: Cell) -> Learned:
        """Fit the recipe, and fine-tune its networks once more."""
        learned = fit_recipe(cell, self.recipe)
        students: list[Tensors] = []
        judged = np.full_like(learned.image_posterior, np.nan)
        for fold in range(len(learned.networks)):
            left = learned.folds == fold
            students.append(self._student(cell, learned, fold))
            judged[left] = self._says(cell, learned, students[-1], learned.experts[left])
        said = Judged(
            logits=np.log(judged.clip(1e-12)),
            votes=learned.votes_posterior,
            folds=learned.folds,
            held=learned.held,
        )
        config, labels = cell.training.config, cell.training.experts[learned.experts]
        mirror = make_layout(config.votes, config.classes).class_mirror
        concluded = conclude(said, labels, self.recipe, mirror)
        return replace(learned, networks=tuple(students), **vars(concluded))

    def _says(self, cell: Cell, learned: Learned, network: Tensors, rows: Rows) -> Floats:
        """Give a network's posterior of objects, as it comes, shape (row, class)."""
        plain = Calibrator(shares=learned.prior)
        alone = replace(learned, networks=(network,), calibrator=plain)
        return judged_images(cell, self.recipe, alone, rows)

    def _student(self, cell: Cell, learned: Learned, fold: int) -> Tensors:
        """Fine-tune the network of a fold once more."""
        votes, settings = vote_targets(cell.training), self.recipe.finetune
        assert settings is not None
        experts = learned.experts[(learned.folds != fold) & ~learned.held]
        experts = experts[cell.usable[experts]]
        weight = settings.transferred[0]
        weight = next((one["transferred"] for one in learned.choices if one["chosen"]), weight)
        rows, labels = self._transferred(cell, experts, votes.layout) if weight else ([], [])
        unlabelled = np.flatnonzero(cell.usable & cell.training.is_unlabelled & (self.votes > 0))
        if len(unlabelled):
            says = self._says(cell, learned, learned.networks[fold], unlabelled)
            if self.align:
                shares = class_shares(cell.training.experts[experts], votes.layout.classes)
                says = aligned(says, (shares + shares[votes.layout.class_mirror]) / 2)
            rows = [*rows, *unlabelled]
            labels = [*labels, *tempered(says, 1 / self.temperature)]
        # The likelihood of votes is left out: they say no more than what a label weighs.
        counts = votes.counts.copy()
        counts[unlabelled] = self.votes / counts.shape[1]
        changes = {"votes": 0.0, "transferred": (weight or 1.0,), "head": "random", "epochs": 1}
        network = new_network(cell, self.recipe)
        network.load_state_dict(learned.networks[fold])
        weights, _ = finetune(
            cell.context(self.recipe.precision).for_fold(fold),
            network,
            replace(votes, counts=counts),
            Labels(
                experts=experts,
                classes=cell.training.experts[experts],
                volunteers=np.array(rows, np.int64),
                transferred=np.array(labels).reshape(len(rows), votes.layout.classes),
            ),
            settings.model_copy(update=changes),  # so one epoch, or "images" of the recipe
            sampling=self.recipe.sampling,
        )
        return {name: tensor.clone() for name, tensor in weights.items()}

    def _transferred(self, cell: Cell, experts: Rows, layout: Layout) -> tuple[Rows, Floats]:
        """Give the volunteers' objects and their labels, transferred as some experts' teach it."""
        settings = self.recipe.transfer
        assert settings is not None
        inputs = transfer_inputs(cell.training, settings)
        known = experts[inputs.usable[experts]]
        classes = cell.training.experts[known]
        if len(np.unique(classes)) < 2:  # the recipe leaves the transfer out, too
            return np.zeros(0, np.int64), np.zeros((0, layout.classes))
        fitted = fit_transfer(settings, inputs, known, classes, layout, cell.seed)
        rows = np.flatnonzero(cell.usable & inputs.usable & ~cell.training.is_expert)
        return rows, fitted.probabilities(inputs.features[rows])


def aligned(posterior: Floats, shares: Floats) -> Floats:
    r"""Bring the mean of posteriors nearer to the shares of the classes.

    .. math:: q_{ik} \propto p_{ik}\,\pi_k / \bar p_k

    with the posterior p, shape (object, class), and the shares pi, shape (class,) (distribution
    alignment, Berthelot et al. 2020, ICLR, arXiv 1911.09785, section 3.1). Applied again and
    again it gives just these shares; once, it moves the least sure objects most.
    """
    scaled = posterior * (shares / posterior.mean(axis=0))
    given: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return given


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


def unlabelled_arms(recipe: Recipe) -> dict[str, Arm]:
    """Give the arms by name, each the recipe with one thing more."""
    return {
        "autoencoder": Denoising(recipe, noise=0.0, masked=0.0),
        "denoising": Denoising(recipe),
        "pseudo_labels": PseudoLabels(recipe),
        "not_aligned": PseudoLabels(recipe, align=False),
        "once_more": PseudoLabels(recipe, votes=0.0),
    }


def main() -> None:
    """Compare, and print the scores."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--protocol", default="own")
    parser.add_argument("--sweep", action="append", default=[])
    parser.add_argument("--arms", help="separated by commas; all by default")
    for name in ("folds", "executions", "seed", "jobs", "threads"):
        parser.add_argument(f"--{name}", type=int)
    parser.set_defaults(folds=5, executions=1, seed=0, jobs=1)
    asked = parser.parse_args()
    tasks = []
    for task in read_tasks(asked.configs, ("default",)):
        own = unlabelled_arms(task.arms["default"].recipe)  # type: ignore[attr-defined]
        chosen = {name: own[name] for name in (asked.arms.split(",") if asked.arms else own)}
        tasks.append(replace(task, arms={**task.arms, **chosen}))
    with FitDisplay() as display:
        compare(
            tasks,
            asked.out,
            protocol=Protocol(name=asked.protocol, folds=asked.folds),
            sweeps=asked.sweep,
            executions=asked.executions,
            seed=asked.seed,
            jobs=asked.jobs,
            hardware=Hardware(threads=asked.threads),
            resume=True,
            decoded=display.decoded,
            report=display.trained,
            told=display.told,
        )
    show_comparison(asked.out, read_metrics(asked.out))


if __name__ == "__main__":
    prepare_process()
    main()
