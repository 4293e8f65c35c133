"""The verdict: a policy held against evidence. A record; standard library and pydantic only."""

from dataclasses import dataclass
from typing import Final, Literal

from compressor.records import strict
from compressor.types import Decision, Interval

SCHEMA: Final = "compress.verdict/1"


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """Which policy judged."""

    sha256: str
    source: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One demand and what was found."""

    id: str
    """Stable: `robustness.linf-2/255.min`."""
    demanded: str
    found: float | int | str | None
    interval: Interval | None
    decision: Decision
    reason: str
    """In plain words, with numbers."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A blocking condition that somebody took upon themselves."""

    id: str
    because: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`verdict.json`."""

    schema: Literal["compress.verdict/1"]
    created: str
    tool_version: str
    decision: Decision
    policy: PolicyFacts
    evidence: tuple[str, ...]
    """Digests of the records judged."""
    conditions: tuple[Condition, ...]
    accepted: tuple[Accepted, ...]
