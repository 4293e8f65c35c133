"""Recipes as people write them, and errors that say what could be written instead."""

from dataclasses import fields
from pathlib import Path

import pytest

from compressor.errors import OptionError
from compressor.finetune import RECIPES, Recipe, read_recipe
from compressor.finetune.recipe_text import NAMES, read_values
from compressor.records import to_plain


def test_presets_and_files_are_recipes(tmp_path: Path) -> None:
    """A file begins with a preset, `few` where it says none, and changes what it names."""
    path = tmp_path / "mine.toml"
    path.write_text('base = "full"\nweight_decay = 1e-4\naugment = "augmix"\nclip_norm = 2\nmirror = false\n')
    expected = Recipe(epochs=60, lr=0.05, weight_decay=1e-4, augment="augmix", clip_norm=2.0, mirror=False)
    assert read_recipe(str(path)) == expected
    path.write_text("")
    assert read_recipe(str(path)) == read_recipe("few") == Recipe()
    assert read_recipe("full") == RECIPES["full"]


def test_every_value_can_be_set(tmp_path: Path) -> None:
    """What a recipe records, written back as text, is the same recipe, from a file and from pairs."""
    recipe = Recipe(ema_decay=0.99, adversarial="linf:8/255", optimizer="adamw", compile=True, mirror=True, mixup=0.2)
    plain = {name: value for name, value in to_plain(recipe).items() if value is not None}
    path = tmp_path / "all.toml"
    quoted = {name: f'"{value}"' if isinstance(value, str) else str(value).lower() for name, value in plain.items()}
    path.write_text("".join(f"{name} = {text}\n" for name, text in quoted.items()))
    assert read_recipe(str(path)) == recipe
    pairs = read_values([f"{name}={'none' if value is None else value}" for name, value in to_plain(recipe).items()])
    assert Recipe(**pairs) == recipe
    assert set(pairs) == set(NAMES) == {field.name for field in fields(Recipe)}
    assert read_values(["clip_norm=off", "augment=none"]) == {"clip_norm": None, "augment": "none"}


@pytest.mark.parametrize(
    ("pair", "message", "advice"),
    [
        ("weight_decay", "is not NAME=VALUE", "weight_decay=1e-4"),
        ("weight-decay=1e-4", "did you mean 'weight_decay'", "ema_decay"),
        ("wieght_decay=1e-4", "did you mean 'weight_decay'", "known: epochs"),
        ("dropout=0.5", "no recipe value 'dropout'", "known: epochs"),
        ("epochs=2.5", "epochs = '2.5' cannot be", "3 by default"),
        ("momentum=high", "momentum = 'high' cannot be", "0.9 by default"),
        ("augment=mixup", "augment = 'mixup' cannot be: input should be 'auto', 'none'", "'auto' by default"),
        ("lr=none", "lr = 'none' cannot be", "0.02 by default"),
    ],
)
def test_a_value_that_cannot_be_set_is_said(pair: str, message: str, advice: str) -> None:
    """The name that was meant, the type, and all that there is."""
    with pytest.raises(OptionError) as caught:
        read_values([pair])
    assert message in caught.value.message
    assert advice in caught.value.advice


def test_the_same_value_twice_is_a_mistake() -> None:
    """Which of them would count?"""
    with pytest.raises(OptionError, match="says mixup twice"):
        read_values(["mixup=0.1", "mixup=0.2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr = ", "is not TOML"),
        ('base = "short"', "no recipe 'short'"),
        ("epoch = 3", "did you mean 'epochs'"),
        ("lr = '0.1'", "lr = '0.1' cannot be"),
        ("epochs = 2.0", "epochs = 2.0 cannot be"),
        ("compile = 1", "compile = 1 cannot be"),
        ("momentum = 1.0", "momentum = 1.0"),
        ("[few]\nlr = 1", "no recipe value 'few'"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    """Not TOML, an unknown name, another type, out of range: one sentence, and an advice."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(OptionError) as caught:
        read_recipe(str(path))
    assert message in caught.value.message
    assert caught.value.advice


def test_an_unknown_recipe_names_the_known_ones() -> None:
    """Neither a preset nor a file."""
    with pytest.raises(OptionError, match="no recipe 'long'") as caught:
        read_recipe("long")
    assert "few, full" in caught.value.advice
