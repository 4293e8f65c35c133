"""The attacks by the name that batteries and certificates use."""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from torch import Tensor

from compressor.attacks.apgd import apgd, apgd_targeted
from compressor.attacks.fab import fab_targeted
from compressor.attacks.fgsm import fgsm
from compressor.attacks.fmn import fmn
from compressor.attacks.losses import CLASSES_NEEDED
from compressor.attacks.margin import margin_cascade
from compressor.attacks.model import Answering, AttackedModel
from compressor.attacks.noise import noise
from compressor.attacks.pgd import pgd
from compressor.attacks.square import square
from compressor.attacks.threat import Threat
from compressor.attacks.torchattacks import PREFIX, run_torchattacks, torchattacks_settings

Attack = Callable[..., Tensor]
"""(model, images, labels, *, threat, seeds, **settings) -> adversarial images"""

Settings = dict[str, str | int | float | bool]

ATTACKS: dict[str, Attack] = {
    "fgsm": fgsm,
    "pgd": pgd,
    "apgd": apgd,
    "apgd-targeted": apgd_targeted,
    "margin": margin_cascade,
    "fab-targeted": fab_targeted,
    "fmn": fmn,
    "square": square,
    "noise": noise,
}

WITHOUT_GRADIENT = frozenset({"square", "noise", f"{PREFIX}Square", f"{PREFIX}SPSA"})
"""Attacks that only ask for answers: where they find more than the others, gradients mislead."""

MINIMUM_NORM = frozenset({"fab-targeted", "fmn", f"{PREFIX}FAB", f"{PREFIX}DeepFool"})
"""Attacks that look for the nearest wrong image, not for the worst one within the threat."""

BY_ANSWERS = frozenset({"square", "noise"})
"""Our own attacks that only ask for answers: whatever answers can be attacked, a file as well as a model."""

SEARCH = "search"
"""Setting of our attacks by gradients, stated only where it is chosen: `bf16` looks for adversarial images in bfloat16.
They are judged in float32 like all others."""
SEARCHES = ("fp32", "bf16")

CLEAN_LOGITS = "clean_logits"
"""Parameter of attacks that begin by asking what the clean images are answered. Knowing it is no setting."""

TARGETED_DLR_NEEDS = 4
"""Classes, for the targeted difference of logits ratio."""


def settings_of(name: str) -> Settings:
    """Return every setting of one of our attacks with its default."""
    known = inspect.signature(ATTACKS[name]).parameters.values()
    return {
        each.name: each.default
        for each in known
        if each.default is not inspect.Parameter.empty and each.name != CLEAN_LOGITS
    }


def fit(name: str, settings: Settings, *, threat: Threat, num_classes: int) -> tuple[str, Settings]:
    """Return what an attack comes down to for a threat and a number of classes, every setting stated.

    A loss that needs more classes than there are gives way to the margin, which is the same up to its scale.

    Raises:
        CertifyError: an attack of torchattacks that cannot run here.
    """
    if name.startswith(PREFIX):
        return name, torchattacks_settings(name.removeprefix(PREFIX), num_classes, threat, dict(settings))
    full = settings_of(name) | settings
    if num_classes < CLASSES_NEEDED.get(str(full.get("loss")), 2):
        full["loss"] = "margin"
    if "num_targets" in full:
        full["num_targets"] = min(int(full["num_targets"]), num_classes - 1)
    if name == "apgd-targeted" and num_classes < TARGETED_DLR_NEEDS:
        left = {key: full[key] for key in ("num_restarts", "rho", SEARCH) if key in full}
        num_steps = int(full["num_steps"]) * int(full["num_targets"])
        return "apgd", settings_of("apgd") | left | {"loss": "margin", "num_steps": num_steps}
    return name, full


def run_attack(
    name: str,
    settings: Settings,
    model: AttackedModel | Answering,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    clean_logits: Tensor | None = None,
) -> Tensor:
    """Run an attack by name.

    Args:
        name: a key of `ATTACKS`, or `torchattacks:NAME`.
        settings: all of them, as `fit` returned them.
        model: to attack; one that only answers suffices for `BY_ANSWERS`.
        images: (n, C, H, W) float32 in [0, 1], n >= 1, on the model's device.
        labels: (n,) int64.
        threat: norm and radius.
        seeds: (n,) int64.
        clean_logits: (n, K) the model's answers to the images, where they are known: it is then not asked again.

    Returns:
        (n, C, H, W) float32 on the model's device; the caller clips and judges it again.
    """
    chosen: dict[str, Any] = dict(settings)
    if name.startswith(PREFIX):
        assert isinstance(model, AttackedModel)
        name = name.removeprefix(PREFIX)
        return run_torchattacks(model, images, labels, threat=threat, seeds=seeds, name=name, settings=chosen)
    in_bf16 = chosen.pop(SEARCH, "fp32") == "bf16"
    if CLEAN_LOGITS in inspect.signature(ATTACKS[name]).parameters:
        chosen[CLEAN_LOGITS] = clean_logits
    with model.searching_in_bf16() if in_bf16 and isinstance(model, AttackedModel) else nullcontext():
        return ATTACKS[name](model, images, labels, threat=threat, seeds=seeds, **chosen)
