"""How to fine-tune: every value that decides the outcome, explicit and recorded. No torch here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from compressor.attacks.threat import parse_threat
from compressor.errors import OptionError
from compressor.records import strict

Optimizer = Literal["sgd", "adamw"]
Augment = Literal["auto", "none", "crop", "crop-flip", "resized-crop", "trivial-augment", "augmix", "noise"]
Method = Literal["pgd", "trades", "fast", "free"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

REFERENCE_BATCH = 128
"""The batch size at which `Recipe.lr` is meant; other batch sizes scale it."""

MIRRORED = {"none": False, "crop": False, "crop-flip": True}
"""Augmentations that say themselves whether images are mirrored."""


def _one_of(choices: object) -> str:
    return f"one of {', '.join(get_args(choices))}"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to fine-tune. The same recipe, model, data and seed give the same weights."""

    epochs: int = 3
    """Passes over the training images. 0 only re-estimates the BatchNorm statistics."""
    optimizer: Optimizer = "sgd"
    """`sgd` with Nesterov momentum, or `adamw`."""
    lr: float = 0.02
    """Peak learning rate at a batch of 128 images. Grows linearly with the batch (adamw: with its square root)."""
    momentum: float = 0.9
    """Nesterov momentum; for adamw the first beta."""
    weight_decay: float = 5e-4
    """On matrices and filters only, never on norms and biases."""
    batch_size: int = 128
    """Images per optimizer step."""
    micro_batch: int = 128
    """Images per forward pass, the unit of BatchNorm statistics and what several processes share out: the same for any
    number of processes; more than the batch means the whole batch."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises linearly, in [0, 1)."""
    final_lr: float = 0.0
    """Where the cosine ends, as a share of the peak, in [0, 1]."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes, in [0, 1)."""
    clip_norm: float | None = 5.0
    """Largest L2 norm of the whole gradient; None: unlimited."""
    ema_decay: float | None = None
    """Per step; the moving average of the weights is then what is judged and returned. None: the weights themselves."""
    augment: Augment = "auto"
    """`crop`: random shift by an eighth of the side; `crop-flip`: mirrored too; `resized-crop`: a random part enlarged;
    `trivial-augment`, `augmix` and `noise`: after a random shift; `auto`: see `resolve`. See `augmentation`."""
    mirror: bool | None = None
    """Mirror every other image; `crop` never does, `crop-flip` always. None: see `resolve`."""
    smallest_crop: float = 0.25
    """In `resized-crop`: least share of the image's area that is kept, in (0, 1]."""
    noise_sigma: float = 0.1
    """In `noise`: largest standard deviation, on images in [0, 1], above 0."""
    mixup: float = 0.0
    """Each image blended with its neighbour, the share drawn from Beta(mixup, mixup); 0: off."""
    cutmix: float = 0.0
    """Each image gets a box of its neighbour, the share drawn from Beta(cutmix, cutmix); 0: off. With mixup as well,
    every other image takes either."""
    distill: bool = True
    """Learn from the teacher's answers too, when one is given and while it knows better (see `objective.Trust`)."""
    distill_temperature: float = 4.0
    """Softens both answers (Hinton et al., arXiv 1503.02531)."""
    distill_weight: float = 0.5
    """Share of the loss that is the teacher's, in [0, 1]."""
    feature_weight: float = 0.0
    """Weight of the likeness of feature maps with the teacher's (see `features`; its paper takes 3000); 0: off."""
    adversarial: str | None = None
    """Train on images perturbed within this threat, for example `linf:8/255`; None: natural images only."""
    adversarial_method: Method = "pgd"
    """How: `pgd` or `trades` with a search for each step, `fast` with one gradient, `free` with none of its own."""
    adversarial_steps: int = 7
    """Gradient steps of the search; `free`: how often each batch is replayed; `fast`: of the check on select images."""
    trades_weight: float = 6.0
    """In `trades`: weight of the divergence between the answers to an image and to its perturbed twin, above 0."""
    natural_share: float = 0.0
    """Share of each batch that stays natural in adversarial training, in [0, 1)."""
    batchnorm_batches: int = 200
    """Most batches from which BatchNorm statistics are re-estimated before training; 0: leave them."""
    precision: Precision = "auto"
    """Of forward and backward passes; weights stay fp32. `auto`: bf16 on GPUs and CPUs with units for it, fp16
    on older GPUs, else fp32."""
    compile: bool = False
    """Let torch.compile build the forward pass; then resuming need not give the same bits."""
    seed: int = 0
    """Of the order of images, the augmentation and the inner attack."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            OptionError: names the value, what it is and what it may be.
        """
        for name, fits, wanted in (
            ("epochs", self.epochs >= 0, "0 or more"),
            ("optimizer", self.optimizer in get_args(Optimizer), _one_of(Optimizer)),
            ("lr", 0 < self.lr < math.inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("batch_size", self.batch_size >= 2, "2 or more"),
            ("micro_batch", self.micro_batch >= 2, "2 or more"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
            ("final_lr", 0 <= self.final_lr <= 1, "in [0, 1]"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "above 0"),
            ("ema_decay", self.ema_decay is None or 0 < self.ema_decay < 1, "in (0, 1)"),
            ("augment", self.augment in get_args(Augment), _one_of(Augment)),
            ("mirror", self.mirror in (None, MIRRORED.get(self.augment, self.mirror)), f"left out at {self.augment}"),
            ("smallest_crop", 0 < self.smallest_crop <= 1, "in (0, 1]"),
            ("noise_sigma", 0 < self.noise_sigma < math.inf, "above 0"),
            ("mixup", 0 <= self.mixup < math.inf, "0 or more"),
            ("cutmix", 0 <= self.cutmix < math.inf, "0 or more"),
            ("distill_temperature", 0 < self.distill_temperature < math.inf, "above 0"),
            ("distill_weight", 0 <= self.distill_weight <= 1, "in [0, 1]"),
            ("feature_weight", 0 <= self.feature_weight < math.inf, "0 or more"),
            ("adversarial_method", self.adversarial_method in get_args(Method), _one_of(Method)),
            ("adversarial_steps", self.adversarial_steps >= 1, "1 or more"),
            ("trades_weight", 0 < self.trades_weight < math.inf, "above 0"),
            ("natural_share", 0 <= self.natural_share < 1, "in [0, 1)"),
            ("natural_share", self.natural_share == 0 or self.adversarial_method != "trades", "0 with trades"),
            ("precision", self.precision in get_args(Precision), _one_of(Precision)),
            ("batchnorm_batches", self.batchnorm_batches >= 0, "0 or more"),
        ):
            if not fits:
                raise OptionError(
                    f"recipe value {name} = {getattr(self, name)!r} cannot be", advice=f"{name} must be {wanted}"
                )
        if self.adversarial is not None:
            parse_threat(self.adversarial)


RECIPES: dict[str, Recipe] = {
    "few": Recipe(),
    "full": Recipe(epochs=60, lr=0.05),
}
"""`few`: a few epochs after pruning. `full`: a run for the last tenths of a point."""


def preset(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        OptionError: no such recipe.
    """
    if name not in RECIPES:
        raise OptionError(f"there is no recipe {name!r}", advice=f"choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def resolve(
    recipe: Recipe, *, channels: int, class_names: Sequence[str], teacher: bool, precision: Precision = "fp32"
) -> Recipe:
    """Return the recipe with nothing left open, as it is carried out and recorded.

    `augment = "auto"` becomes `crop-flip`, but `crop` for grey images and for classes named by single characters: a
    mirrored digit or letter is another sign or none. The other augmentations mirror likewise unless `mirror` says it.
    Without a teacher nothing is distilled. `precision` is what `auto` means on the device.
    """
    signs = channels == 1 or all(len(name) == 1 for name in class_names)
    mirror = recipe.mirror if recipe.mirror is not None else not signs
    augment: Augment = recipe.augment if recipe.augment != "auto" else ("crop-flip" if mirror else "crop")
    distill = recipe.distill and teacher
    return replace(
        recipe,
        augment=augment,
        mirror=MIRRORED.get(augment, mirror),
        micro_batch=min(recipe.micro_batch, recipe.batch_size),
        distill=distill,
        feature_weight=recipe.feature_weight if distill else 0.0,
        precision=precision if recipe.precision == "auto" else recipe.precision,
    )


def peak_rate(recipe: Recipe, *, batch_size: float) -> float:
    """Return the highest learning rate, at `batch_size` images per step as carried out, on average."""
    scale = batch_size / REFERENCE_BATCH
    return recipe.lr * (scale if recipe.optimizer == "sgd" else math.sqrt(scale))


def learning_rate(recipe: Recipe, *, step: int, num_steps: int, batch_size: float) -> float:
    """Return the learning rate of one step: a linear rise, then half a cosine (Loshchilov, Hutter, arXiv 1608.03983).

    Args:
        recipe: gives the peak, the warm-up and the end.
        step: from 0, over the whole training.
        num_steps: of the whole training.
        batch_size: images per step as carried out, on average.
    """
    peak = peak_rate(recipe, batch_size=batch_size)
    num_warm = math.ceil(recipe.warmup * num_steps)
    if step < num_warm:
        return peak * (step + 1) / (num_warm + 1)
    done = (step - num_warm) / max(1, num_steps - num_warm)
    final = recipe.final_lr * peak
    return final + (peak - final) * (1 + math.cos(math.pi * done)) / 2
