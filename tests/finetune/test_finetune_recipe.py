"""A recipe says everything, and refuses what cannot be."""

import math
from dataclasses import replace

import pytest

from compressor.errors import OptionError
from compressor.finetune import RECIPES, Recipe, preset
from compressor.finetune.recipe import learning_rate, resolve
from compressor.records import dump, parse


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("optimizer", "adam"),
        ("lr", 0.0),
        ("lr", math.nan),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("batch_size", 1),
        ("micro_batch", 1),
        ("warmup", 1.0),
        ("final_lr", 1.5),
        ("label_smoothing", 1.0),
        ("clip_norm", 0.0),
        ("ema_decay", 1.0),
        ("augment", "mixup"),
        ("smallest_crop", 0.0),
        ("noise_sigma", 0.0),
        ("mixup", -0.1),
        ("cutmix", -1.0),
        ("feature_weight", -1.0),
        ("adversarial_method", "fgsm"),
        ("trades_weight", 0.0),
        ("precision", "fp8"),
        ("distill_temperature", 0.0),
        ("distill_weight", 1.1),
        ("adversarial_steps", 0),
        ("natural_share", 1.0),
        ("batchnorm_batches", -1),
    ],
)
def test_impossible_values_are_refused_by_name(name, value):
    """Each value is checked where it enters, and the message quotes it."""
    with pytest.raises(OptionError, match=f"{name} = ") as caught:
        Recipe(**{name: value})
    assert name in caught.value.advice


@pytest.mark.parametrize(("augment", "mirror"), [("crop", True), ("crop-flip", False), ("none", True)])
def test_an_augmentation_that_says_itself_whether_it_mirrors_is_not_contradicted(augment, mirror):
    """The other answer is refused; the same one is only said twice."""
    assert Recipe(augment=augment, mirror=not mirror).mirror is not mirror
    with pytest.raises(OptionError, match="mirror = "):
        Recipe(augment=augment, mirror=mirror)


def test_trades_perturbs_every_image():
    """Natural images have their part in its loss already."""
    with pytest.raises(OptionError, match=r"natural_share = 0\.5"):
        Recipe(adversarial_method="trades", natural_share=0.5)


def test_an_impossible_threat_is_refused():
    """The threat of adversarial training is read like any other."""
    with pytest.raises(OptionError, match="linf:8"):
        Recipe(adversarial="linf:8")


def test_presets_are_found_by_name():
    """A wrong name lists the right ones."""
    assert preset("few") == Recipe()
    assert preset("full").epochs > 10 * preset("few").epochs
    with pytest.raises(OptionError, match="'long'") as caught:
        preset("long")
    assert all(name in caught.value.advice for name in RECIPES)


def test_a_recipe_survives_its_file():
    """What is recorded is the recipe itself."""
    recipe = Recipe(adversarial="linf:8/255", ema_decay=0.99, seed=7)
    assert parse(dump(recipe), Recipe, source="recipe") == recipe


@pytest.mark.parametrize(
    ("augment", "channels", "names", "expected"),
    [
        ("auto", 3, ("cat", "dog"), "crop-flip"),
        ("auto", 1, ("cat", "dog"), "crop"),
        ("auto", 3, ("0", "1"), "crop"),
        ("auto", 3, ("b", "d"), "crop"),
        ("none", 3, ("cat", "dog"), "none"),
        ("crop-flip", 1, ("0", "1"), "crop-flip"),
        ("augmix", 3, ("cat", "dog"), "augmix"),
    ],
)
def test_mirroring_is_off_for_signs_unless_asked_for(augment, channels, names, expected):
    """A mirrored digit is another sign or none."""
    resolved = resolve(Recipe(augment=augment), channels=channels, class_names=names, teacher=False)
    assert resolved.augment == expected


@pytest.mark.parametrize(("names", "mirror"), [(("cat", "dog"), True), (("b", "d"), False)])
def test_every_augmentation_mirrors_only_what_may_be_mirrored(names, mirror):
    """Left open, it follows the classes; said, it is as said."""
    for augment in ("resized-crop", "trivial-augment", "augmix", "noise", "auto"):
        recipe = Recipe(augment=augment)
        assert resolve(recipe, channels=3, class_names=names, teacher=False).mirror is mirror
        said = resolve(replace(recipe, mirror=not mirror), channels=3, class_names=names, teacher=False)
        assert said.mirror is not mirror
    assert resolve(Recipe(augment="none"), channels=3, class_names=names, teacher=False).mirror is False


def test_what_auto_means_depends_on_the_device():
    """Asked for, a precision stays; feature maps are compared with a teacher only."""
    found = resolve(Recipe(feature_weight=2.0), channels=3, class_names=("cat",), teacher=False, precision="bf16")
    assert (found.precision, found.feature_weight) == ("bf16", 0.0)
    asked = Recipe(precision="fp32", feature_weight=2.0)
    kept = resolve(asked, channels=3, class_names=("cat",), teacher=True, precision="bf16")
    assert (kept.precision, kept.feature_weight) == ("fp32", 2.0)


def test_resolving_leaves_nothing_open():
    """Distillation needs a teacher, and a micro-batch is no larger than its batch."""
    recipe = Recipe(batch_size=32, micro_batch=64)
    assert resolve(recipe, channels=3, class_names=("a1",), teacher=True).distill
    resolved = resolve(recipe, channels=3, class_names=("a1",), teacher=False)
    assert not resolved.distill
    assert resolved.micro_batch == 32
    assert resolve(resolved, channels=3, class_names=("a1",), teacher=False) == resolved


def test_learning_rate_rises_then_follows_half_a_cosine():
    """Closed form at the corners: 100 steps, 10 of them warm-up."""
    recipe = Recipe(lr=0.11, warmup=0.1, final_lr=0.1)
    rates = [learning_rate(recipe, step=step, num_steps=100, batch_size=128) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(0.11)
    assert rates[55] == pytest.approx((0.11 + 0.011) / 2)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.011 < rates[99] < 0.0112


@pytest.mark.parametrize(("optimizer", "expected"), [("sgd", 2.0), ("adamw", math.sqrt(2.0))])
def test_learning_rate_grows_with_the_batch(optimizer, expected):
    """Linear for SGD, a square root for AdamW."""
    recipe = Recipe(optimizer=optimizer, warmup=0.0)
    small, large = (learning_rate(recipe, step=0, num_steps=9, batch_size=size) for size in (128, 256))
    assert large / small == pytest.approx(expected)


def test_a_single_step_has_a_learning_rate():
    """One image batch and one epoch are enough to train."""
    assert learning_rate(Recipe(), step=0, num_steps=1, batch_size=128) > 0
