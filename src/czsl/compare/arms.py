"""Arms: recipes with parts switched, and what the votes say without any image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from czsl.catalogue import majority_probability
from czsl.compare.cell import Arm, Cell
from czsl.compare.fusions import FUSIONS, FusionArm
from czsl.compare.recipe_arm import RecipeArm, spread
from czsl.config import Config
from czsl.errors import ArgumentError, CatalogueError, ConfigError, Problems, nearest
from czsl.nets.network import make_network
from czsl.nets.published import PublishedEncoder
from czsl.recipes import Recipe, Training, Transfer, recipe_settings
from czsl.sections import GROUPS
from czsl.stages.calibrate import softmax
from czsl.stages.head import STRENGTHS, turned_features
from czsl.stages.logistic import fit_logistic
from czsl.stages.reconstruct import reconstruct
from czsl.stages.sampling import resampled
from czsl.stages.targets import make_layout, transfer_inputs
from czsl.stages.transfer import FittedTransfer, fit_transfer
from czsl.train.checkpoint import without_prefix

Floats = NDArray[np.float64]

COLLAPSED = "collapsed"
"""The word of a note that tells of a transfer which has lost a class."""


@dataclass(frozen=True)
class VotesArm:
    """A transfer alone: it learns from votes to classes and judges by the votes.

    Parameters
    ----------
    transfer
        Which kind, from which columns.
    sampling
        How rows of rare classes are treated, as in a recipe.
    ceiling
        Whether it learns from the experts' class of every training object, and their votes.
    """

    transfer: Transfer
    sampling: str = "none"
    ceiling: bool = False

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        inputs = transfer_inputs(cell.catalogue, self.transfer)
        training = cell.ceiling if self.ceiling else cell.training
        rows = np.flatnonzero(training.is_expert & inputs.usable)
        labels = training.experts[rows]
        if len(np.unique(labels)) < 2:
            raise CatalogueError(
                f"{len(rows)} experts' objects with votes, of {len(np.unique(labels))} class; a "
                "transfer needs two classes"
            )
        if self.ceiling:
            cell.ceiling_prior()
        chosen = resampled(labels, self.sampling, cell.fold_seed)
        if self.sampling != "none":
            cell.even_prior()
        layout = make_layout(training.config.votes, training.config.classes)
        fitted = fit_transfer(
            self.transfer, inputs, rows[chosen], labels[chosen], layout, cell.fold_seed
        )
        if fitted.collapsed:
            cell.notes.append(f"the transfer {COLLAPSED}: it has lost a class or more")
        return _judged(cell, fitted, inputs.features, inputs.usable)


@dataclass(frozen=True)
class Majority:
    """The volunteers' votes for the answers of each class; nothing is learned.

    Parameters
    ----------
    debiased
        Columns of debiased fractions, one for each class; without them the plain votes.
    """

    debiased: tuple[str, ...] = ()

    def __call__(self, cell: Cell) -> Floats:
        """Judge."""
        if not self.debiased:
            return majority_probability(cell.catalogue)[cell.scored]
        names = cell.catalogue.extra_names
        columns = [names.index(column) for column in self.debiased]
        # Debiased fractions leave [0, 1] slightly.
        shares = cell.catalogue.extra[cell.scored][:, columns].clip(1e-6, 1.0)
        posterior: Floats = shares / shares.sum(axis=1, keepdims=True)
        return posterior


@dataclass(frozen=True)
class Probe:
    """Unlabelled images alone make the features; experts' classes fit a linear probe on them.

    Parameters
    ----------
    training
        How the published autoencoder is trained.
    """

    training: Training

    def __call__(self, cell: Cell) -> Floats:
        """Fit and judge."""
        context = cell.context()
        layout = make_layout(cell.training.config.votes, cell.training.config.classes)
        network = make_network(
            "published",
            channels=context.channels,
            size=context.view,
            width=16,
            questions=layout.questions,
            classes=layout.classes,
            seed=cell.seed,
        )
        unlabelled = np.flatnonzero(cell.usable & ~cell.training.is_expert)
        weights, _ = reconstruct(context, unlabelled, self.training)
        encoder = network.encoder
        assert isinstance(encoder, PublishedEncoder)
        encoder.convolutions.load_state_dict(without_prefix("convolutions", weights))
        encoder.dense = nn.Sequential(nn.Flatten())  # the layers behind have learned nothing

        def features(rows: NDArray[np.int64]) -> Floats:
            network.eval()
            return turned_features(context, network, rows, mirrored=False, resampled=False)

        rows = np.flatnonzero(cell.training.is_expert & cell.usable)
        labels = cell.training.experts[rows]
        fitted = fit_logistic(
            [(features(rows), labels)],
            classes=layout.classes,
            strengths=STRENGTHS,
            seed=cell.seed,
        )
        known = cell.images.usable[cell.scored]
        scaled = (features(cell.scored[known]) - fitted.mean) / fitted.scale
        return spread(softmax(scaled @ fitted.weight + fitted.bias), known)


def _judged(
    cell: Cell, fitted: FittedTransfer, features: Floats, usable: NDArray[np.bool_]
) -> Floats:
    """Apply a transfer to the scored objects that it can judge."""
    known = usable[cell.scored]
    return spread(fitted.probabilities(features[cell.scored[known]]), known)


def judges_images(arm: Arm) -> bool:
    """Tell whether an arm that ships needs images; of others it is not known."""
    return isinstance(arm, RecipeArm | FusionArm | Probe)


def without(recipe: Recipe, *stages: str) -> Recipe:
    """Leave stages out of a recipe; without finetune there is nothing to calibrate.

    Examples
    --------
    >>> without(recipe_settings({}), "pretrain", "transfer").pretrain is None
    True
    """
    changes = dict.fromkeys(stages, None)
    if "finetune" in stages:
        return recipe.model_copy(update={**changes, "calibrate": None})
    return recipe.model_copy(update=changes)


def tier_recipes(recipe: Recipe, changed: Mapping[str, Recipe] | None = None) -> dict[str, Recipe]:
    """Give the recipes that show what each tier adds: experts, volunteers, both recipes.

    Parameters
    ----------
    recipe
        The recipe of the arm ``default``; ``experts`` and ``volunteers`` are this recipe
        without the stages that learn from the others.
    changed
        More arms, or others in the place of these.

    Examples
    --------
    >>> arms = tier_recipes(recipe_settings({}))
    >>> list(arms), arms["experts"].pretrain, arms["volunteers"].finetune
    (['experts', 'volunteers', 'czsl2023', 'default'], None, None)
    """
    return {
        "experts": without(recipe, "reconstruct", "pretrain", "transfer"),
        "volunteers": without(recipe, "reconstruct", "transfer", "finetune"),
        "czsl2023": recipe_settings({"name": "czsl2023", "folds": 1}),
        "default": recipe,
        **(changed or {}),
    }


def all_arms(config: Config) -> dict[str, Arm]:
    """Give every arm that a configuration can have, by name.

    Arms of the configuration's ``[arms]`` are among them. One that is called like an arm
    that ships gives that arm its recipe; those called ``czsl2023`` and ``default`` change what
    the other arms are derived from.

    Parameters
    ----------
    config
        Its recipe is the arm ``default``.

    Raises
    ------
    ConfigError
        Where ``[arms]`` gives a recipe to an arm that has none.
    """
    tiers = tier_recipes(config.arms.get("default", config.recipe), config.arms)
    default, published = tiers["default"], tiers["czsl2023"]
    arms: dict[str, Arm] = {
        "experts": RecipeArm(tiers["experts"]),
        MAJORITY: Majority(),
        "volunteers": RecipeArm(tiers["volunteers"]),
        "czsl2023": RecipeArm(published),
        "default": RecipeArm(default),
        "no_transfer": RecipeArm(without(default, "transfer")),
        "ceiling": RecipeArm(without(default, "pretrain", "transfer"), ceiling=True),
        **_published_arms(published),
        **_vote_arms(config),
        **_fusion_arms(config, default),
    }
    for sampling in ("over", "under"):
        changes = {"sampling": sampling}
        arms[f"default_{sampling}"] = RecipeArm(default.model_copy(update=changes))
        arms[f"czsl2023_{sampling}"] = RecipeArm(published.model_copy(update=changes))
    return arms | _configured_arms(config, arms)


def _configured_arms(config: Config, arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """Give the arms of ``[arms]``; one that ships stays what it is, but for its recipe."""
    problems = Problems()
    found: dict[str, Arm] = {}
    for name, recipe in config.arms.items():
        shipped = arms.get(name, RecipeArm(recipe))
        if isinstance(shipped, RecipeArm | FusionArm):
            found[name] = replace(shipped, recipe=recipe)
        else:
            problems.add(
                f"[arms.{name}]", "this arm ships and has no recipe", "choose another name"
            )
    problems.raise_if_fatal(ConfigError)
    return found


def _fusion_arms(config: Config, default: Recipe) -> dict[str, Arm]:
    """Give the arms that judge by image and votes."""
    if default.transfer is None or not config.votes:
        return {}
    arms: dict[str, Arm] = {name: FusionArm(default, name) for name in FUSIONS}
    if any(votes.extra for votes in config.votes):
        raw = default.transfer.model_copy(update={"extra": False})
        arms["fused_raw"] = FusionArm(default.model_copy(update={"transfer": raw}), "fused")
    return arms


def _published_arms(published: Recipe) -> dict[str, Arm]:
    """Give the published recipe with parts left out."""
    arms: dict[str, Arm] = {
        "czsl2023_experts": RecipeArm(without(published, "reconstruct", "pretrain", "transfer")),
        "czsl2023_volunteers": RecipeArm(without(published, "reconstruct", "transfer", "finetune")),
        "czsl2023_no_autoencoder": RecipeArm(without(published, "reconstruct")),
        "czsl2023_no_transfer": RecipeArm(without(published, "transfer")),
        "czsl2023_volunteers_experts": RecipeArm(without(published, "reconstruct", "transfer")),
        "czsl2023_ceiling": RecipeArm(
            without(published, "reconstruct", "pretrain", "transfer"), ceiling=True
        ),
    }
    if published.reconstruct is not None:
        arms["probe"] = Probe(published.reconstruct)
    return arms


def _vote_arms(config: Config) -> dict[str, Arm]:
    """Give the arms that judge by the votes."""
    perceptron = Transfer(kind="perceptron", extra=False)
    logistic = Transfer(kind="logistic", extra=False)
    arms: dict[str, Arm] = {"perceptron": VotesArm(perceptron), "logistic": VotesArm(logistic)}
    if any(votes.extra for votes in config.votes):
        whole = {"extra": True}
        arms["perceptron_extra"] = VotesArm(perceptron.model_copy(update=whole))
        arms["logistic_extra"] = VotesArm(logistic.model_copy(update=whole))
    if config.classes.debiased:
        columns = tuple(config.classes.debiased[name] for name in config.classes.names)
        arms["majority_debiased"] = Majority(columns)
    arms["logistic_ceiling"] = VotesArm(logistic, ceiling=True)
    for sampling in ("over", "under"):
        arms[f"perceptron_{sampling}"] = VotesArm(perceptron, sampling)
        arms[f"logistic_{sampling}"] = VotesArm(logistic, sampling)
    return arms


MAJORITY = "majority"

TIERS = ("experts", MAJORITY, "volunteers", "czsl2023", "default")

ARM_NAMES = {
    "experts": "experts only",
    "majority": "volunteers' majority",
    "majority_debiased": "majority, debiased",
    "volunteers": "volunteers (network)",
    "no_transfer": "default, no transfer",
    "ceiling": "all experts' classes",
    "perceptron": "perceptron on votes",
    "perceptron_extra": "perceptron, more columns",
    "logistic": "logistic on votes",
    "logistic_extra": "logistic, more columns",
    "logistic_ceiling": "logistic, all experts",
    "probe": "unlabelled, linear probe",
    "fused": "image and votes, fused",
    "fused_raw": "fused, plain votes",
    "fused_in_fold": "fused, fitted in fold",
    "product": "image times votes",
    "tempered_product": "image times votes, tempered",
    "crowdlab": "CROWDLAB",
    "space_warps": "Space Warps",
    "gravity_spy": "Gravity Spy",
}
"""What tables call an arm; others go by their own name."""


def select_arms(config: Config, names: Sequence[str] = ("tiers",)) -> dict[str, Arm]:
    """Give the arms of some names.

    ``tiers`` stands for the arms that show what each tier adds, with every arm that the
    configuration names; ``votes`` for those that judge by votes; ``fusion`` for those that
    judge by image and votes, beside image and votes alone; ``published`` for the
    published recipe, its baselines and ablations; ``ablations`` for the default recipe
    and its own; ``sampling`` for over- and under-sampling; ``images`` for all that judge
    by the image.

    Parameters
    ----------
    config
        The configuration.
    names
        Arms and groups.

    Raises
    ------
    ArgumentError
        Where there is no such arm.
    """
    arms = all_arms(config)
    chosen: dict[str, Arm] = {}
    for name in names:
        members = _group(name, arms, config)
        if not members and name not in arms:
            raise ArgumentError(
                f"arm {name!r}: there is no such arm; {nearest(name, [*arms, *GROUPS])}"
            )
        chosen |= {member: arms[member] for member in members or (name,)}
    return chosen


def _group(name: str, arms: Mapping[str, Arm], config: Config) -> list[str]:
    """Give the members of a group; none where it is no group."""
    judging = {arm: isinstance(made, VotesArm | Majority) for arm, made in arms.items()}
    sampled = [arm for arm in arms if arm.endswith(("_over", "_under"))]
    whole = [arm for arm in arms if arm not in sampled]
    groups = {
        "tiers": [*TIERS, *(arm for arm in config.arms if arm not in TIERS)],
        "votes": [arm for arm in whole if judging[arm]],
        "fusion": ["default", "logistic", *(arm for arm, made in arms.items() if _fuses(made))],
        "published": [arm for arm in whole if arm.startswith("czsl2023") or arm == "probe"],
        "ablations": ["experts", "volunteers", "no_transfer", "ceiling", "default"],
        "sampling": sampled,
        "images": [arm for arm in whole if not judging[arm] and not _fuses(arms[arm])],
    }
    return groups.get(name, [])


def _fuses(arm: Arm) -> bool:
    """Tell whether an arm judges by image and votes."""
    return isinstance(arm, FusionArm)
