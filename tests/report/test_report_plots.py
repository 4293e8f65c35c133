"""The drawings: what they show is where they show it, and the same in words."""

import re
import sys
from itertools import pairwise

import matplotlib as mpl
import pytest
from drawn import Drawn, drawings
from made_up import bin_, certificate, threat_result

from compressor.certify.certificate import Calibration, CurvePoint
from compressor.report import ModelSize, Summary, html_page, summarise
from compressor.report.curves import curves_of, drawing_of, table_of
from compressor.report.drawings import lines, rows, squares
from compressor.report.drawings.canvas import EDGE, WIDTH, shown
from compressor.types import Norm

HOSTILE = '"><script>$title$ \x00\n\ud800'


def only(text: str) -> Drawn:
    """Return the drawing, of which there is one."""
    (found,) = drawings(text)
    return found


def across(share: float) -> float:
    """Return where a share lies in a drawing of rows."""
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)


def share(name: str = "slim", value: float = 0.85, **changes: object) -> rows.Share:
    """Return a share with an interval, and nothing demanded."""
    return rows.Share(name=name, value=value, **({"interval": (0.8, 0.9), "demanded": None} | changes))  # type: ignore[arg-type]


def test_a_share_is_a_mark_in_a_band_beside_what_is_demanded() -> None:
    """Each model has a row of its own; the demand stands at the slim model's row only."""
    drawn = only(rows.shares([share("dense", 0.5, interval=None), share(demanded=0.7)], name="x"))
    assert [path[0][0] for path in drawn.paths("mark")] == [across(0.5), across(0.85)]
    assert [(path[0][0], path[1][0]) for path in drawn.paths("band")][1] == (across(0.8), across(0.9))
    (limit,) = drawn.paths("limit")
    assert limit[0][0] == across(0.7)
    assert limit[0][1] > drawn.paths("mark")[0][1][1]
    assert drawn.spoken == "dense: 50.0 %; slim: 85.0 % [80.0, 90.0], demanded 70 %"
    assert drawn.texts == ["dense", "slim", "50.0 %", "85.0 % [80.0, 90.0]", "0 %", "50 %", "100 %"]


def test_widths_are_against_the_widest_layer() -> None:
    """A layer that was removed has only what it was."""
    layers = [rows.Change(name="a", before=16, after=4), rows.Change(name="b", before=64, after=0)]
    (text,) = rows.widths(layers, name="x")
    drawn = only(text)
    assert [path[1][0] for path in drawn.paths("was")] == [across(0.25), across(1)]
    assert [path[1][0] for path in drawn.paths("left")] == [across(1 / 16), across(0)]
    assert drawn.spoken == "a: 16 to 4 filters; b: 64, removed filters"
    assert rows.widths([], name="x") == []


def test_a_change_is_a_ring_and_a_dot() -> None:
    """From 90 to 72.5 %."""
    (text,) = rows.changes([rows.Change(name="a<b", before=0.9, after=0.725)], name="x")
    drawn = only(text)
    assert drawn.spoken == "a<b: 90.0 to 72.5 %"
    ((before, height),), ((after, same),) = drawn.dots("before"), drawn.dots("after")
    assert (before, after) == (across(0.9), across(0.725))
    assert height == same
    assert [point[0] for point in drawn.paths("way")[0]] == [before, after]


@pytest.mark.parametrize(("num", "sizes"), [(1, [1]), (15, [15]), (16, [8, 8]), (47, [12, 12, 12, 11])])
def test_a_long_list_goes_on_beside_the_first_part(num: int, sizes: list[int]) -> None:
    """Every row is there once, in order, and no two rows share a height."""
    found = rows.changes([rows.Change(name=f"c{n}", before=0.5, after=0.4) for n in range(num)], name="x")
    drawn = [only(each) for each in found]
    assert [each.count("after") for each in drawn] == sizes
    assert [text for each in drawn for text in each.texts if text.startswith("c")] == [f"c{n}" for n in range(num)]
    for each in drawn:
        heights = [height for _, height in each.dots("after")]
        assert all(below - above >= 24 for above, below in pairwise(heights))


def test_a_bin_lies_where_it_is_sure_and_right() -> None:
    """Half sure and always right lies above half sure and never right; an empty bin is nowhere."""
    bins = (bin_(0.1, 0), bin_(0.5, 7, 0.5, 1.0), bin_(0.6, 3, 0.6, 0.0))
    drawn = only(squares.reliability([("slim", Calibration(ece=0.5, nll=1.0, bins=bins))], name="x"))
    (((left, foot), (right, top)),) = drawn.paths("diagonal")
    first, last = drawn.paths("slim-line")[0]
    assert first == (round((left + right) / 2, 1), top)
    assert last == (pytest.approx(left + 0.6 * (right - left), abs=0.1), foot)
    assert drawn.count("slim") == 2
    assert drawn.spoken == "slim: 7 images 50.0 % sure, 100.0 % right, 3 images 60.0 % sure, 0.0 % right"


def test_the_frontier_joins_only_its_own() -> None:
    """Three bundles, of which the one in the middle is beaten: a line of two points."""
    found = [(0.0, 0.5, True), (1.0, 0.5, False), (2.0, 1.0, True)]
    dots = [squares.Dot(x=x, y=y, name=str(number), is_best=best) for number, (x, y, best) in enumerate(found)]
    drawn = only(squares.frontier(dots, across="ms", is_share=False, name="x", spoken="<in words>"))
    (first, last), (beaten,) = drawn.dots("best"), drawn.dots("beaten")
    assert first[0] < beaten[0] < last[0]
    assert first[1] == beaten[1] > last[1]
    assert drawn.paths("frontier") == [[first, last]]
    assert {"0", "1", "2"} <= set(drawn.texts)
    assert drawn.spoken == "<in words>"


@pytest.mark.parametrize("value", [0.0, 0.0003, 0.42, 1.0, 7.0, 95.0, 1234.5])
def test_times_have_round_figures(value: float) -> None:
    """Two at least, from zero on, and every dot lies on the ground."""
    dots = [squares.Dot(x=x, y=0.5, name="", is_best=True) for x in (value / 3, value)]
    drawn = only(squares.frontier(dots, across="ms", is_share=False, name="x", spoken="x"))
    ticks = [float(text) for text in drawn.texts if re.fullmatch(r"[\d.]+", text)]
    assert len(ticks) >= 2
    assert ticks == sorted(ticks)
    assert ticks[0] == 0
    assert all(0 < x < drawn.size[0] for x, _ in drawn.dots("best"))


@pytest.mark.parametrize("values", [[0.0], [1.0], [0.5, 0.5], [0.851, 0.853], [0.12, 0.98]])
def test_shares_have_different_figures_beside_them(values: list[float]) -> None:
    """Also where all are the same, none or all."""
    dots = [squares.Dot(x=1.0, y=y, name="", is_best=True) for y in values]
    drawn = only(squares.frontier(dots, across="ms", is_share=False, name="x", spoken="x"))
    ticks = [text for text in drawn.texts if text.endswith(" %")]
    assert len(ticks) == len(set(ticks)) >= 2
    assert all(0 < y < drawn.size[1] for _, y in drawn.dots("best"))


def test_names_of_dots_never_lie_on_each_other() -> None:
    """Of forty dots in one place only those are named that have room; the best one is."""
    dots = [squares.Dot(x=1 + n / 1000, y=0.5, name=str(n), is_best=n == 39) for n in range(40)]
    drawn = only(squares.frontier(dots, across="ms", is_share=False, name="x", spoken="x"))
    assert drawn.count("beaten") == 39
    named = [text for text in drawn.texts if text.isdigit() and int(text) > 1]
    assert "39" in named
    assert len(named) < 20


def test_lines_run_from_left_to_right_whatever_their_order() -> None:
    """The higher share is higher up; every threat has a rule, and only the ends are named."""
    series = [lines.Series(name="slim", points=((2.0, 0.1), (0.0, 0.9), (1.0, 0.5)))]
    ticks = [(0.0, "clean"), (1.0, ""), (2.0, "linf:2/255")]
    drawn = only(lines.against_epsilon(series, ticks=ticks, name="x", spoken="x"))
    places = drawn.dots("slim")
    assert places == sorted(places)
    assert [height for _, height in places] == sorted(height for _, height in places)
    assert drawn.paths("slim") == [places]
    assert drawn.texts == ["clean", "linf:2/255", "0 %", "50 %", "100 %"]


def test_epochs_have_whole_numbers() -> None:
    """Two epochs are named once each, and a flat curve is drawn too."""
    drawn = only(lines.against_epochs([lines.Series(name="select", points=((0, 0.5), (1, 0.5)))], name="x", spoken="x"))
    assert [text for text in drawn.texts if "%" not in text] == ["0", "1", "epoch"]
    assert drawn.count("select") == 3


@pytest.mark.parametrize(
    ("name", "room", "line"),
    [
        ("layer1", 100, "layer1"),
        ("a" * 20 + "b" * 20, 63, "aaa\u2026bbbb"),
        ("W" * 20, 63, "WW\u2026WW"),
        ("\u6f22" * 20, 63, "\u6f22\u6f22\u2026\u6f22\u6f22"),
        (HOSTILE, 1000, '"><script>$title$ \ufffd\ufffd\ufffd'),
        ("", 100, ""),
    ],
)
def test_a_name_has_one_line_and_no_more_than_its_room(name: str, room: float, line: str) -> None:
    """The middle goes first; what no drawing can hold is replaced; wide letters count twice."""
    assert shown(name, room) == line


def test_names_from_outside_are_drawn_as_they_are() -> None:
    """No formula, no element, no warning about letters that the library's own font lacks."""
    for name in (HOSTILE, "\u6f22\u5b57", "$x^2$", "\U0001f9a6"):
        (text,) = rows.widths([rows.Change(name=name, before=2, after=1)], name="x")
        assert only(text).texts[0] == shown(name, 1000)


def test_a_page_is_the_same_each_time_whatever_the_user_likes(summary: Summary) -> None:
    """The bytes depend on the summary only, and settings of the library are left as they were."""
    first = html_page(summary)
    assert b"DejaVu" not in first
    with mpl.rc_context({"lines.linewidth": 9, "text.color": "red", "figure.dpi": 300, "svg.fonttype": "path"}):
        assert html_page(summary) == first
        assert mpl.rcParams["figure.dpi"] == 300
    assert "matplotlib.pyplot" not in sys.modules


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
    drawn = only(drawing_of(found))
    assert "control: 87.2 % clean, 60.0 % at linf:1/255" in drawn.spoken
    assert [len(drawn.dots(name)) for name in ("dense", "slim", "control")] == [3, 5, 2]


@pytest.mark.parametrize("curve", [(), (CurvePoint(norm="l2", epsilon="1/2", accuracy=0.5),)])
def test_a_threat_is_enough_for_a_curve(curve: tuple[CurvePoint, ...]) -> None:
    """Two points make a line; a model that was not attacked in a norm has none there."""
    record = certificate(threats=(threat_result(),), curve=curve, baseline=None)
    made = summarise(name="x", created="", certificate=record, dense=ModelSize(params=1))
    assert [each.name for each in curves_of(made, Norm.LINF)] == ["slim"]
    assert len(curves_of(made, Norm.L2)) == len(curve)
