"""The settings of every stage, and the two recipes that ship.

``czsl2023`` is the published method of Jimenez, Alfaro, Torres Torres and Triguero
(2023, MNRAS 526, 1742); ``default`` is the best that we can show to work. Section
``[recipe]`` of ``czsl.toml`` names one of them and changes single settings; a stage
set to ``false`` is left out.
"""

from czsl.recipes.recipe import CZSL2023, DEFAULT, RECIPES, Recipe, make_recipe, recipe_settings
from czsl.recipes.settings import (
    Augment,
    Finetune,
    Number,
    Pretrain,
    Sets,
    Settings,
    Training,
    Transfer,
    Whole,
)

__all__ = [
    "CZSL2023",
    "DEFAULT",
    "RECIPES",
    "Augment",
    "Finetune",
    "Number",
    "Pretrain",
    "Recipe",
    "Sets",
    "Settings",
    "Training",
    "Transfer",
    "Whole",
    "make_recipe",
    "recipe_settings",
]
