"""The settings of all stages together, the two recipes that ship, and what changes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from czsl.errors import ConfigError, Problems, nearest
from czsl.recipes.settings import (
    Augment,
    Finetune,
    Pretrain,
    Sets,
    Settings,
    Switch,
    Training,
    Transfer,
    Whole,
    whole,
)
from czsl.slips import note_slips, refuse, settings_of

RecipeName = Literal["default", "czsl2023"]


class Recipe(Settings):
    """The settings of all stages; a stage that is None is left out.

    Parameters
    ----------
    name
        The recipe that the settings started from.
    network
        ``"published"`` (three small convolutions, for ``pretrain.targets = "majority"``),
        ``"residual"``; ``"pretrained"``, an encoder of a folder or a model hub; or
        ``"given"``, a torch module from Python.
    encoder
        Folder or hub name of the pretrained encoder.
    width
        Channels of the residual network's first blocks.
    precision
        ``"32"``, or ``"bf16"``: training multiplies in bfloat16 where the device does so
        natively.
    views
        Views of an image whose log-probabilities are averaged: 1, or 8 (four quarter
        turns and their mirror images, with mirrored classes swapped back).
    sampling
        How training rows of rare classes are treated: as they come, over-sampled or
        under-sampled at random (both to equal numbers).
    folds
        Folds over the experts' objects: each is scored by a network that never saw it,
        and the networks together are the model. 1 is a single network that learns from
        all of them, without scores and temperature.
    reconstruct, pretrain, transfer, finetune
        Settings of the stages.
    calibrate
        Whether the out-of-fold scores fit a ``"temperature"``, or one and a rate of lapses
        (``"lapse"``); None for neither.
    fuse
        Whether the posteriors from the image and from the votes are joined into one.
    sets
        How the set of classes that cannot be ruled out is made.
    """

    name: RecipeName
    network: Literal["published", "residual", "pretrained", "given"]
    encoder: str | None = None
    width: Whole = Field(default=16, ge=4, le=512)
    precision: Literal["32", "bf16"] = "32"
    views: Annotated[Literal[1, 8], BeforeValidator(whole)] = 1
    sampling: Literal["none", "over", "under"] = "none"
    folds: Whole = Field(default=5, ge=1, le=20)
    reconstruct: Training | None
    pretrain: Pretrain | None
    transfer: Transfer | None
    finetune: Finetune | None
    calibrate: Literal["temperature", "lapse"] | None
    fuse: Switch = False
    sets: Sets | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        slips = []
        if self.reconstruct is not None and self.network != "published":
            slips.append(
                f"'reconstruct' is on and 'network' is {self.network!r}; only the published "
                'network has an autoencoder: set reconstruct = false or network = "published"'
            )
        targets = None if self.pretrain is None else self.pretrain.targets
        if self.network == "published" and targets not in (None, "majority"):
            slips.append(
                f"'network' is 'published' and 'pretrain.targets' is {targets!r}; the published "
                'network has no head for answers: set targets = "majority" or network = "residual"'
            )
        if (self.network == "pretrained") != (self.encoder is not None):
            slips.append(
                f"'network' is {self.network!r} and 'encoder' is {self.encoder!r}; a pretrained "
                'encoder needs both: network = "pretrained", and a folder or a name on the hub'
            )
        if self.transfer is not None and self.transfer.image and self.transfer.kind != "logistic":
            slips.append(
                f"'transfer.image' is true and 'transfer.kind' is {self.transfer.kind!r}, which "
                'does not look at images; set kind = "logistic" or image = false'
            )
        slips += [
            f"'{name}.patience' is {stage.patience} and '{name}.held_out' is 0, so that no row "
            "scores the epochs and none is the best; set held_out, such as 0.1, or patience = 0"
            for name, stage in self._trainings.items()
            if stage.patience and not stage.held_out
        ]
        refuse(slips)
        return self

    @property
    def _trainings(self) -> dict[str, Training]:
        """The stages that train a network."""
        stages = {name: getattr(self, name) for name in ("reconstruct", "pretrain", "finetune")}
        return {name: stage for name, stage in stages.items() if stage is not None}

    @property
    def mirrors(self) -> bool:
        """Whether networks are shown, or asked about, mirrored images as often as images."""
        stages = (self.pretrain, self.finetune)
        taught = any(one is not None and one.augment and one.augment.mirror for one in stages)
        return taught or self.views == 8

    def for_senses(self, senses: bool) -> Self:
        """Settle how both trainings show mirror images.

        Parameters
        ----------
        senses
            Whether a class becomes another in the mirror.
        """
        stages = {"pretrain": self.pretrain, "finetune": self.finetune}
        settled = {name: one and one.for_senses(senses) for name, one in stages.items()}
        return self.model_copy(update=settled)

    @property
    def resampled(self) -> bool:
        """Whether networks are trained on rotated, hence interpolated, images."""
        stages = (self.pretrain, self.finetune)
        return any(stage is not None and stage.resampled for stage in stages)


def _published(**changes: Any) -> dict[str, Any]:
    """Give the published training, which is the same for every network."""
    return {
        "epochs": 100,
        "batch": 32,
        "optimiser": "sgd",
        "rate": 0.01,
        "held_out": 0.3,
        "hold_out": "last",
        **changes,
    }


CZSL2023 = Recipe(
    name="czsl2023",
    network="published",
    reconstruct=Training(**_published()),
    pretrain=Pretrain(**_published(), targets="majority", experts=True),
    transfer=Transfer(kind="perceptron", extra=False),
    finetune=Finetune(**_published(), loss="squared", transferred=(1.0,)),
    calibrate=None,
)

DEFAULT = Recipe(
    name="default",
    network="residual",
    precision="bf16",
    views=8,
    reconstruct=None,
    pretrain=Pretrain(
        epochs=50,
        images=40_000,
        batch=32,
        optimiser="adamw",
        rate=2e-3,
        weight_decay=0.05,
        warm_up=0.05,
        average=0.995,
        augment=Augment(mirror="senses"),
        targets="shares",
        experts=False,
    ),
    transfer=Transfer(kind="logistic"),
    finetune=Finetune(
        epochs=12,
        images=5_000,
        batch=64,
        optimiser="adamw",
        rate=1e-3,
        weight_decay=0.05,
        warm_up=0.1,
        average=0.98,
        augment=Augment(mirror="senses"),
        loss="entropy",
        transferred=(0.0, 1.0),
        head="logistic",
        encoder_rate=1.0,
        layer_decay=0.8,
        dropout=0.2,
        freeze=True,
    ),
    calibrate="lapse",
    fuse=True,
    sets=Sets(),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (DEFAULT, CZSL2023)}


def recipe_settings(changes: dict[str, Any]) -> Recipe:
    """Start from the recipe that is named and change the settings that are given.

    Parameters
    ----------
    changes
        The section ``[recipe]``: ``name`` (by default ``"default"``) and settings. A
        stage given as ``False`` is left out; given as a table, its settings change.

    Raises
    ------
    ConfigError
        Where a recipe or a setting is not known, or a value cannot be used.

    Examples
    --------
    >>> recipe = recipe_settings({"name": "czsl2023", "reconstruct": False,
    ...                           "pretrain": {"epochs": 5}})
    >>> recipe.reconstruct is None, recipe.pretrain.epochs, recipe.pretrain.rate
    (True, 5, 0.01)
    >>> recipe_settings({"name": "defualt"})
    Traceback (most recent call last):
    czsl.errors.ConfigError: 1 problem
      1. settings, [recipe] name: there is no recipe 'defualt'; did you mean 'default'?
    """
    problems = Problems()
    recipe = make_recipe(changes, problems)
    problems.raise_if_fatal(ConfigError)
    assert recipe is not None  # else there was a problem
    return recipe


def make_recipe(
    changes: Any, problems: Problems, *, name: str = "settings", section: str = "recipe"
) -> Recipe | None:
    """Start from the recipe that is named; note what is wrong with the changes.

    Parameters
    ----------
    changes
        The section ``[recipe]``, as for :func:`recipe_settings`.
    problems
        Takes a problem for each setting that cannot be used.
    name
        What the problems call the source.
    section
        What they call the section.

    Returns
    -------
    Recipe
        None where a problem was noted.
    """
    if not isinstance(changes, dict):
        problems.add(
            f"{name}, {section}", f"got {changes!r}", 'a table of settings is needed, with a "name"'
        )
        return None
    start = changes.get("name", "default")
    if not isinstance(start, str) or start not in RECIPES:
        problems.add(
            f"{name}, [{section}] name",
            f"there is no recipe {start!r}",
            nearest(str(start), RECIPES),
        )
        return None
    content = _changed(RECIPES[start].model_dump(), changes, Recipe)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        note_slips(error, Recipe, problems, name=name, sections={(): f"[{section}]"})
        return None


def _changed(content: dict[str, Any], changes: dict[str, Any], model: Any) -> dict[str, Any]:
    """Change settings at any depth; what may be left out is None where it is given as false."""
    changed = dict(content)
    for key, value in changes.items():
        field = model.model_fields.get(key)
        within = None if field is None else settings_of(field.annotation)
        if value is False and field is not None and type(None) in get_args(field.annotation):
            changed[key] = None
        elif isinstance(value, dict) and within is not None:
            changed[key] = _changed(content.get(key) or {}, value, within)
        else:
            changed[key] = value
    return changed
