"""The page in headless Chromium, where there is one: both themes, a phone's width, contrast, keyboard, pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
from browsing import look, screenshot
from made_up import corruptions
from PIL import Image, ImageStat

from compressor.report import LayerWidth, Summary, compare, comparison_page, html_page, summarise
from compressor.report.facts import CandidateFacts, DenseFacts, SearchFacts

pytestmark = pytest.mark.browser

PHONE, DESK = 360, 1200
GROUNDS = {False: "rgb(255, 255, 255)", True: "rgb(20, 23, 27)"}
LEAST_CONTRAST = 4.5
"""WCAG 2.1 AA, for text of any size."""


LEAST_LETTERS = 11
"""Of drawings, in CSS pixels, also beside a scroll bar."""


def searched() -> SearchFacts:
    """Return a search of thirty candidates, many of which lie close together."""
    trials = tuple(
        CandidateFacts(
            number=number, structure="filters", criterion="l1", profile="early", cost=0.2 + (7 * number % 30) / 40,
            accuracy=0.8 + (11 * number % 30) / 300, robust={"linf:1/255": 0.5}, p50_ms=None, standing="passed",
        )
        for number in range(30)
    )  # fmt: skip
    dense = DenseFacts(accuracy=0.9, robust={"linf:1/255": 0.6}, p50_ms=None)
    return SearchFacts(minimise="params", num_images=270, dense=dense, trials=trials, winner=4)


@pytest.fixture
def page(summary: Summary) -> str:
    """Return a page with long names in every place that has names."""
    long = "features.denseblock4.denselayer16." * 3
    assert summary.certificate is not None
    classes = tuple(replace(each, label=each.label * 8) for each in summary.certificate.result.per_class)
    result = replace(summary.certificate.result, per_class=classes)
    shaken = corruptions()
    rows = tuple(replace(row, name=f"{row.name} {long}") for row in shaken.rows)
    result = replace(result, corruptions=replace(shaken, rows=rows))
    made = replace(
        summary,
        search=searched(),
        name=long,
        layers=(*summary.layers, LayerWidth(name=long, before=1024, after=512)),
        samples=tuple(replace(each, label=long, answer=long) for each in summary.samples),
        certificate=replace(summary.certificate, result=result),
        commands=(f"compress release /{long}/model.pt --data {long}",),
    )
    return html_page(made).decode()


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_bundles_beside_each_other_can_be_read_too(summary: Summary, tmp_path: Path, width: int) -> None:
    """Also with long names, and with one that cannot be compared."""
    names = ("net-" * 20 + "a", "net-" * 20 + "b")
    entries = [(name, summary) for name in names]
    page = comparison_page(compare([*entries, ("x" * 80, summarise(name="x", created=""))]), ["compress " + "x" * 80])
    seen = look(page.decode(), tmp_path, width=width, dark=width == DESK)
    assert (seen.overhang, seen.outside, seen.unspoken, seen.cut, seen.overlaps) == (0, (), (), (), ())
    assert min(seen.letters) >= (LEAST_LETTERS, "")
    assert len(seen.contrasts) > 50
    assert min(seen.contrasts) >= (LEAST_CONTRAST, "")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everything_can_be_read_at_every_width_in_both_themes(
    page: str, tmp_path: Path, width: int, dark: bool
) -> None:
    """Nothing reaches beyond the screen, every text stands out, every picture is there and said in words."""
    seen = look(page, tmp_path, width=width, dark=dark)
    assert seen.ground == GROUNDS[dark]
    assert (seen.overhang, seen.outside) == (0, ())
    assert len(seen.contrasts) > 200
    assert min(seen.contrasts) >= (LEAST_CONTRAST, "")
    assert len(seen.letters) > 50
    assert min(seen.letters) >= (LEAST_LETTERS, "")
    assert (seen.cut, seen.overlaps) == ((), ())
    assert seen.pictures == (2, 2, 2)
    assert seen.unspoken == ()


def test_the_keyboard_reaches_what_scrolls_and_shows_where_it_is(page: str, tmp_path: Path) -> None:
    """Every table that may be wider than the screen, in the order of the page, with a visible outline."""
    seen = look(page, tmp_path, width=PHONE, dark=False)
    assert len(seen.focused) == page.count('tabindex="0"') > 5
    assert [name for name, is_visible in seen.focused if not is_visible] == []


def test_dark_is_dark_and_light_is_light(page: str, tmp_path: Path) -> None:
    """The picture of the page is not blank, and its brightness is what was asked for."""
    brightness = {}
    for dark in (False, True):
        with Image.open(screenshot(page, tmp_path, width=DESK, dark=dark)) as picture:
            statistics = ImageStat.Stat(picture.convert("L"))
        assert statistics.stddev[0] > 10
        brightness[dark] = statistics.mean[0]
    assert brightness[False] > 200
    assert brightness[True] < 80
