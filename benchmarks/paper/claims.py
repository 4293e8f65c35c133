"""`claims.toml` read strictly: what is claimed, what is measured, and what decides."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from compressor.records import strict

PATH = Path(__file__).with_name("claims.toml")
SCHEMA = "compress.paper-claims/1"

Source = Literal["abstract", "reading note", "ours"]
Structure = Literal["filters", "layers"]
Group = Literal["clean", "paper", "corruptions", "strong"]
Difference = Literal["control", "pls", "layers"]
Verdict = Literal["confirmed", "confirmed only under weak attacks", "not confirmed", "not measured"]


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a claim is decided."""

    alpha: float
    """Of all claims together."""
    confidence: float
    """Of the intervals, two-sided."""
    least_standing: float
    """Share of standing images below which, on both sides of a difference, an epsilon says nothing."""
    least_seeds: int
    method: str
    """In words."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that an image is put through."""

    name: str
    group: Group
    what: str
    """For a person."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence, and the difference that decides it."""

    id: str
    says: str
    source: Source
    difference: Difference
    """What is subtracted from what."""
    structures: tuple[Structure, ...]
    """Whose settings are taken."""
    group: Group
    """Of the measures that the test is made on."""
    strong: bool
    """Whether the sign has to be kept under the strong battery."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Untested:
    """What the paper says and nobody here looked at."""

    says: str
    source: Source
    why: str


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The whole file."""

    schema: Literal["compress.paper-claims/1"]
    paper: str
    read: str
    """What of the paper was at hand."""
    test: Rule
    verdicts: dict[Verdict, str]
    """When each is given, in words."""
    measure: tuple[Measure, ...]
    claim: tuple[Claim, ...]
    untested: tuple[Untested, ...]

    def measures(self, group: Group) -> tuple[str, ...]:
        """Return the names of the measures of one group."""
        return tuple(each.name for each in self.measure if each.group == group)


def read_claims(path: Path = PATH) -> Claims:
    """Read the file; an unknown or missing key is an error."""
    return TypeAdapter(Claims).validate_python(tomllib.loads(path.read_text()))
