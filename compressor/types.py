"""Words that several stages share. No library but Python's."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from compressor.errors import OptionError

Word = TypeVar("Word", bound=StrEnum)

Role = Literal["train", "select", "test"]
"""What images are used for: fitting, choosing (best epoch, calibration, search), evaluation only."""

Interval = tuple[float, float]
"""A two-sided confidence interval, lower end first."""


def word_of(kind: type[Word], text: str) -> Word:
    """Return the word that a plain string of a caller stands for: words are told apart by what they are.

    Raises:
        OptionError: it stands for none.
    """
    if text not in set(kind):
        raise OptionError(f"{text!r} is no {kind.__name__.lower()}", advice=f"use one of: {', '.join(kind)}")
    return kind(text)


class Norm(StrEnum):
    """How the size of a perturbation is measured, on images in [0, 1]."""

    LINF = "linf"
    L2 = "l2"


class Decision(StrEnum):
    """What a judgement can come to."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Structure(StrEnum):
    """What pruning removes."""

    FILTERS = "filters"
    BLOCKS = "blocks"
    BOTH = "both"


class Scope(StrEnum):
    """Among which filters those with the lowest scores are looked for."""

    LOCAL = "local"
    """Each group by itself: the same ratio everywhere."""
    GLOBAL = "global"
    """All groups together."""
    ISOMORPHIC = "isomorphic"
    """Groups of one structure together: the same kinds of layers in the same roles."""


class Minimise(StrEnum):
    """What a search makes as small as it can."""

    LATENCY = "latency"
    """Median of model.onnx here, as a ratio to the dense model's, timed in turns."""
    MACS = "macs"
    PARAMS = "params"
    BYTES = "bytes"
    """Of model.onnx."""


class Precision(StrEnum):
    """In which numbers a file computes."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class InputForm(StrEnum):
    """What a file takes."""

    FLOAT_NCHW = "float-nchw"
    """float32 in [0, 1], (N, C, H, W)."""
    UINT8_NHWC = "uint8-nhwc"
    """Raw frames: bytes, (N, H, W, C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Something that was not done, which is a value and never a gap."""

    reason: str
    """One sentence for a person."""
