"""What an adversary may do: move an image by at most epsilon in a norm, and stay in [0, 1]."""

import re
from dataclasses import dataclass
from fractions import Fraction

from compressor.errors import OptionError
from compressor.types import Norm, word_of

SMALLEST, LARGEST = Fraction(1, 10**6), Fraction(10**6)
"""Radii that can be meant: float32 knows pixels to about 1e-7, and no image is larger than a million in l2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """A norm and an exact radius. `linf:8/255` and `linf:0.03137` are different threats."""

    norm: Norm
    """How the perturbation is measured."""

    epsilon: Fraction
    """Its largest size, on images in [0, 1]; exact, so that equal threats are equal everywhere."""

    def __post_init__(self) -> None:
        """Take a plain string of a caller as the norm that it stands for, and a decimal number as it is written.

        Raises:
            OptionError: an unknown norm, or an epsilon that is no positive number.
        """
        object.__setattr__(self, "norm", word_of(Norm, self.norm))
        try:
            epsilon = self.epsilon if isinstance(self.epsilon, Fraction) else Fraction(str(self.epsilon))
        except (ValueError, ZeroDivisionError):
            epsilon = Fraction(0)
        if epsilon <= 0:
            raise OptionError(f"epsilon {self.epsilon} is no positive number", advice="write Fraction(8, 255)")
        object.__setattr__(self, "epsilon", epsilon)

    @property
    def radius(self) -> float:
        """Epsilon as the nearest float."""
        return float(self.epsilon)

    def __str__(self) -> str:
        return f"{self.norm}:{self.epsilon}"


def parse_threat(text: str) -> Threat:
    """Read `linf:8/255`, `l2:0.5` or `linf:0.03`.

    Raises:
        OptionError: not of that form, an unknown norm, or epsilon not in (0, 1] for linf, (0, inf) for l2.
    """
    advice = "write a threat as NORM:EPSILON, for example linf:8/255 or l2:0.5"
    match = re.fullmatch(r"(\w+):(\d+/\d+|\d*\.?\d+(?:e-?\d+)?)", text.strip().lower())
    if match is None:
        raise OptionError(f"threat {text!r} is not NORM:EPSILON", advice=advice)
    name, number = match.groups()
    if name not in set(Norm):
        raise OptionError(f"threat {text!r} names the unknown norm {name!r}; known: linf, l2", advice=advice)
    try:
        epsilon = Fraction(number)
    except ZeroDivisionError:
        raise OptionError(f"threat {text!r} divides by zero", advice=advice) from None
    if epsilon <= 0 or (name == Norm.LINF and epsilon > 1):
        raise OptionError(
            f"threat {text!r}: epsilon must be above 0 and, for linf, at most 1 (images are in [0, 1])",
            advice=advice + ("; did you mean linf:8/255 rather than linf:8?" if epsilon > 1 else ""),
        )
    if not SMALLEST <= epsilon <= LARGEST:
        raise OptionError(
            f"threat {text!r}: pixels are float32 in [0, 1], which an epsilon below {float(SMALLEST):g} does not move "
            f"and one above {float(LARGEST):g} moves no further",
            advice=advice,
        )
    return Threat(norm=Norm(name), epsilon=epsilon)
