"""What somebody wants to know of shares of images, so that attacking can stop as soon as it is known. No torch here."""

from dataclasses import dataclass

from compressor.attacks.threat import Threat


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One condition on a share of images."""

    threat: Threat | None
    """None: clean accuracy."""
    at_least: float | None = None
    """Lowest share of images that may stay right, in [0, 1]."""
    most_drop: float | None = None
    """Largest share that may be lost against the baseline, in [0, 1]. One of the two is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """Conditions that all have to hold."""

    each: tuple[Demand, ...]
    """At least one."""
    min_images: int = 1
    """Nothing passes on fewer; failing needs no minimum."""
    needs_all: bool = False
    """Whether something is demanded besides that all images tell best: nothing passes on fewer then."""
