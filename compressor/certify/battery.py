"""Which attacks run, in which order, with which settings. A record; the attacks themselves are in `attacks`."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compressor.attacks.losses import UNTARGETED
from compressor.attacks.table import (
    ATTACKS,
    BY_ANSWERS,
    SEARCH,
    SEARCHES,
    WITHOUT_GRADIENT,
    Settings,
    fit,
    settings_of,
)
from compressor.attacks.threat import Threat
from compressor.attacks.torchattacks import PREFIX
from compressor.errors import OptionError
from compressor.files import canonical_json, sha256_of_bytes
from compressor.records import to_plain

TRANSFER = "transfer"
"""The dense model's adversarial images, replayed. Not listed by a battery: it comes first whenever they are at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assault:
    """One attack with its settings."""

    name: str
    """A key of `attacks.table.ATTACKS`, or `torchattacks:NAME`."""
    settings: Settings = field(default_factory=dict)
    """Those that differ from the defaults; all of them once the battery was fitted to a threat."""

    @property
    def has_gradient(self) -> bool:
        """Whether it uses gradients."""
        return self.name not in WITHOUT_GRADIENT and self.name != TRANSFER


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Attacks in the order in which they run; each gets only the images that still stand."""

    name: str
    """`quick`, `standard`, `full`, or the path of a list."""
    attacks: tuple[Assault, ...]

    def fitted(self, threat: Threat, num_classes: int) -> tuple[Assault, ...]:
        """Return the attacks as they run on a threat, every setting stated.

        Raises:
            CertifyError: one of them cannot run on this threat or with so few classes.
        """
        fitted: list[Assault] = []
        for assault in self.attacks:
            name, settings = fit(assault.name, assault.settings, threat=threat, num_classes=num_classes)
            fitted.append(Assault(name=name, settings=settings))
        return tuple(fitted)


def digest_of_attacks(attacks: tuple[Assault, ...], threat: Threat) -> str:
    """Return the sha256 over a threat and its fitted attacks, in order."""
    return sha256_of_bytes(canonical_json({"threat": str(threat), "attacks": to_plain(attacks)}))


AUTOATTACK = (
    Assault(name="apgd", settings={"loss": "ce", "num_steps": 100}),
    Assault(name="apgd-targeted", settings={"num_targets": 9, "num_steps": 100}),
    Assault(name="fab-targeted", settings={"num_targets": 9, "num_steps": 100}),
    Assault(name="square", settings={"num_queries": 5000}),
)
"""The components of AutoAttack's `standard` in its order, at its settings (arXiv 2003.01690; one restart each)."""

_FIRST = Assault(name="fgsm")
_MARGIN = Assault(name="margin")
_NOISE = Assault(name="noise")

BATTERIES = {
    "quick": Battery(
        name="quick",
        attacks=(_FIRST, Assault(name="pgd", settings={"loss": "margin", "random_start": False})),
    ),
    "standard": Battery(
        name="standard",
        attacks=(
            _FIRST,
            Assault(name="apgd", settings={"loss": "probability-margin", "num_steps": 50}),
            Assault(name="apgd", settings={"loss": "dlr", "num_steps": 30, "num_restarts": 2}),
            Assault(name="apgd", settings={"loss": "ce", "num_steps": 20}),
            Assault(name="apgd-targeted", settings={"num_targets": 3, "num_steps": 10}),
            Assault(name="square", settings={"num_queries": 30, "rescale": True}),
            _NOISE,
        ),
    ),
    "full": Battery(
        name="full",
        attacks=(
            _FIRST,
            _MARGIN,
            *AUTOATTACK,
            _NOISE,
        ),
    ),
}
"""`quick`: seconds, for trying out. `standard`: the gate's default, a few percent of AutoAttack's passes. Four losses
climbed for a while find more than one climbed for long; the settings were chosen on models trained for that purpose,
not on the oracles that it is measured by (`benchmarks/battery_choice.py`, docs/why.md).

`full`: AutoAttack's components behind the cheap ones, which break most images first and so save most of its passes. It
may be called AutoAttack's only where `holds_autoattack` says so: with few classes there are fewer targets.
"""


WORDS = {"loss": tuple(UNTARGETED), SEARCH: SEARCHES}
"""Settings that are one of a few words."""


def holds_autoattack(attacks: Sequence[Assault], threat: Threat) -> bool:
    """Say whether fitted attacks hold AutoAttack's components, in its order, at the settings that ten classes give."""
    left = iter(attacks)
    return all(wanted in left for wanted in Battery(name="", attacks=AUTOATTACK).fitted(threat, 10))


def read_battery(text: str) -> Battery:
    """Return a battery by name, or from a TOML list of `[[attack]]` tables with `name` and settings.

    Raises:
        OptionError: neither; or the list names an unknown attack or setting.
    """
    if text in BATTERIES:
        return BATTERIES[text]
    path = Path(text)
    advice = f"use {', '.join(BATTERIES)} or a TOML file with [[attack]] tables"
    if not path.is_file():
        raise OptionError(f"battery {text!r} is neither known nor a file", advice=advice)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"battery {text} cannot be read: {error}", advice=advice) from error
    tables = content.get("attack")
    if set(content) != {"attack"} or not isinstance(tables, list) or not tables:
        raise OptionError(f"battery {text} holds something else than [[attack]] tables", advice=advice)
    attacks = tuple(_assault(table, f"attack {number} of {text}") for number, table in enumerate(tables, start=1))
    return Battery(name=text, attacks=attacks)


def _assault(table: Mapping[str, Any], where: str) -> Assault:
    settings = dict(table)
    name = settings.pop("name", None)
    known = ", ".join(sorted(ATTACKS))
    if not isinstance(name, str) or not (name in ATTACKS or name.startswith(PREFIX)):
        raise OptionError(f"{where} has the name {name!r}", advice=f"use one of {known}, or {PREFIX}NAME")
    where = f"{where} ({name})"
    defaults = None if name.startswith(PREFIX) else settings_of(name)
    if defaults is not None and name not in BY_ANSWERS:
        defaults[SEARCH] = SEARCHES[0]
    for key, value in settings.items():
        if defaults is not None and key not in defaults:
            raise OptionError(f"{where} has no setting {key!r}", advice=f"it has: {', '.join(sorted(defaults))}")
        fitting = _is_plain(value) if defaults is None else _is_fitting(key, value, defaults[key])
        if not fitting:
            default = "" if defaults is None else f"; the default is {defaults[key]!r}"
            words = f"use one of {', '.join(WORDS[key])}" if key in WORDS else "numbers must be above zero"
            raise OptionError(f"{where} cannot have {key} = {value!r}", advice=words + default)
    if settings.get(SEARCH) == SEARCHES[0]:
        del settings[SEARCH]  # what is stated although it is the default makes no other battery
    return Assault(name=name, settings=settings)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _is_fitting(key: str, value: object, default: object) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, str):
        return value in WORDS[key]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < math.inf and (isinstance(value, int) or isinstance(default, float))
