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
byol           the encoder begins as one that learned votes and, of as many unlabelled images
               again, to foretell other views of an image (BYOL)
votes_twice    the same without the images: what learning the votes twice does
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))
from begun import Denoising, judge, new_network
from byol import Contrasted

from czsl.compare.cell import Arm, Cell
from czsl.compare.compare import compare, read_metrics, read_tasks
from czsl.compare.protocols import Protocol
from czsl.compare.recipe_arm import fit_recipe, judged_images
from czsl.conclude import Judged, class_shares, conclude
from czsl.learned import Learned
from czsl.machine import prepare_process
from czsl.model import Hardware
from czsl.recipes import Recipe
from czsl.stages.calibrate import Calibrator, tempered
from czsl.stages.finetune import Labels, finetune
from czsl.stages.targets import Layout, make_layout, transfer_inputs, vote_targets, weights_of_votes
from czsl.stages.transfer import fit_transfer
from czsl.terminal import FitDisplay, show_comparison
from czsl.train.checkpoint import Tensors

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


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
            weight=weights_of_votes(cell.training)[learned.experts],
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
        counts = votes.counts.copy()
        counts[unlabelled] = self.votes / counts.shape[1]
        settings = settings.for_senses(cell.training.config.classes.has_senses)
        changes = {"transferred": (weight or 1.0,), "epochs": 1}
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


def unlabelled_arms(recipe: Recipe) -> dict[str, Arm]:
    """Give the arms by name, each the recipe with one thing more."""
    return {
        "autoencoder": Denoising(recipe, noise=0.0, masked=0.0),
        "denoising": Denoising(recipe),
        "pseudo_labels": PseudoLabels(recipe),
        "not_aligned": PseudoLabels(recipe, align=False),
        "once_more": PseudoLabels(recipe, votes=0.0),
        "byol": Contrasted(recipe),
        "votes_twice": Contrasted(recipe, weight=0.0),
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
        names = asked.arms.split(",") if asked.arms else [*own]
        if unknown := [name for name in names if name not in own]:
            parser.error(f"there is no arm {', '.join(unknown)}; there are {', '.join(own)}")
        chosen = {name: own[name] for name in names}
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
