"""What arms are, in words, and how a comparison is repeated."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from czsl.compare.arms import Majority, Probe, VotesArm
from czsl.compare.cell import Arm
from czsl.compare.fusions import FusionArm
from czsl.compare.recipe_arm import RecipeArm
from czsl.recipes import Recipe, Transfer

TIERS = {
    "reconstruct": "unlabelled images (autoencoder)",
    "pretrain": "volunteers' votes",
    "transfer": "the transfer from votes to classes",
    "finetune": "experts' classes",
}
"""What each stage of a recipe learns from, in words."""

RULES = {
    "fused": "Image and votes, joined by exponents that are fitted out of fold.",
    "fused_in_fold": "The same, fitted to images that the networks have learned from.",
    "product": "Image and votes, multiplied, the classes' shares counted once.",
    "tempered_product": "The product, with one exponent that is fitted out of fold.",
    "crowdlab": "Image and votes, averaged by CROWDLAB's weights.",
    "space_warps": "The image, moved by every vote as Space Warps does.",
    "gravity_spy": "The image as the first vote, as Gravity Spy does.",
}
"""How image and votes are joined, in words."""

SAMPLINGS = {"over": ", rare classes over-sampled", "under": ", common classes under-sampled"}


def about_arm(arm: Arm) -> str:
    """Say from its settings what an arm is.

    Parameters
    ----------
    arm
        The arm.

    Examples
    --------
    >>> about_arm(Majority())
    'Judges votes: the share of the votes for each class; nothing is learned.'
    """
    if isinstance(arm, RecipeArm):
        return _about_recipe(arm.recipe, arm.ceiling)
    if isinstance(arm, FusionArm):
        return f"{RULES[arm.rule]} {_about_recipe(arm.recipe, False)}"
    if isinstance(arm, VotesArm):
        taught = "every training object" if arm.ceiling else "experts' objects"
        sampled = SAMPLINGS.get(arm.sampling, "")
        return f"Judges votes: {_about_transfer(arm.transfer)}, learned on {taught}{sampled}."
    if isinstance(arm, Majority):
        kind = "debiased fraction" if arm.debiased else "share"
        return f"Judges votes: the {kind} of the votes for each class; nothing is learned."
    if isinstance(arm, Probe):
        return (
            "Judges the image: an autoencoder of unlabelled images, and a linear classifier of "
            "its features that learns from experts' classes."
        )
    return "A function of your own."


def arm_stages(arm: Arm) -> list[str]:
    """Name the stages of a recipe's arm that learn, in their order; none of other arms.

    Parameters
    ----------
    arm
        The arm.
    """
    if not isinstance(arm, RecipeArm):
        return []
    return [stage for stage in TIERS if getattr(arm.recipe, stage) is not None]


def compare_command(plan: Mapping[str, Any], out: str, reference: str | None = None) -> str:
    """Spell the command that does a comparison again.

    Parameters
    ----------
    plan
        As :meth:`czsl.compare.plan.Plan.describe` gives it.
    out
        Folder of the new comparison.
    reference
        The arm that others are compared with.

    Returns
    -------
    str
        Without the arms where tasks differ in them: then they are those of each ``[compare]``,
        or of the published tables.

    Examples
    --------
    >>> task = {"source": "types.toml", "arms": {"majority": "", "default": ""}}
    >>> plan = {"tasks": {"types": task},
    ...         "protocol": {"name": "own", "order": "redrawn", "folds": 5},
    ...         "settings": ["all", "votes=3", "votes=5"], "executions": 2, "seed": 0}
    >>> print(compare_command(plan, "NEW"))
    czsl compare types.toml --out NEW --arms majority,default --protocol own --order redrawn \
    --folds 5 --sweep votes=3,5 --executions 2 --seed 0
    """
    tasks = plan["tasks"].values()
    sources = list(dict.fromkeys(task.get("source") or "CONFIG" for task in tasks))
    words = ["czsl", "compare", *(shlex.quote(source) for source in sources), "--out", out]
    arms = {",".join(task["arms"]) for task in tasks}
    if len(arms) == 1:
        words += ["--arms", shlex.quote(arms.pop())]
    for name in ("protocol", "order", "folds"):
        value = plan["protocol"]["name" if name == "protocol" else name]
        words += [f"--{name}", str(value)]
    sweeps: dict[str, list[str]] = {}
    for setting in plan["settings"]:
        name, _, value = setting.partition("=")
        if value:
            sweeps.setdefault(name, []).append(value)
    for name, values in sweeps.items():
        words += ["--sweep", f"{name}={','.join(values)}"]
    if reference is not None:
        words += ["--reference", shlex.quote(reference)]
    return " ".join([*words, f"--executions {plan['executions']} --seed {plan['seed']}"])


def _about_recipe(recipe: Recipe, ceiling: bool) -> str:
    """Say what a recipe learns from."""
    words = dict(TIERS)
    if ceiling:
        words["finetune"] = "the experts' class of every training object"
    if recipe.transfer is not None:
        words["transfer"] = f"a {recipe.transfer.kind} transfer from votes to classes"
    learned = [text for stage, text in words.items() if getattr(recipe, stage) is not None]
    sampled = SAMPLINGS.get(recipe.sampling, "")
    return (
        f"Judges the image, by the {recipe.network} network of the recipe {recipe.name}; learns "
        f"from {', '.join(learned)}{sampled}."
    )


def _about_transfer(transfer: Transfer) -> str:
    """Say what a transfer is and what it is given."""
    more = " and all extra columns" if transfer.extra is True else ""
    if isinstance(transfer.extra, tuple):
        more = f", {', '.join(transfer.extra)}"
    kind = {"logistic": "a logistic regression"}.get(transfer.kind, f"a {transfer.kind}")
    return f"{kind} of the votes{more}"
