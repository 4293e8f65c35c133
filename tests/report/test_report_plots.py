"""The drawings: what they show is where they show it, and the same in words."""

import re

import pytest
from made_up import bin_, certificate, threat_result

from compressor.certify.certificate import Calibration, CurvePoint
from compressor.report import ModelSize, Summary, summarise
from compressor.report.charts import change_bar
from compressor.report.curves import curves_of, drawing_of, table_of
from compressor.report.plots import LEFT, SIDE, TOP, Axis, Dot, frontier, reliability
from compressor.types import Norm


def circles(drawing: str) -> list[tuple[float, float]]:
    """Return the middles of all circles."""
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawing)]


def test_a_bin_lies_where_it_is_sure_and_right() -> None:
    """Half sure and always right: in the middle of the upper edge; an empty bin is nowhere."""
    drawing = reliability([("slim", Calibration(ece=0.5, nll=1.0, bins=(bin_(0.1, 0), bin_(0.5, 7, 0.5, 1.0))))])
    assert circles(drawing) == [(LEFT + SIDE / 2, TOP)]
    assert 'aria-label="slim: 7 images 50.0 % sure, 100.0 % right"' in drawing


def test_the_frontier_joins_only_its_own() -> None:
    """Three bundles, of which the one in the middle is beaten: a line of two points."""
    axis = Axis(low=0, high=2, ticks=((0, "0"), (2, "2")))
    dots = [
        Dot(x=0, y=1, name="1", is_best=True),
        Dot(x=1, y=1, name="2", is_best=False),
        Dot(x=2, y=2, name="3", is_best=True),
    ]
    drawing = frontier(dots, across=axis, upwards=axis, spoken="<in words>", caption="x")
    assert circles(drawing) == [(LEFT, TOP + SIDE / 2), (LEFT + SIDE / 2, TOP + SIDE / 2), (LEFT + SIDE, TOP)]
    assert re.findall('class="(best|beaten)"', drawing) == ["best", "beaten", "best"]
    (line,) = re.findall(r'<polyline points="([^"]*)"', drawing)
    assert len(line.split()) == 2
    assert "&lt;in words&gt;" in drawing


def test_a_change_is_a_ring_and_a_dot() -> None:
    """From 90 to 72.5 %."""
    drawing = change_bar("a<b", 0.9, 0.725)
    assert 'aria-label="a&lt;b: 90.0 to 72.5 %"' in drawing
    assert '<line class="ring" x1="90.00"' in drawing
    assert '<line class="dot" x1="72.50"' in drawing


def test_every_model_has_its_curve(summary: Summary) -> None:
    """Clean accuracy first; dense from the pairs, control where it was attacked; one norm at a time."""
    found = curves_of(summary, Norm.LINF)
    assert [curve.name for curve in found] == ["dense", "slim", "control"]
    assert curves_of(summary, Norm.L2) == ()
    assert table_of(found).rows == (
        ("clean", "86.0", "85.1", "87.2"),
        ("linf:1/510", "-", "74.0", "-"),
        ("linf:1/255", "64.0", "62.0", "60.0"),
        ("linf:2/255", "43.0", "41.2", "-"),
        ("linf:8/255", "-", "1.0", "-"),
    )
    assert "control: 87.2 % clean, 60.0 % at linf:1/255" in drawing_of(found)


@pytest.mark.parametrize("curve", [(), (CurvePoint(norm="l2", epsilon="1/2", accuracy=0.5),)])
def test_a_threat_is_enough_for_a_curve(curve: tuple[CurvePoint, ...]) -> None:
    """Two points make a line; a model that was not attacked in a norm has none there."""
    record = certificate(threats=(threat_result(),), curve=curve, baseline=None)
    made = summarise(name="x", created="", certificate=record, dense=ModelSize(params=1))
    assert [each.name for each in curves_of(made, Norm.LINF)] == ["slim"]
    assert len(curves_of(made, Norm.L2)) == len(curve)
