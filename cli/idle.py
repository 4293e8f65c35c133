"""Options that would say nothing beside others: refused where somebody typed them, never passed over."""

from collections.abc import Iterable

import typer

from cli.options import option_name
from compressor.errors import OptionError
from compressor.finetune.recipe import Recipe
from compressor.types import Structure

OF_FILTERS = ("criterion", "ratio_for", "round_to", "global_", "isomorphic")
"""Options that say which filters leave."""
OF_BLOCKS = ("block_criterion",)
"""Options that say which blocks leave."""
OF_CHOOSING = ("structure", "keep", *OF_FILTERS, *OF_BLOCKS)
"""What a ready plan has already decided."""
OF_TUNING = (
    *("recipe_", "set_", "epochs", "lr", "batch_size", "distill"),
    *("adversarial", "adversarial_method", "augment", "compile_"),
)
"""Options that say how what is left is tuned."""


def typed(context: typer.Context, names: Iterable[str]) -> str | None:
    """Return the first of these options that stands on the command line, as it is written there, None if none does.

    What stands in a file or a variable may be there for other commands.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            return f"--{option_name(name).replace('_', '-')}"
    return None


def refuse_idle_choices(context: typer.Context) -> None:
    """Refuse options about a choice that a plan, or --structure, takes away.

    Raises:
        OptionError: one of them was typed.
    """
    structure = context.params["structure"]
    if context.params.get("plan") is not None:
        _refuse(
            typed(context, OF_CHOOSING), "--plan says what leaves", "leave it out, or give --ratio in place of --plan"
        )
    elif structure is Structure.BLOCKS:
        _refuse(typed(context, OF_FILTERS), "with --structure blocks no filters leave", "take --structure both")
    elif structure is Structure.FILTERS:
        _refuse(typed(context, OF_BLOCKS), "with --structure filters no blocks leave", "take --structure both")


def refuse_idle_teacher(context: typer.Context) -> None:
    """Refuse to learn from a teacher where there is none.

    Raises:
        OptionError: --distill was typed without --distill-from.
    """
    if context.params["distill"] and context.params["distill_from"] is None:
        _refuse(typed(context, ("distill",)), "there is no teacher", "add --distill-from with the dense checkpoint")


def refuse_idle_tuning(context: typer.Context) -> None:
    """Refuse options about fine-tuning where nothing is tuned.

    Raises:
        OptionError: one of them was typed.
    """
    option = typed(context, OF_TUNING)
    if context.params["plan_only"]:
        _refuse(option, "--plan-only stops before fine-tuning", "leave one of the two out")
    if context.params["data"] is None:
        _refuse(option, "nothing is fine-tuned without images", "add --data with training images, or leave it out")


def refuse_idle_precision(context: typer.Context) -> None:
    """Refuse the precision of a file that pruning does not write.

    Raises:
        OptionError: it was typed, and neither bytes nor latency of a file are limited.
    """
    if context.params["target_bytes"] is None and context.params["target_latency"] is None:
        _refuse(
            typed(context, ("precision",)),
            "prune writes a float32 checkpoint",
            "give it to export or release, or limit --target-bytes or --target-latency of the file",
        )


def refuse_idle_battery(context: typer.Context, *, num_threats: int) -> None:
    """Refuse to choose a battery where none runs: the curve has a search of its own.

    Raises:
        OptionError: --battery was typed, and there is no threat.
    """
    if num_threats == 0:
        _refuse(
            typed(context, ("battery",)),
            "no threat is named",
            "name one, for example --threat linf:2/255, or leave it out",
        )


def refuse_idle_method(context: typer.Context, recipe: Recipe) -> None:
    """Refuse to say how adversarial examples are made where none are.

    Raises:
        OptionError: --adversarial-method was typed, and the recipe is natural.
    """
    if recipe.adversarial is None:
        _refuse(typed(context, ("adversarial_method",)), "training is natural", "add --adversarial linf:8/255")


def _refuse(option: str | None, reason: str, advice: str) -> None:
    if option is not None:
        raise OptionError(f"{option} would do nothing: {reason}", advice=advice)
