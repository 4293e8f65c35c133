"""Any attack of the torchattacks catalogue by name, made safe: the only file that imports it.

torchattacks trusts its callers: it leaves a model in another mode, resets the global random state, keeps half its state
after an exception, and may answer with images outside the ball. So each image gets a fresh object on a wrapped model,
every setting is stated, and what comes back is detached, clipped to ball and box, and judged again. One image at a time
is slow, but the attacks' random starts, and what some of them stop by, otherwise depend on the batch.
"""

import inspect
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compressor.attacks.ball import Ball
from compressor.attacks.model import AttackedModel
from compressor.attacks.threat import Threat
from compressor.errors import CertifyError, CompressorError, is_out_of_memory
from compressor.types import Norm

PREFIX = "torchattacks:"

REFUSED = {
    "AutoAttack": "its components run 10 steps instead of 100, so its answer is not AutoAttack's; use --battery full",
    "MultiAttack": "it counts successes outside the ball; list its attacks in the battery instead",
    "LGV": "it trains copies of the model; it is no attack with fixed settings",
    "VANILA": "it does nothing",
    "GN": "its noise has no bound; use the attack named noise",
    "EADL1": "it searches in the l1 norm",
    "EADEN": "it mixes the l1 and the l2 norm",
    "CW": "it does nothing where all logits are negative or a pixel is 0 or 1; use the attack named margin",
}
"""Attacks whose answer would mislead, and what to do instead."""

NORMS = {
    Norm.LINF: (
        *(
            "APGD",
            "APGDT",
            "BIM",
            "DIFGSM",
            "EOTPGD",
            "FAB",
            "FFGSM",
            "FGSM",
            "Jitter",
            "MIFGSM",
            "NIFGSM",
            "PGD",
            "PGDRS",
        ),
        *("PIFGSM", "PIFGSMPP", "RFGSM", "SINIFGSM", "SPSA", "Square", "TIFGSM", "TPGD", "UPGD", "VMIFGSM", "VNIFGSM"),
    ),
    Norm.L2: ("APGD", "APGDT", "DeepFool", "FAB", "PGDL2", "PGDRSL2", "Square"),
}
"""Which attacks search in which norm."""

OWNED = {
    "eps": "the threat",
    "max_epsilon": "the threat",
    "norm": "the threat",
    "seed": "each image",
    "n_classes": "the model",
    "device": "the run",
    "verbose": "the run",
}
"""Settings that a battery cannot give, and what gives them."""

CLASSES_NEEDED = {"APGDT": 4, "APGD-dlr": 3}


def torchattacks_settings(name: str, num_classes: int, threat: Threat, settings: dict[str, Any]) -> dict[str, Any]:
    """Return every setting of an attack, with the catalogue's defaults for those not given.

    Args:
        name: the class, for example `PGD`.
        num_classes: of the model.
        threat: it must be of a norm that the attack searches in; its radius becomes `eps`.
        settings: constructor arguments by name.

    Raises:
        CertifyError: an unknown or refused attack, a wrong norm, too few classes, or a setting that is unknown, of
            another kind than its default, or not the battery's to give.
    """
    _check(name, num_classes, threat, settings)
    known = inspect.signature(_class(name).__init__).parameters
    full = {key: value.default for key, value in known.items() if value.default is not inspect.Parameter.empty}
    _check_settings(name, full, settings)
    # The catalogue's step of 2/255 fits one epsilon only.
    full |= {"alpha": threat.radius / 4} if "alpha" in known else {}
    full |= settings
    full |= {"eps": threat.radius} if "eps" in known else {}
    full |= {"max_epsilon": threat.radius} if "max_epsilon" in known else {}
    full |= {"n_classes": num_classes} if "n_classes" in known else {}
    full |= {"norm": "Linf" if threat.norm is Norm.LINF else "L2"} if "norm" in known else {}
    full.pop("seed", None)  # it belongs to the image
    return {key: value for key, value in full.items() if value is not None}


def run_torchattacks(
    model: AttackedModel,
    images: Tensor,
    labels: Tensor,
    *,
    threat: Threat,
    seeds: Tensor,
    name: str,
    settings: dict[str, Any],
) -> Tensor:
    """Run one attack of the catalogue.

    Args:
        model: to attack.
        images: (n, C, H, W) float32 in [0, 1].
        labels: (n,) int64, the right answers.
        threat: norm and radius.
        seeds: (n,) int64; each seeds torch, numpy and random for its image.
        name: the class, for example `PGD`.
        settings: all constructor arguments, from `torchattacks_settings`.

    Returns:
        (n, C, H, W) float32 within the threat.

    Raises:
        CertifyError: the attack cannot run with these settings.
    """
    counted = _Counted(model)
    found = images.clone()
    for row in range(len(images)):
        part = slice(row, row + 1)
        with _faults_told(name, settings), torch.enable_grad(), _RandomState(int(seeds[row])):
            answer = _fresh(name, counted, settings, int(seeds[row]))(images[part].clone(), labels[part].clone())
        found[part] = torch.where(answer.isfinite(), answer.detach().float(), images[part])
    return Ball(images, threat).project(found)


def _check(name: str, num_classes: int, threat: Threat, settings: dict[str, Any]) -> None:
    if name in REFUSED:
        raise CertifyError(f"{PREFIX}{name} is refused: {REFUSED[name].split('; ')[0]}", advice=_advice(name))
    if name not in NORMS[threat.norm]:
        fitting = ", ".join(NORMS[threat.norm])
        raise CertifyError(
            f"{PREFIX}{name} is not an attack in {threat.norm}", advice=f"in {threat.norm} there are: {fitting}"
        )
    loss = settings.get("loss")
    needed = CLASSES_NEEDED.get(f"{name}-{loss}" if loss else name, 2)
    if num_classes < needed:
        raise CertifyError(
            f"{PREFIX}{name} needs {needed} classes and the model has {num_classes}",
            advice="use the attack named margin",
        )


def _check_settings(name: str, defaults: dict[str, Any], settings: dict[str, Any]) -> None:
    for key, value in settings.items():
        if key in OWNED:
            raise CertifyError(
                f"{PREFIX}{name} cannot have {key} = {value!r} as a setting: {OWNED[key]} gives it",
                advice="leave it out of the battery",
            )
        if key not in defaults:
            others = ", ".join(sorted(set(defaults) - set(OWNED)))
            raise CertifyError(f"{PREFIX}{name} has no setting {key!r}", advice=f"it has: {others or 'none'}")
        if not _is_alike(value, defaults[key]):
            raise CertifyError(
                f"{PREFIX}{name} cannot have {key} = {value!r}", advice=f"the default is {defaults[key]!r}"
            )


def _is_alike(value: object, default: object) -> bool:
    """Say whether a value is of the kind of a default; where the default is none, the attack itself must tell."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and (default is None or isinstance(default, bool))
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(default, float):
        return isinstance(value, int | float)
    return default is None or isinstance(value, type(default))


def _advice(name: str) -> str:
    parts = REFUSED[name].split("; ")
    return parts[1] if len(parts) > 1 else "leave it out of the battery"


def _class(name: str) -> Any:
    import torchattacks  # heavy, and only for those who ask for it

    return getattr(torchattacks, name)


@contextmanager
def _faults_told(name: str, settings: dict[str, Any]) -> Iterator[None]:
    """Tell whatever an attack trips over inside with its name, but for memory that ran out."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CompressorError) or is_out_of_memory(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        given = ", ".join(f"{key} = {value!r}" for key, value in sorted(settings.items()) if key not in OWNED)
        raise CertifyError(
            f"{PREFIX}{name} failed: {reason}", advice=f"check its settings in the battery: {given or 'it has none'}"
        ) from error


def _fresh(name: str, model: nn.Module, settings: dict[str, Any], seed: int) -> Any:
    kind = _class(name)
    seeded = {"seed": seed % 2**31} if "seed" in inspect.signature(kind.__init__).parameters else {}
    return kind(model, **settings, **seeded)


class _Counted(nn.Module):
    """The classifier, with its passes counted and its logits moved above zero, which changes no answer."""

    def __init__(self, model: AttackedModel) -> None:
        super().__init__()
        self.classifier = model.classifier
        self.eval()
        self._model = [model]  # in a list, so that torch does not take it for a part

    def forward(self, images: Tensor) -> Tensor:
        """Answer images (n, C, H, W) with logits (n, K)."""
        model = self._model[0]
        model.num_forward += len(images)
        logits: Tensor = self.classifier(images).float()
        if logits.requires_grad:
            logits.register_hook(lambda gradient: _count_backward(model, gradient))  # type: ignore[no-untyped-call]
        return logits - logits.detach().amin(1, keepdim=True) + 1.0


def _count_backward(model: AttackedModel, gradient: Tensor) -> None:
    model.num_backward += len(gradient)


class _RandomState:
    """Seeds the global random states and puts them back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self._torch, self._numpy, self._python = torch.get_rng_state(), np.random.get_state(), random.getstate()
        torch.manual_seed(self.seed)
        np.random.seed(self.seed % 2**32)
        random.seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._torch)
        np.random.set_state(self._numpy)
        random.setstate(self._python)
