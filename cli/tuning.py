"""From a command's parameters to how it trains. Imports torch: only commands import this, when they run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from compressor.errors import OptionError
from compressor.finetune import Recipe, read_recipe
from compressor.finetune.recipe_text import read_values

Params = Mapping[str, Any]


def recipe_of(params: Params, *, batch_size: int | None = None) -> Recipe:
    """Return the recipe that was named, with what the options change.

    Args:
        params: of a command.
        batch_size: of training, where the command has an option for it.

    Raises:
        OptionError: no such recipe, a value that cannot be, or one said by an option and by --set.
    """
    named = ("epochs", "lr", "adversarial", "adversarial_method", "augment", "distill")
    given = {name: params[name] for name in named} | {"compile": params["compile_"], "batch_size": batch_size}
    given = {name: value for name, value in given.items() if value is not None}
    values = read_values(params["set_"] or ())
    twice = [*(given.keys() & values.keys()), *({"seed"} & values.keys())]
    if twice:
        raise OptionError(
            f"--set {twice[0]}=... says what --{twice[0].replace('_', '-')} says", advice="leave it out of --set"
        )
    return replace(read_recipe(params["recipe_"] or "few"), seed=params["seed"], **given, **values)


def cache_dir(params: Params) -> Path | None:
    """Return where resized training images are kept, for commands that train."""
    if "cache_dir" not in params:
        return None
    chosen: Path = params["cache_dir"] or params["work_dir"] / "cache"
    return chosen
