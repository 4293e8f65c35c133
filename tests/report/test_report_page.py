"""report.html: well-formed, self-contained, escaped, and not blank in a browser."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

from drawn import drawings
from made_up import LATER, certificate, result, threat_result

from compressor import report
from compressor.certify.certificate import AttackResult
from compressor.report import LayerWidth, Summary, summarise, tables
from compressor.report.drawings.canvas import Paint


def html_page(summary: Summary) -> str:
    """Return the page as text."""
    return report.html_page(summary).decode()


VOID = {"meta", "br", "img"}

SECTIONS = [
    "Dense against slim",
    "Conditions",
    "Accuracy and robustness",
    "Accuracy against epsilon",
    "What each attack broke",
    "Images that broke it",
    "Each class",
    "Reliability",
    "Layer widths",
    "Latency",
    "Fine-tuning",
    "What is claimed",
    "Make or check it again",
]


class Outline(HTMLParser):
    """Collects headings, checks that every tag is closed by its own, and remembers attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.tags: set[str] = set()
        self.drawings: list[dict[str, str | None]] = []
        self.pictures: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag; nothing may be loaded or run from its attributes."""
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"onclick", "style"}
        assert all(tag == "use" and str(value).startswith("#") for name, value in attrs if "href" in name)
        assert all((value or "").startswith("data:image/png;base64,") for name, value in attrs if name == "src")
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag == "svg":
            self.drawings.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close a tag; it must be the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text of headings."""
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def outline(page: str) -> Outline:
    """Return what the page is made of."""
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_has_every_section_in_order(summary: Summary) -> None:
    """The verdict first, how to reproduce it last."""
    found = outline(html_page(summary))
    assert found.headings == [summary.name, *SECTIONS]
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in found.drawings)
    assert [picture["alt"] for picture in found.pictures] == [
        "image of cat, answered cat",
        "the same image perturbed, answered dog",
        "what differs, 63.8 times as large",
    ]


def test_an_attack_is_called_with_its_loss() -> None:
    """A battery runs one attack with several losses, and each has its own line."""
    ran = [AttackResult(name="apgd", settings={"loss": each}, num_attempted=9, num_broken=1) for each in ("ce", "dlr")]
    ran.append(AttackResult(name="fgsm", settings={"steps": 1}, num_attempted=7, num_broken=0))
    table = tables.attacks(result(threats=(threat_result(attacks=tuple(ran)),)))
    assert table is not None
    assert [cells[0] for cells in table.rows] == [
        "apgd (ce) at linf:2/255",
        "apgd (dlr) at linf:2/255",
        "fgsm at linf:2/255",
    ]


def test_the_page_needs_no_network(summary: Summary) -> None:
    """No script, no link, only pictures inside the page; the page forbids itself to load anything."""
    page = html_page(summary)
    assert not outline(page).tags & {"script", "link", "iframe", "object", "form"}
    assert not re.search(r"https?:|url\(|@import", page)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_hostile_names_are_shown_and_not_obeyed(summary: Summary) -> None:
    """Names, reasons, layers, classes, commands and devices come from outside."""
    bad = '"><script>alert(1)</script>$title'
    assert summary.verdict is not None
    assert summary.certificate is not None
    result = replace(
        summary.certificate.result,
        claim=bad,
        per_class=tuple(replace(each, label=bad) for each in summary.certificate.result.per_class),
    )
    hostile = replace(
        summary,
        name=bad,
        commands=(bad,),
        layers=(LayerWidth(name=bad, before=2, after=1),),
        samples=tuple(replace(each, threat=bad, label=bad, clean_answer=bad, answer=bad) for each in summary.samples),
        certificate=replace(summary.certificate, result=result),
        verdict=replace(
            summary.verdict, conditions=tuple(replace(each, reason=bad) for each in summary.verdict.conditions)
        ),
    )
    found = outline(html_page(hostile))
    assert "script" not in found.tags
    assert found.headings[0] == bad


def test_a_page_of_almost_nothing() -> None:
    """Only what is known gets a section."""
    assert outline(html_page(summarise(name="x", created=LATER))).headings == ["x", "Make or check it again"]
    alone = summarise(name="x", created=LATER, certificate=certificate(baseline=None, threats=(), curve=()))
    assert "Not judged" in html_page(alone)


def test_many_classes_are_folded(summary: Summary) -> None:
    """A thousand rows are there, and out of the way."""
    result = certificate().result
    many = tuple(replace(result.per_class[0], label=f"class {number}") for number in range(1000))
    page = html_page(summarise(name="x", created=LATER, certificate=certificate(per_class=many)))
    assert "<summary>1,000 classes</summary>" in page
    assert "details" not in outline(html_page(summary)).tags


def test_ids_are_there_once(summary: Summary) -> None:
    """A mark is drawn by its id, and a page has many drawings."""
    page = html_page(summary)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids)) > 5
    assert set(re.findall(r'href="#([^"]*)"', page)) == set(ids)


def test_many_layers_are_folded(summary: Summary) -> None:
    """A hundred rows, in drawings of at most fifteen, and out of the way."""
    many = [LayerWidth(name=f"layer{number}", before=64, after=32) for number in range(100)]
    page = html_page(summarise(name="x", created=LATER, layers=many))
    assert "<summary>100 layers</summary>" in page
    drawn = drawings(page)
    assert [each.count("left") for each in drawn] == [15] * 6 + [10]
    assert [text for each in drawn for text in each.texts if text.startswith("layer")] == [each.name for each in many]


def test_drawings_have_the_colours_of_the_style_sheet() -> None:
    """Each paint is a variable of both themes, by its light value; a drawing names no colour of its own."""
    css = (files("compressor.report") / "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in css.split("prefers-color")[:2])
    for paint in Paint:
        assert light[paint.name.lower()] == paint
        assert paint.name.lower() in dark


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.1)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_from_its_ground() -> None:
    """Contrast of at least 4.5 in both themes, as WCAG 2.1 AA asks."""
    css = (files("compressor.report") / "page.css").read_text(encoding="utf-8")
    themes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in css.split("prefers-color-scheme")[:2]]
    pairs = [(word, f"{word}-ground") for word in ("passed", "failed", "undecided", "accepted")]
    pairs += [(ink, ground) for ink in ("ink", "quiet", "slim", "dense") for ground in ("ground", "raised")]
    for theme in themes:
        for ink, ground in pairs:
            dark, light = sorted((_luminance(theme[ink]), _luminance(theme[ground])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground, theme[ink])
