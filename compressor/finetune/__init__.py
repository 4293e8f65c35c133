"""Fine-tuning: recipe in, tuned model and history out.

Pruning is as good as the training after it. `finetune` takes a checkpoint, images and a `Recipe` whose every value is
explicit, wins back what cutting cost and returns the best epoch by the select images, with the `History` of how it
went. It can be interrupted anywhere and goes on to the same weights; it never reads a test image.
"""

from compressor.finetune.history import Earlier, Epoch, History
from compressor.finetune.recipe import RECIPES, Recipe, preset
from compressor.finetune.recipe_text import read_recipe
from compressor.finetune.tune import Diverged, Prepared, finetune, prepare

__all__ = [
    "RECIPES",
    "Diverged",
    "Earlier",
    "Epoch",
    "History",
    "Prepared",
    "Recipe",
    "finetune",
    "prepare",
    "preset",
    "read_recipe",
]
