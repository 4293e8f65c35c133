"""What verifying a bundle found: one line per check, and what they come to."""

from dataclasses import dataclass
from enum import StrEnum

from compressor.types import Decision


class Status(StrEnum):
    """How far a statement of the bundle could be followed."""

    RECOMPUTED = "recomputed"
    """Made anew from the files; the same comes out."""
    CONSISTENT = "consistent"
    """The files say the same in all places; the figure itself was not made anew."""
    NOT_CHECKED = "not checked"
    """Nothing was done, and the detail says why."""
    CONTRADICTED = "contradicted"
    """Something else comes out: the bundle does not hold, or not what the verifier demands."""


Found = tuple[Status, str]
"""What looking at one statement gave: how far it could be followed, and one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One statement of the bundle."""

    name: str
    """What was looked at, in one or two words."""
    status: Status
    detail: str
    """One sentence for a person, with numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """Everything that was checked."""

    bundle: str
    """The folder."""
    digest: str | None
    """The bundle digest: sha256 of SHA256SUMS; None without that file."""
    decision: Decision | None
    """The bundle's own verdict; None for one that was only exported, or when nothing could be read."""
    demanded: Decision | None
    """What the evidence comes to under the verifier's own policy; None when none was given."""
    authentic: bool
    """The bundle digest is the one that the verifier was told by another way, or is signed by the key they gave."""
    holds: bool
    """Nothing is contradicted, and the verifier's own policy, if given, is met. Otherwise the exit code is 3."""
    checks: tuple[Check, ...]
    conclusion: str
    """What it comes to, in one sentence."""

    @property
    def contradictions(self) -> tuple[Check, ...]:
        """What does not hold."""
        return contradicted(self.checks)


def contradicted(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that came out otherwise."""
    return tuple(check for check in checks if check.status is Status.CONTRADICTED)
