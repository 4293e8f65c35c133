"""The paper's claims: asked completely, over a grid that holds together, and told on the page as decided."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from paper_rows import BETTER, CLAIMS, WEAKLY, WORSE, Gains, found, grid, made

from benchmarks.paper import networks
from benchmarks.paper.check import Contradiction, check
from benchmarks.paper.claims import PATH, read_claims
from benchmarks.paper.drawing import forest
from benchmarks.paper.grid import FORMS
from benchmarks.paper.judge import judge
from benchmarks.paper.page import PAGE, drawings, page, rows_of
from benchmarks.paper.row import FOLDER, Cell, read_rows
from compressor.prune import CRITERIA, count_cost, find_blocks
from compressor.prune.block_criteria import BLOCK_CRITERIA
from compressor.records import dump

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def test_the_claims_are_complete() -> None:
    """Each claim has an id of its own and measures, every verdict its words, and what is left out says why."""
    assert len({claim.id for claim in CLAIMS.claim}) == len(CLAIMS.claim)
    assert {"filters", "layers", "generalisation", "pls"} <= {claim.id for claim in CLAIMS.claim}
    assert all(CLAIMS.measures(claim.group) for claim in CLAIMS.claim)
    assert all(CLAIMS.measures("strong") for claim in CLAIMS.claim if claim.strong)
    assert set(CLAIMS.verdicts) == {
        "confirmed", "confirmed only under weak attacks", "not confirmed", "not measured"
    }  # fmt: skip
    assert len({measure.name for measure in CLAIMS.measure}) == len(CLAIMS.measure)
    assert {"fgsm linf:8/255", "occlusion 16", "shift 4"} == set(CLAIMS.measures("paper"))
    assert all(each.why for each in CLAIMS.untested)


@pytest.mark.parametrize(
    ("old", "new"), [("alpha = 0.05\n", ""), ('id = "pls"', 'id = "pls"\nx = 1'), ("ours", "hear")]
)
def test_a_file_of_claims_that_is_not_whole_is_refused(old: str, new: str, tmp_path: Path) -> None:
    """A key that is missing, unknown, or says something else than it may, is an error."""
    text = PATH.read_text()
    assert old in text
    (tmp_path / "claims.toml").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match="validation error"):
        read_claims(tmp_path / "claims.toml")


def test_the_cells_of_a_grid_have_files_of_their_own() -> None:
    """No row overwrites another, criteria exist, and each pruned cell comes behind its control."""
    for form in FORMS.values():
        cells = list(form.cells())
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names)
        assert set(form.filters) <= set(CRITERIA)
        assert set(form.layers) <= set(BLOCK_CRITERIA)
        for place, cell in enumerate(cells):
            if cell.share is not None:
                assert Cell(network=cell.network, kind="control", seed=cell.seed).name in names[:place]
        pruned = len(form.filters) + len(form.layers)
        assert len(cells) == len(form.networks) * (1 + form.num_seeds * (1 + pruned * len(form.shares)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "macs", "num_blocks"), [("vgg16_bn", 313, 9), ("mobilenet_v2", 88, 10), ("resnet18", 555, 5)]
)
def test_networks_for_small_images_have_their_known_cost(name: str, macs: int, num_blocks: int) -> None:
    """Millions of multiply-adds as they are known for 32 pixels, and what can leave as a whole."""
    network = getattr(networks, name)().eval()
    assert round(count_cost(network, (3, 32, 32)).macs / 1e6) == macs
    assert len(find_blocks(network, (3, 32, 32))) == num_blocks


def test_bits_come_back() -> None:
    """A row says of each image what it said when it was written."""
    row = made(Cell(network="resnet20", kind="control", seed=0), {})
    assert row.bits("clean").tolist() == [1.0] * 800 + [0.0] * 200
    assert row.share("shift 4") == 0.3


@pytest.mark.parametrize(("filters", "layers"), list(product((BETTER, WEAKLY, WORSE, {}), repeat=2)))
def test_the_text_follows_from_its_numbers(filters: Gains, layers: Gains) -> None:
    """Whatever the rows say, each word on the page is what the numbers beside it give."""
    assert check(page({"cpu": grid(filters, layers)}, CLAIMS), CLAIMS) == len(CLAIMS.claim)


@pytest.mark.parametrize(("old", "new"), [
    ("| **confirmed** |", "| **not confirmed** |"),
    ("robust to adversarial images. **Confirmed**", "robust to adversarial images. **Not confirmed**"),
])  # fmt: skip
def test_a_word_that_does_not_follow_is_found(old: str, new: str) -> None:
    """In the table as well as in the sentence."""
    text = page({"cpu": grid(BETTER, BETTER)}, CLAIMS)
    assert old in text
    with pytest.raises(Contradiction):
        check(text.replace(old, new, 1), CLAIMS)


def test_what_was_not_measured_is_said() -> None:
    """Without rows the page says so, and it says so of single claims."""
    assert "No rows yet." in page({}, CLAIMS)
    control = [row for row in grid({}, {}) if row.cell.kind == "control"]
    text = page({"cpu": control}, CLAIMS)
    assert text.count("| not measured |") == len(CLAIMS.claim)
    assert check(text, CLAIMS) == 0


def test_the_table_of_settings_shows_changes() -> None:
    """The control in shares, everything else in points against it."""
    text = page({"cpu": grid(BETTER, WORSE)}, CLAIMS)
    assert "| resnet20 | control |  | 100% | 3 | 80.0% | 30.0% |" in text
    assert "| resnet20 | filters | l1 | 54% | 3 | +0.30 | +4.30 |" in text


def test_a_setting_that_cannot_be_is_listed_with_the_reason() -> None:
    """It has rows that measured nothing: it counts for no claim, and the page says why."""
    rows = [
        replace(row, skipped="all blocks are needed", right={}) if row.cell.kind == "layers" else row
        for row in grid(BETTER, {})
    ]
    assert found(rows)["layers"].verdict == "not measured"
    assert "- resnet20, layers by cka at 54%: all blocks are needed\n" in page({"cpu": rows}, CLAIMS)


def test_rows_of_other_settings_do_not_mix(tmp_path: Path) -> None:
    """A row that was made with another recipe or battery is left out."""
    row = made(Cell(network="resnet20", kind="control", seed=0), {})
    for name, each in (("a", row), ("b", replace(row, settings_sha256="other"))):
        (tmp_path / "cpu").mkdir(exist_ok=True)
        (tmp_path / "cpu" / f"{name}.json").write_bytes(dump(each))
    assert rows_of(tmp_path)["cpu"] == [row]


def test_the_page_is_what_the_rows_say() -> None:
    """Nobody edited docs/paper.md or its drawings by hand, and every committed row is of the grid as it is now."""
    rows = rows_of(FOLDER)
    assert all(len(rows[name]) == len(read_rows(FOLDER / name)) for name in rows)
    assert PAGE.read_text() == page(rows, CLAIMS)
    for name, drawing in drawings(rows, CLAIMS).items():
        committed = (PAGE.parent / name).read_text()
        assert NUMBER.sub("", committed) == NUMBER.sub("", drawing)
        # Another version of the library may place words a fraction of a pixel elsewhere.
        assert [*map(float, NUMBER.findall(committed))] == pytest.approx(
            [*map(float, NUMBER.findall(drawing))], abs=0.5
        )
    check(PAGE.read_text(), CLAIMS)


def test_the_drawing_has_a_mark_and_an_interval_for_each_difference() -> None:
    """A smaller difference lies further left, and its mark inside of its interval; the strong battery has marks too."""
    findings = judge(rows_of(FOLDER)["cpu"], CLAIMS, num_seeds=FORMS["cpu"].num_seeds)
    known = [each for each in findings if each.spread is not None]
    root = ET.fromstring(forest(findings))
    drawn = {
        kind: [each for each in root.iter() if each.get("class") == kind] for kind in ("own", "strong", "interval")
    }
    own = sorted((float(str(mark.get("y"))), float(str(mark.get("x")))) for mark in _uses(drawn["own"]))
    assert len(own) == len(known) > 1
    order = sorted(range(len(known)), key=lambda place: known[place].spread.mean)  # type: ignore[union-attr]
    assert order == sorted(range(len(own)), key=lambda place: own[place][1])
    ends = [NUMBER.findall(str(path.get("d"))) for group in drawn["interval"] for path in group]
    intervals = {float(high): (float(left), float(right)) for left, high, right, _ in ends}
    assert len(intervals) == len(own) + len(_uses(drawn["strong"]))
    assert all(intervals[y][0] <= x <= intervals[y][1] for y, x in own)


def _uses(groups: list[ET.Element]) -> list[ET.Element]:
    return [each for group in groups for each in group.iter() if each.get("x")]
