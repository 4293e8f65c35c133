"""Accuracy against epsilon: every model, from clean images to the largest threat that it was attacked under."""

from dataclasses import dataclass

from compressor.attacks.threat import Threat, parse_threat
from compressor.gate import wording
from compressor.report.frames import frame
from compressor.report.summary import Summary
from compressor.report.tables import UNKNOWN, Table
from compressor.types import Norm

Points = dict[Threat, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One model in one norm."""

    name: str
    clean: float
    points: Points
    """Threat to accuracy, in [0, 1]."""


def curves_of(summary: Summary, norm: Norm) -> tuple[Curve, ...]:
    """Return each model that was attacked in this norm, as the summary orders them."""
    found = []
    for column in summary.columns:
        if column.accuracy is None:
            continue
        known = zip(summary.threats, column.robust, strict=True)
        points = {threat: figure.value for threat, figure in known if figure is not None and threat.norm is norm}
        if column.name == "slim" and summary.certificate is not None:
            points |= {
                parse_threat(f"{each.norm}:{each.epsilon}"): each.accuracy
                for each in summary.certificate.result.curve
                if each.norm == norm and parse_threat(f"{each.norm}:{each.epsilon}") not in points
            }
        if points:
            found.append(Curve(name=column.name, clean=column.accuracy.value, points=points))
    return tuple(found)


def table_of(curves: tuple[Curve, ...]) -> Table:
    """Return the accuracy of each model at each epsilon, in percent."""
    threats = sorted({threat for curve in curves for threat in curve.points}, key=lambda threat: threat.epsilon)
    rows = [("clean", *(_plain(curve.clean) for curve in curves))]
    rows += [(str(threat), *(_plain(curve.points.get(threat)) for curve in curves)) for threat in threats]
    norm = threats[0].norm
    heads = ("threat", *(f"{curve.name} %" for curve in curves))
    return Table(title=f"Accuracy against epsilon, {norm}", heads=heads, rows=tuple(rows))


def drawing_of(curves: tuple[Curve, ...]) -> str:
    """Return the curves as a drawing; what it shows stands in the table."""
    from compressor.report.drawings.lines import Series, against_epsilon

    threats = sorted({threat for curve in curves for threat in curve.points}, key=lambda threat: threat.epsilon)
    largest = threats[-1]
    series = [
        Series(
            name=curve.name,
            points=((0.0, curve.clean), *((threat.radius, share) for threat, share in curve.points.items())),
        )
        for curve in curves
    ]
    spoken = "; ".join(
        f"{curve.name}: {wording.percent(curve.clean)} clean, "
        + ", ".join(f"{wording.percent(curve.points[threat])} at {threat}" for threat in _in_order(curve))
        for curve in curves
    )
    ticks = [(0.0, "clean"), *((threat.radius, "") for threat in threats[:-1]), (largest.radius, str(largest))]
    drawn = against_epsilon(series, ticks=ticks, name=f"curve-{largest.norm}", spoken=spoken)
    return frame(drawn, keys=[curve.name for curve in curves])


def _in_order(curve: Curve) -> list[Threat]:
    return sorted(curve.points, key=lambda threat: threat.epsilon)


def _plain(share: float | None) -> str:
    return UNKNOWN if share is None else wording.percent(share).removesuffix(" %")
