"""From rows to verdicts, as `claims.toml` says it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.claims import Claim, Claims, Rule, Verdict
from benchmarks.paper.row import Row
from benchmarks.paper.statistics import holm, p_above_zero, t_interval
from compressor.types import Interval

Setting = tuple[str, str, str | None, float | None]
"""(network, kind, criterion, share)."""
Side = NDArray[np.float64]
"""(S, N): at each seed, the share of measures and settings under which each image is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A mean difference, and how far it may be off."""

    mean: float
    """Over seeds and images."""
    seeds: tuple[float, ...]
    """At each seed."""
    over_seeds: Interval
    """t interval; the images are taken as they are."""
    over_images: Interval
    """The same with images as the unit, for other images."""
    p: float
    """The larger of both one-sided values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strong:
    """A difference under the strong battery at one epsilon."""

    measure: str
    spread: Spread
    standing: tuple[float, float]
    """Share of images that stand on either side of the difference."""
    says_something: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one claim."""

    claim: Claim
    num_settings: int
    spread: Spread | None
    """None: not measured."""
    p_adjusted: float | None
    strong: tuple[Strong, ...]
    verdict: Verdict

    @property
    def is_opposite(self) -> bool:
        """Whether both intervals lie below zero."""
        return self.spread is not None and max(self.spread.over_seeds[1], self.spread.over_images[1]) < 0


def judge(rows: Sequence[Row], claims: Claims, *, num_seeds: int) -> tuple[Finding, ...]:
    """Return a finding for each claim.

    Args:
        rows: of one grid, all with the same settings and images.
        claims: what is asked.
        num_seeds: of the grid; a setting without all of them does not count.
    """
    complete = settings_of(rows, num_seeds=num_seeds)
    found = [_measured(claim, claims, complete) for claim in claims.claim]
    asked = [each for each in found if each.spread is not None]
    adjusted = dict(
        zip([each.claim.id for each in asked], holm([each.spread.p for each in asked if each.spread]), strict=True)
    )
    return tuple(_decided(replace(each, p_adjusted=adjusted.get(each.claim.id)), claims.test) for each in found)


def settings_of(rows: Sequence[Row], *, num_seeds: int) -> dict[Setting, list[Row]]:
    """Return the rows of each setting that was measured at all seeds, each beside a control of the same dense network.

    Rows of one setting come in the order of the seeds.
    """
    beside = {(row.cell.network, row.cell.seed, row.dense_sha256) for row in rows if row.cell.kind == "control"}
    found: dict[Setting, dict[int, Row]] = {}
    for row in rows:
        cell = row.cell
        if row.skipped is None and (cell.network, cell.seed, row.dense_sha256) in beside:
            found.setdefault((cell.network, cell.kind, cell.criterion, cell.share), {})[cell.seed] = row
    wanted = list(range(num_seeds))
    return {
        setting: [by_seed[seed] for seed in wanted] for setting, by_seed in found.items() if sorted(by_seed) == wanted
    }


def _measured(claim: Claim, claims: Claims, complete: dict[Setting, list[Row]]) -> Finding:
    pairs = list(_pairs(claim, complete))
    num_seeds = len(pairs[0][0]) if pairs else 0
    if num_seeds < claims.test.least_seeds:
        return Finding(claim=claim, num_settings=0, spread=None, p_adjusted=None, strong=(), verdict="not measured")
    first, second = _sides(pairs, claims.measures(claim.group))
    names = claims.measures("strong") if claim.strong else ()
    return Finding(
        claim=claim,
        num_settings=len(pairs),
        spread=_spread(first - second, claims.test),
        p_adjusted=None,
        strong=tuple(_strong(pairs, name, claims.test) for name in names),
        verdict="not measured",
    )


Pair = tuple[list[list[Row]], list[list[Row]]]
"""Settings that are averaged on either side of a difference: first minus second; [settings][seeds]."""


def _pairs(claim: Claim, complete: dict[Setting, list[Row]]) -> Iterator[Pair]:
    """Yield what is subtracted from what, transposed so that `pair[side][seed]` lists rows."""
    for sides in _chosen(claim, complete):
        yield tuple([list(at_seed) for at_seed in zip(*side, strict=True)] for side in sides)  # type: ignore[misc]


def _chosen(claim: Claim, complete: dict[Setting, list[Row]]) -> Iterator[Pair]:
    pruned = {key: rows for key, rows in complete.items() if key[1] in claim.structures}
    if claim.difference == "control":
        for (network, _, _, _), rows in pruned.items():
            control = complete.get((network, "control", None, None))
            if control is not None:
                yield [rows], [control]
        return
    for network, share in sorted({(key[0], key[3] or 0.0) for key in pruned}):
        here = {key: rows for key, rows in pruned.items() if (key[0], key[3]) == (network, share)}
        word = claim.difference
        first = [rows for key, rows in here.items() if word == (key[2] if word == "pls" else key[1])]
        second = [rows for key, rows in here.items() if word != (key[2] if word == "pls" else key[1])]
        if first and second:
            yield first, second


def _sides(pairs: Sequence[Pair], names: Sequence[str]) -> tuple[Side, Side]:
    """Return both sides of a difference, averaged over pairs, settings and measures."""
    sides = []
    for side in (0, 1):
        per_pair = [
            [np.mean([row.bits(name) for row in rows for name in names], axis=0) for rows in pair[side]]
            for pair in pairs
        ]
        sides.append(np.mean(per_pair, axis=0))
    return sides[0], sides[1]


def _spread(difference: Side, rule: Rule) -> Spread:
    seeds, images = difference.mean(axis=1), difference.mean(axis=0)
    return Spread(
        mean=float(difference.mean()),
        seeds=tuple(seeds.tolist()),
        over_seeds=t_interval(seeds, rule.confidence),
        over_images=t_interval(images, rule.confidence),
        p=max(p_above_zero(seeds), p_above_zero(images)),
    )


def _strong(pairs: Sequence[Pair], name: str, rule: Rule) -> Strong:
    first, second = _sides(pairs, (name,))
    standing = float(first.mean()), float(second.mean())
    return Strong(
        measure=name,
        spread=_spread(first - second, rule),
        standing=standing,
        says_something=max(standing) >= rule.least_standing,
    )


def _decided(finding: Finding, rule: Rule) -> Finding:
    if finding.p_adjusted is None:
        return finding
    telling = [each.spread.mean for each in finding.strong if each.says_something]
    return replace(
        finding,
        verdict=verdict(finding.p_adjusted, telling, has_strong=finding.claim.strong, alpha=rule.alpha),
    )


def verdict(p_adjusted: float, strong: Sequence[float], *, has_strong: bool, alpha: float) -> Verdict:
    """Return the word.

    Args:
        p_adjusted: of the claim's own measures.
        strong: mean differences under the strong battery, at the epsilons that say something.
        has_strong: whether the claim has a strong part.
        alpha: of all claims together.
    """
    if p_adjusted > alpha:
        return "not confirmed"
    if not has_strong or (strong and min(strong) > 0):
        return "confirmed"
    return "confirmed only under weak attacks"
