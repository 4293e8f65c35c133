"""What the rows of the battery benchmark have to show, one claim at a time, for the page and for the tests."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.battery_row import Answer, Row

FORWARD, BACKWARD = 7_850, 1_910
"""Passes of reference AutoAttack `standard` for each image that survives it."""

MAX_SHARE = 0.04
MAX_PREFLIGHT = 0.01
ONE_IN = 500
"""Images in which `standard` may leave one more than `full`."""

SECONDS = {"speed-resnet20": 60, "speed-cnn": 600}
"""What counts as seconds and as minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is published about an oracle, in images of 200."""

    autoattack: int
    """Right under reference AutoAttack `standard`."""
    proved: int
    """Proved to be right (beta-CROWN, arXiv 2103.06624)."""

    @property
    def passes(self) -> int:
        """Return what reference AutoAttack needs, forwards and backwards together."""
        return (FORWARD + BACKWARD) * self.autoattack


REFERENCES = {
    "oracle-mnist": Reference(autoattack=153, proved=141),
    "oracle-cifar": Reference(autoattack=106, proved=83),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing to reach."""

    row: str
    what: str
    found: str
    holds: bool


def claims(row: Row) -> Iterator[Claim]:
    """Yield what a row has to show, as far as it was measured."""
    standard, full = row.answer("standard"), row.answer("full")
    if row.name in REFERENCES and standard and full:
        yield from _of_oracle(row, standard, full, REFERENCES[row.name])
    elif row.kind in ("choice", "resnet") and standard and full:
        excess = row.num_standing(standard) - row.num_standing(full)
        yield Claim(
            row=row.name,
            what=f"`standard` leaves at most one image in {ONE_IN} more than `full`",
            found=f"{excess:+d} of {row.num_images}",
            holds=excess <= row.num_images / ONE_IN,
        )
    elif row.name in SECONDS and standard:
        limit, took = SECONDS[row.name], whole_seconds(standard)
        yield Claim(
            row=row.name,
            what=f"{row.num_images:,} images within {limit} s",
            found=f"{took:.0f} s",
            holds=took <= limit,
        )


def seconds(answer: Answer) -> float:
    """Return the median time of a battery without its checks."""
    return statistics.median(answer.seconds)


def whole_seconds(answer: Answer) -> float:
    """Return the median time with the checks."""
    return seconds(answer) + (statistics.median(answer.preflight_seconds) if answer.preflight_seconds else 0.0)


def _of_oracle(row: Row, standard: Answer, full: Answer, reference: Reference) -> Iterator[Claim]:
    ours, theirs = row.num_standing(standard), row.num_standing(full)
    passes = (standard.num_forward + standard.num_backward) / reference.passes
    preflight = (standard.preflight_forward + standard.preflight_backward) / reference.passes
    of_time = seconds(standard) / seconds(full)
    each = (
        (
            "`full` answers what reference AutoAttack does, within one image",
            f"{_share(theirs, row)} against {_share(reference.autoattack, row)}",
            abs(theirs - reference.autoattack) <= 1,
        ),
        (
            "`standard` answers no more than reference AutoAttack",
            f"{_share(ours, row)} against {_share(reference.autoattack, row)}",
            ours <= reference.autoattack,
        ),
        (
            "`standard` answers no less than is proved",
            f"{_share(ours, row)} against {_share(reference.proved, row)}",
            ours >= reference.proved,
        ),
        ("`standard` takes at most 4 % of the reference's passes", f"{passes:.2%}", passes <= MAX_SHARE),
        ("its checks take at most 1 % more", f"{preflight:.2%}", preflight <= MAX_PREFLIGHT),
        ("`standard` takes at most 4 % of the time of `full`", f"{of_time:.2%}", of_time <= MAX_SHARE),
    )
    for what, found, holds in each:
        yield Claim(row=row.name, what=what, found=found, holds=holds)


def _share(num: int, row: Row) -> str:
    return f"{num / row.num_images:.1%}"
