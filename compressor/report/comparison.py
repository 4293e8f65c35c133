"""Several bundles side by side: which can be compared at all, and which of them no other one beats.

Only what was measured alike is compared: the same images, the same battery at a threat, the same machine and
configuration of a latency. The largest number of bundles that agree sets the measure; the others are named, with why.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from compressor.attacks.threat import Threat
from compressor.bench.record import LatencyRow
from compressor.certify.certificate import Certificate
from compressor.gate import wording
from compressor.report.summary import Summary

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A bundle that cannot be compared with the others."""

    label: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A bundle that can."""

    label: str
    accuracy: float
    robust: tuple[float, ...]
    """Under each threat of the comparison."""
    timed: LatencyRow | None
    """In the configuration of the comparison; None where that was not measured."""
    beaten_by: str | None
    """The first bundle that is at least as good in everything and better in something; None on the frontier, and for
    bundles that cannot be placed."""
    is_placed: bool
    """Whether every figure is known that the frontier is about."""
    summary: Summary

    @property
    def is_best(self) -> bool:
        """Whether it stands on the frontier."""
        return self.is_placed and self.beaten_by is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What several bundles come to beside each other."""

    threats: tuple[Threat, ...]
    """Under which all rows were attacked alike."""
    timed: LatencyRow | None
    """One row of the configuration whose medians are compared; None where no two bundles share one."""
    rows: tuple[Row, ...]
    """The fastest first, then the most accurate, then by name."""
    apart: tuple[Apart, ...]
    notes: tuple[str, ...]
    """What a reader must know, one sentence each."""


def compare(entries: Iterable[tuple[str, Summary]]) -> Comparison:
    """Return the comparison; the order of the entries changes nothing.

    Args:
        entries: label, each once, and what is known of a bundle.
    """
    apart: list[Apart] = []
    known: list[tuple[str, Summary, Certificate]] = []
    for label, summary in sorted(entries, key=lambda entry: entry[0]):
        if summary.certificate is None:
            apart.append(Apart(label=label, reason="nothing is certified"))
        else:
            known.append((label, summary, summary.certificate))
    images = _most(certificate.result.data.sha256 for _, _, certificate in known)
    apart += [
        Apart(label=label, reason=f"certified on other images: {_images(certificate)}")
        for label, _, certificate in known
        if certificate.result.data.sha256 != images
    ]
    known = [entry for entry in known if entry[2].result.data.sha256 == images]
    known, threats, other, notes = _attacked_alike(known)
    rows, timed = _rows(known, threats)
    notes += _latency_notes(rows, timed)
    return Comparison(
        threats=threats,
        timed=timed,
        rows=tuple(_placed(rows, is_timed=timed is not None)),
        apart=tuple(sorted([*apart, *other], key=lambda each: each.label)),
        notes=tuple(notes),
    )


def _most(keys: Iterable[Key]) -> Key | None:
    """Return the most frequent key, the first of several."""
    found = Counter(keys).most_common(1)
    return found[0][0] if found else None


def _images(certificate: Certificate) -> str:
    data = certificate.result.data
    return f"{wording.amount(data.num_images)} of {data.spec} ({data.sha256[:12]})"


def _attacked_alike(
    known: Sequence[tuple[str, Summary, Certificate]],
) -> tuple[list[tuple[str, Summary, Certificate]], tuple[Threat, ...], list[Apart], list[str]]:
    """Return who stays, under which threats, who does not, and which threats are not compared."""
    kept, other, notes = list(known), [], []
    every = sorted({threat for _, summary, _ in known for threat in summary.threats}, key=_order)
    for threat in every:
        digests = {label: _battery(certificate, threat) for label, _, certificate in kept}
        usual = _most(battery for battery in digests.values() if battery is not None)
        strange = {label: battery for label, battery in digests.items() if battery not in (usual, None)}
        other += [
            Apart(label=label, reason=f"another battery at {threat}: {_said(battery)}, not {_said(usual)}")
            for label, battery in strange.items()
            if battery is not None and usual is not None
        ]
        kept = [entry for entry in kept if entry[0] not in strange]
    threats = tuple(threat for threat in every if kept and all(threat in summary.threats for _, summary, _ in kept))
    for threat in every:
        without = [label for label, summary, _ in kept if threat not in summary.threats]
        if without and len(without) < len(kept):
            notes.append(f"{threat} is not compared: it was not measured for {', '.join(without)}.")
    return kept, threats, other, notes


def _order(threat: Threat) -> tuple[str, float]:
    return str(threat.norm), threat.radius


def _battery(certificate: Certificate, threat: Threat) -> tuple[str, str] | None:
    """Return name and digest of what attacked at a threat."""
    found = next((each for each in certificate.result.threats if each.threat == threat), None)
    return None if found is None else (found.battery, found.battery_sha256)


def _said(battery: tuple[str, str]) -> str:
    return f"{battery[0]} ({battery[1][:8]})"


def _configuration(row: LatencyRow) -> tuple[Hashable, ...]:
    return row.provider, row.device_name, row.batch, row.threads, row.transfers_included, row.cuda_graph


def _rows(
    known: Sequence[tuple[str, Summary, Certificate]], threats: tuple[Threat, ...]
) -> tuple[list[Row], LatencyRow | None]:
    """Return the rows, not yet placed, and the configuration that most of them were timed in."""
    timings = {label: summary.latency.rows if summary.latency else () for label, summary, _ in known}
    counts = Counter(key for rows in timings.values() for key in dict.fromkeys(map(_configuration, rows)))
    usual, num = counts.most_common(1)[0] if counts else (None, 0)
    rows = []
    for label, summary, certificate in known:
        timed = next((row for row in timings[label] if _configuration(row) == usual), None)
        robust = {each.threat: each.robust_accuracy for each in certificate.result.threats}
        rows.append(
            Row(
                label=label,
                accuracy=certificate.result.clean_accuracy,
                robust=tuple(robust[threat] for threat in threats),
                timed=timed if num > 1 else None,
                beaten_by=None,
                is_placed=False,
                summary=summary,
            )
        )
    rows.sort(key=lambda row: (row.timed.p50_ms if row.timed else float("inf"), -row.accuracy, row.label))
    return rows, next((row.timed for row in rows if row.timed is not None), None)


def _latency_notes(rows: Sequence[Row], timed: LatencyRow | None) -> list[str]:
    elsewhere = [row.label for row in rows if row.summary.latency is not None and row.timed is None]
    if timed is None:
        return ["Latencies are not compared: no two were measured in one configuration."] if elsewhere else []
    where = f"{wording.configuration(timed.provider, timed.batch, timed.threads)} on {timed.device_name}"
    notes = [f"Latency: medians, {where}, each measured by itself."]
    never = [row.label for row in rows if row.summary.latency is None]
    notes += [f"Timed elsewhere, so not placed: {', '.join(elsewhere)}."] if elsewhere else []
    notes += [f"Not timed, so not placed: {', '.join(never)}."] if never else []
    noisy = [row.label for row in rows if row.timed is not None and row.summary.latency and row.summary.latency.noisy]
    return [*notes, f"The machine was noisy: {', '.join(noisy)}."] if noisy else notes


def _placed(rows: Sequence[Row], *, is_timed: bool) -> list[Row]:
    """Return the rows with the first one that beats each, of those where every figure is known."""
    known = [row for row in rows if row.timed is not None or not is_timed]

    def beats(one: Row, other: Row) -> bool:
        mine, theirs = _figures(one), _figures(other)
        return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))

    placed = []
    for row in rows:
        better = [other.label for other in known if row in known and beats(other, row)]
        placed.append(replace(row, is_placed=row in known, beaten_by=better[0] if better else None))
    return placed


def _figures(row: Row) -> tuple[float, ...]:
    """Return what the frontier is about; more is better."""
    return (row.accuracy, *row.robust, -row.timed.p50_ms if row.timed else 0.0)
