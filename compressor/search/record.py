"""What a search tries, and what became of each try: the content of trials.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from compressor.records import strict
from compressor.types import Decision, Minimise, Structure

SCHEMA: Final = "compress.search/1"

CONFIRM = "confirm"
"""Rung of those that passed by `quick` and are looked at again: the attack by the battery of the release."""


class Profile(StrEnum):
    """How the cut is spread over the network."""

    EVEN = "even"
    """The same ratio for every group of filters."""
    EARLY = "early"
    """Stages near the input lose more."""
    LATE = "late"
    """Stages near the answer lose more."""
    GLOBAL = "global"
    """The lowest scores of all groups together."""


class Standing(StrEnum):
    """What a candidate came to."""

    PASSED = "passed"
    """Every condition that select images can answer holds, and would probably be decided so on the test."""
    UNDECIDED = "undecided"
    """No condition failed, and the test would probably not decide all of them."""
    FAILED = "failed"
    """A condition certainly does not hold."""
    DROPPED = "dropped"
    """Ended before it was judged."""


Way = tuple[Structure, str, Profile]
"""Of cutting: what is cut, by which criterion, and how it is spread."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to cut, and how much."""

    structure: Structure
    criterion: str
    profile: Profile
    amount: float
    """Ceiling on the share of dense that stays, in (0, 1): of parameters where parameters or bytes are made small,
    else of multiply-adds."""

    @property
    def way(self) -> Way:
        """What tells it from others of its size."""
        return self.structure, self.criterion, self.profile


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One examination; each costs more than the one before."""

    name: str
    """`cut`, `one-shot`, `short`, `full`, `attack`, `confirm`."""
    accuracy: float | None
    """Share of the select images right; None where nothing was answered."""
    robust_accuracy: float | None
    """Under the inner attack of an adversarial recipe, on a sample of them."""
    num_images_trained: int
    """Training images seen, an image once for each pass over it."""
    num_passes: int
    """Forward and backward passes of images in attacks on this model."""
    seconds: float
    cpu_seconds: float
    """Of this process."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One condition of the policy, on select images."""

    id: str
    decision: Decision
    """Of the gate."""
    found: float
    limit: float
    shortfall: float
    """How much is missing until the test would probably decide it: a share of images, or of the limit for sizes and
    times. At most 0 where nothing is."""


def binding_of(conditions: Sequence[Judged]) -> Judged | None:
    """Return the condition that is missed by most; one that failed comes before all that are undecided."""
    return max(conditions, key=lambda each: (each.decision is Decision.FAILED, each.shortfall), default=None)


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate and what became of it."""

    number: int
    """From 1, in the order in which they were taken up; one that a killed process had taken is left out."""
    heat: int
    """Number of the first candidate of its heat: those of one size, of which the best at first sight goes on."""
    worker: str
    """Who examined it."""
    structure: Structure
    criterion: str
    profile: Profile
    amount: float
    cut_sha256: str | None
    """Digest of what leaves: equal for equal cuts."""
    macs: int | None
    params: int | None
    num_bytes: int | None
    """Of its ONNX file, where it was written."""
    p50_ms: float | None
    """Median latency, where it was timed."""
    dense_p50_ms: float | None
    """Of the dense model, timed in turns with it."""
    cost: float | None
    """Of what is made small, as a share of dense; None where nothing could be cut."""
    rungs: tuple[Rung, ...]
    accuracy: float | None
    """On the select images that were judged on; None where it did not come so far."""
    robust: dict[str, float]
    """Threat to robust accuracy, on the same images."""
    dense_robust: dict[str, float]
    """The same of the dense model."""
    num_images: int | None
    """How many those were: attacking stops as soon as the judgement is certain."""
    conditions: tuple[Judged, ...]
    flags: tuple[str, ...]
    """Signs that attacks may have been fooled; not judged here."""
    shortfall: float | None
    """The largest of its conditions."""
    standing: Standing
    why: str
    """Why it ended, in a sentence."""
    seconds: float

    @property
    def candidate(self) -> Candidate:
        """What was tried."""
        return Candidate(structure=self.structure, criterion=self.criterion, profile=self.profile, amount=self.amount)

    @property
    def is_judged(self) -> bool:
        """Whether it came to a judgement."""
        return self.standing is not Standing.DROPPED

    @property
    def binding(self) -> Judged | None:
        """The condition that is in the way."""
        return binding_of(self.conditions)

    def rung(self, name: str) -> Rung | None:
        """Return an examination that it reached."""
        return next((each for each in self.rungs if each.name == name), None)


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """The model that is searched in."""

    sha256: str
    macs: int
    params: int
    num_bytes: int | None
    p50_ms: float | None
    accuracy: float
    """On all select images."""
    robust: dict[str, float]
    """On the select images of the candidate that was judged on most; empty where none was attacked."""


@strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """`trials.json`."""

    schema: Literal["compress.search/1"]
    created: str
    tool_version: str
    study: str
    """Name of the study: a digest of all that decides about its trials."""
    minimise: Minimise
    seed: int
    role: str
    """Always `select`: candidates never meet a test image."""
    num_images: int
    """Select images that candidates are judged on, at most."""
    policy_sha256: str
    dense: Dense
    trials: tuple[Trial, ...]
    winner: int | None
    """Its number; None where nothing passed."""
    seconds: float
    """Of all trials together."""
