"""Arms of a comparison: each an ordinary recipe, some with stages left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czsl.catalogue import Catalogue
from czsl.files import write_json
from czsl.model import CzSL
from czsl.recipes import Recipe, recipe_settings
from czsl.run import fit_run

MAJORITY = "majority"

ARM_NAMES = {
    "experts": "experts only",
    "majority": "volunteers' majority",
    "volunteers": "volunteers (network)",
}
"""What tables call an arm; others go by their own name."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What one arm reached.

    Parameters
    ----------
    name
        Name of the arm.
    scores
        As :func:`czsl.scores.scores` gives them.
    model
        Folder of its model; None for the volunteers' majority, which needs none.
    """

    name: str
    scores: dict[str, Any]
    model: Path | None


Scorer = Callable[[CzSL], dict[str, Any]]
"""Scores a fitted model on objects that it was not trained on."""


def standard_arms(recipe: Recipe, changed: Mapping[str, Recipe] | None = None) -> dict[str, Recipe]:
    """Give the arms that show what each tier adds: experts, volunteers, both recipes.

    Parameters
    ----------
    recipe
        The recipe of the arm ``default``; ``experts`` and ``volunteers`` are this recipe
        without the stages that learn from the others.
    changed
        More arms, or others in the place of these.

    Examples
    --------
    >>> arms = standard_arms(recipe_settings({}))
    >>> list(arms), arms["experts"].pretrain, arms["volunteers"].finetune
    (['experts', 'volunteers', 'czsl2023', 'default'], None, None)
    """
    without_votes = {"reconstruct": None, "pretrain": None, "transfer": None}
    without_experts = {"reconstruct": None, "transfer": None, "finetune": None, "calibrate": False}
    return {
        "experts": recipe.model_copy(update=without_votes),
        "volunteers": recipe.model_copy(update=without_experts),
        "czsl2023": recipe_settings({"name": "czsl2023"}),
        "default": recipe,
        **(changed or {}),
    }


def out_of_fold(model: CzSL) -> dict[str, Any]:
    """Score a model on the experts' objects, each by a network that never saw it."""
    found: dict[str, Any] = model.scores_["image"]
    return found


def compare(
    catalogue: Catalogue,
    folder: Path,
    arms: Mapping[str, Recipe],
    *,
    score: Scorer = out_of_fold,
    majority: dict[str, Any] | None = None,
    make_model: Callable[[Recipe], CzSL],
    resume: bool = False,
    started: Callable[[str], None] | None = None,
) -> list[Arm]:
    """Fit every arm, score all on the same objects, and write ``metrics.json``.

    Arms share the stages that they have in common: each is computed once.

    Parameters
    ----------
    catalogue
        The objects.
    folder
        Of the comparison; each arm's run is a folder in it.
    arms
        Recipes by the arm's name.
    score
        Scores a fitted model; by default out of fold on the experts' objects.
    majority
        Scores of the volunteers' majority on the same objects; by default on the experts'.
    make_model
        Makes a model for a recipe, with its seed and device.
    resume
        Go on with runs that were stopped.
    started
        Called with an arm's name before it is fitted.

    Raises
    ------
    RunError
        Where the folder holds another comparison.
    """
    found: list[Arm] = []
    for name, recipe in arms.items():
        if started is not None:
            started(name)
        model = make_model(recipe)
        run = fit_run(model, catalogue, folder / name, stages=folder / "stages", resume=resume)
        found.append(Arm(name=name, scores=score(model), model=run.model))
        majority = model.scores_["majority"] if majority is None else majority
    found.insert(1, Arm(name=MAJORITY, scores=majority or {}, model=None))
    write_json(folder / "metrics.json", {"arms": {arm.name: arm.scores for arm in found}})
    return found
