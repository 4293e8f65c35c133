"""Recipes as people write them: a preset's name, a TOML file, `name=value`. Strict, and errors name what there is.

base = "full"            # a preset; left out: few
weight_decay = 1e-4
augment = "trivial-augment"
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from compressor.errors import OptionError
from compressor.finetune.recipe import RECIPES, Recipe, preset

NAMES = tuple(field.name for field in fields(Recipe))
BASE = "base"
NOTHING = ("none", "off")
"""How a value that may be left out is taken away: `clip_norm=none`."""


def read_recipe(text: str) -> Recipe:
    """Return the preset of this name, or what a TOML file makes of one.

    Raises:
        OptionError: neither a preset nor a file, not TOML, or a value that cannot be.
    """
    if text in RECIPES:
        return preset(text)
    path = Path(text)
    if not path.is_file():
        raise OptionError(
            f"there is no recipe {text!r}", advice=f"give {', '.join(RECIPES)}, or the path of a TOML file"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(
            f"{path} is not TOML: {error}", advice="write one recipe value per line: lr = 0.05"
        ) from error
    base = values.pop(BASE, "few")
    if base not in RECIPES:
        raise OptionError(f"{path}: there is no recipe {base!r}", advice=f"base is one of {', '.join(RECIPES)}")
    return changed(preset(base), values, source=str(path))


def read_values(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of `name=value` pairs, each of its recipe value's type.

    Raises:
        OptionError: not of that form, an unknown name, one said twice, or not of its type.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals:
            raise OptionError(f"--set {pair!r} is not NAME=VALUE", advice="write for example --set weight_decay=1e-4")
        _check_name(name, f"--set {pair}")
        if name in found:
            raise OptionError(f"--set says {name} twice", advice="say it once")
        found[name] = None if text.lower() in NOTHING and _may_be_left_out(name) else text
        if found[name] is not None:
            found[name] = _value(name, text, f"--set {pair}", strict=False)
    return found


def changed(recipe: Recipe, values: Mapping[str, Any], *, source: str) -> Recipe:
    """Return a recipe with other values.

    Args:
        recipe: what stays where nothing is said.
        values: by name, as TOML has them.
        source: where they stand, for errors.

    Raises:
        OptionError: an unknown name, another type, or a value out of its range.
    """
    for name in values:
        _check_name(name, source)
    checked = {name: _value(name, value, source, strict=True) for name, value in values.items()}
    return replace(recipe, **checked)


def _check_name(name: str, source: str) -> None:
    if name not in NAMES:
        close = difflib.get_close_matches(name.replace("-", "_"), NAMES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise OptionError(f"{source}: there is no recipe value {name!r}{hint}", advice=f"known: {', '.join(NAMES)}")


def _value(name: str, value: Any, source: str, *, strict: bool) -> Any:
    """Return a value of the type that it must have: text is read as that type, TOML's own types are not bent."""
    kind = get_type_hints(Recipe)[name]
    try:
        return TypeAdapter(kind, config=ConfigDict(strict=strict)).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"].lower()
        raise OptionError(f"{source}: {name} = {value!r} cannot be: {message}", advice=_advice(name)) from error


def _advice(name: str) -> str:
    return f"it is {getattr(Recipe(), name)!r} by default; see Recipe in the library"


def _may_be_left_out(name: str) -> bool:
    return type(None) in getattr(get_type_hints(Recipe)[name], "__args__", ())
