"""What each section of a policy may say. Records; pydantic reads them strictly from TOML."""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from compressor.gate.units import (
    Age,
    Count,
    Day,
    Digest,
    Milliseconds,
    PolicyThreat,
    Positive,
    Ratio,
    Share,
    Size,
    Whole,
    Word,
)
from compressor.records import strict

SCHEMA = "compress.policy/1"
ANY_DEVICE = "*"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyDemand:
    """`[accuracy]`: on clean images."""

    min: Share | None = None
    """Lowest accuracy."""
    max_drop: Share | None = None
    """Largest loss against the baseline."""
    max_class_drop: Share | None = None
    """Largest loss of recall of any one class against the baseline."""
    max_ece: Share | None = None
    """Largest expected calibration error."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessDemand:
    """One `[[robustness]]`: a threat, judged when `min` or `max_drop` is given, else only measured."""

    threat: PolicyThreat
    min: Share | None = None
    """Lowest robust accuracy."""
    max_drop: Share | None = None
    """Largest loss of robust accuracy against the baseline."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionDemand:
    """`[corruptions]`: accuracy averaged over common corruptions."""

    min: Share | None = None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SizeDemand:
    """`[size]`."""

    max_bytes: Size | None = None
    """Of model.onnx."""
    max_macs: Count | None = None
    """Multiply-adds for one image."""
    max_params: Count | None = None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyDemand:
    """One `[[latency]]`: only rows of this provider, device, batch and thread count count."""

    provider: Word = "cpu"
    device: Word = ANY_DEVICE
    """Pattern for the device's own name, as in file names: `*Orin*`."""
    batch: Positive = 1
    threads: Positive = 1
    max_p50_ms: Milliseconds | None = None
    max_ratio_p50: Ratio | None = None
    """Median of slim / median of dense."""

    @property
    def name(self) -> str:
        """Its part of a condition's id: `cpu-b1-t1`, with the device when one is demanded."""
        device = re.sub(r"[^a-z0-9]+", "-", self.device.lower()).strip("-")
        return f"{self.provider}-b{self.batch}-t{self.threads}" + (f"-{device}" if device else "")


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ParityDemand:
    """`[parity]`: does the ONNX file answer as the torch model does."""

    min_agreement: Share | None = None


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceDemand:
    """`[evidence]`: how the figures must have been found."""

    battery: Word | None = None
    min_images: Positive | None = None
    seed: Whole | None = None
    max_age: Age | None = None
    data_sha256: Digest | None = None
    max_duplicates: Whole | None = None


def _ids(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"{value!r} is not a list of condition ids")


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """`[waivers]`: conditions that may block without stopping, until a day."""

    allowed: Annotated[tuple[str, ...], PlainValidator(_ids)] = ()
    expires: Day | None = None
    """The first day on which they no longer count."""

    def cover(self, condition_id: str, today: date) -> bool:
        """Say whether this condition is waived on that day."""
        return condition_id in self.allowed and self.expires is not None and today < self.expires


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """What is written in the file."""

    schema: Literal["compress.policy/1"] = "compress.policy/1"
    accuracy: AccuracyDemand = field(default_factory=AccuracyDemand)
    robustness: tuple[RobustnessDemand, ...] = ()
    corruptions: CorruptionDemand = field(default_factory=CorruptionDemand)
    size: SizeDemand = field(default_factory=SizeDemand)
    latency: tuple[LatencyDemand, ...] = ()
    parity: ParityDemand = field(default_factory=ParityDemand)
    evidence: EvidenceDemand = field(default_factory=EvidenceDemand)
    waivers: Waivers = field(default_factory=Waivers)


SECTIONS = {
    "accuracy": AccuracyDemand,
    "robustness": RobustnessDemand,
    "corruptions": CorruptionDemand,
    "size": SizeDemand,
    "latency": LatencyDemand,
    "parity": ParityDemand,
    "evidence": EvidenceDemand,
    "waivers": Waivers,
}

SHOWN_KEYS = {"robustness": "[[robustness]]", "latency": "[[latency]]"}
