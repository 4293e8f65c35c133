"""The record as text, drawing and page: the same figures, in order, for everyone.

COMPRESS_OVERWRITE_GOLDEN=1 writes the golden file anew; read the difference before you commit it.
"""

import os
import re
import shlex
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sensitivity_nets import checkpoint_of

from compressor.load.cifar_resnet import CifarResNet
from compressor.prune import LeftOut, plan, trace_coupling
from compressor.report.text import WIDTH
from compressor.sensitivity import (
    Sensitivity,
    SensitivityRow,
    sensitivity_page,
    sensitivity_svg,
    sensitivity_text,
)
from compressor.sensitivity.advice import commands, findings
from compressor.sensitivity.drawing import HEAD, PANEL, STYLE
from compressor.types import Structure

GOLDEN = Path(__file__).parent / "golden" / "sensitivity.txt"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script>$title'


def row(group: str, ratio: float, accuracy: float, fgsm: float, **changes: object) -> SensitivityRow:
    """Return what is left of one cut of sixteen units."""
    made = SensitivityRow(
        structure=Structure.FILTERS,
        group=group,
        layers=(group,),
        num_units=16,
        num_removed=int(16 * ratio),
        ratio=ratio,
        accuracy=accuracy,
        fgsm_accuracy=fgsm,
        macs_saved_fraction=ratio / 10,
        params_saved_fraction=ratio / 20,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def block(name: str, accuracy: float, fgsm: float) -> SensitivityRow:
    """Return what is left without one block."""
    return row(name, 1.0, accuracy, fgsm, structure=Structure.BLOCKS, num_units=1, num_removed=1)


@pytest.fixture
def record() -> Sensitivity:
    """Return a stream that matters, a layer that does not, one without a row at a quarter, and two blocks."""
    stream = ("conv1", "layer1.0.conv2", "layer2.0.conv2")
    rows = (
        *(row("conv1", ratio, value, 0.1, layers=stream) for ratio, value in ((0.25, 0.5), (0.5, 0.3), (0.75, 0.1))),
        *(row("layer1.0.conv1", ratio, 0.9, 0.4) for ratio in (0.25, 0.5, 0.75)),
        *(row("layer2.0.conv2", ratio, 0.7, 0.2) for ratio in (0.5, 0.75)),
        *(row("layer2.0.conv1_with_a_long_name", ratio, 0.95, 0.5) for ratio in (0.25, 0.5, 0.75)),
        block("layer1.0", 0.6, 0.25),
        block("layer2.1", 0.875, 0.4),
    )
    return Sensitivity(
        schema="compress.sensitivity/1",
        created="2026-09-01T12:00:00+00:00",
        tool_version="0.1.0",
        model_sha256="a1" * 32,
        architecture="cifar:resnet8",
        num_classes=10,
        data="photos",
        role="select",
        data_sha256="b2" * 32,
        num_images=512,
        criterion="l1",
        ratios=(0.25, 0.5, 0.75),
        threat="linf:2/255",
        seed=0,
        accuracy=0.9,
        fgsm_accuracy=0.4,
        rows=rows,
        left_out=(LeftOut(name="linear", num_units=10, reason="gives the model's answers"),),
    )


def test_the_text_is_as_it_was(record: Sensitivity) -> None:
    """A change of the text shows as a difference of its golden file."""
    written = sensitivity_text(record, checkpoint="my models/resnet8.pth")
    if os.environ.get("COMPRESS_OVERWRITE_GOLDEN"):
        GOLDEN.write_text(written, encoding="utf-8")
    assert written == GOLDEN.read_text(encoding="utf-8")
    pasted = ("next: ", "or:   ")
    assert max(len(line) for line in written.splitlines() if not line.startswith(pasted)) <= WIDTH


def test_the_most_sensitive_comes_first_and_is_named(record: Sensitivity) -> None:
    """By the mean drop over the ratios; where accuracy rose, there is no bar and no advice."""
    lines = sensitivity_text(record).splitlines()
    names = [line.split()[0] for line in lines if line.startswith(("conv1 ", "layer1.0.conv1 ", "layer2.0.conv"))]
    assert names == ["conv1", "layer2.0.conv2", "layer1.0.conv1", "layer2.0.conv1_with_a_long_name"]
    first, *_ = findings(record)
    assert first.startswith(
        "Most sensitive: conv1 (+2), 60.0 points lost on average (7.5 % of the multiply-adds at 75%)"
    )
    assert "layer1.0.conv1" not in first
    keep, gently = (shlex.split(line) for line in commands(record, "a b.pth"))
    assert keep[:5] == ["compress", "prune", "a b.pth", "--ratio", "0.5"]
    assert keep[5:] == ["--keep", "conv1", "--keep", "layer2.0.conv2"]
    assert gently[5:] == ["--ratio-for", "conv1=0.25", "--ratio-for", "layer2.0.conv2=0.5"]


def test_nothing_is_advised_where_nothing_fell(record: Sensitivity) -> None:
    """A model that loses nothing is told so, and gets no command."""
    fine = replace(record, rows=tuple(replace(each, accuracy=0.95) for each in record.rows))
    assert commands(fine) == ()
    assert findings(fine)[0] == "No group of filters lost accuracy on average."
    assert "next:" not in sensitivity_text(fine)


def test_a_dense_model_at_chance_is_said(record: Sensitivity) -> None:
    """Where FGSM leaves the dense model nothing, a smaller threat is named."""
    assert not any("chance" in sentence for sentence in findings(record))
    hopeless = [sentence for sentence in findings(replace(record, fgsm_accuracy=0.1)) if "chance" in sentence]
    assert len(hopeless) == 1
    assert "--threat linf:1/510" in hopeless[0]


def test_pasted_options_keep_what_was_named_and_what_shares_its_layers(record: Sensitivity) -> None:
    """On a real network, the groups that the options keep whole are the named ones and those said to come along."""
    checkpoint = checkpoint_of(CifarResNet(8), (3, 16, 16), num_classes=10)
    groups = trace_coupling(checkpoint.model, checkpoint.input_shape).groups
    for named in groups:
        rows = tuple(
            row(
                group.name,
                0.5,
                0.3 if group is named else 0.9,
                0.2,
                layers=tuple(maker.module for maker in group.makers()),
            )
            for group in groups
        )
        made = replace(record, rows=rows, ratios=(0.5,))
        _, *sentences = findings(made)
        said = {name for sentence in sentences if "mean " in sentence for name in re.findall(r"\S*conv\d", sentence)}
        words = shlex.split(commands(made)[0])
        globs = tuple(words[place + 1] for place, word in enumerate(words) if word == "--keep")
        leaving = plan(checkpoint, ratio=0.5, keep=globs).leaving()
        kept = {group.name for group in groups if group.name not in leaving}
        assert kept == {named.name} | {name for name in said if name not in globs}


def test_the_drawing_puts_every_row_where_it_belongs(record: Sensitivity) -> None:
    """One mark in each panel for each row, at the height of its share; the title and description are there."""
    root = ET.fromstring(sensitivity_svg(record))
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert "Most sensitive: conv1" in str(desc.text)
    marks = [mark for mark in root.iter() if mark.get("class") == "mark" and mark.find(f"{SVG}title") is not None]
    assert len(marks) == 2 * len(record.rows)
    circles = [mark for mark in marks if mark.tag == f"{SVG}circle"]
    told = {str(mark.find(f"{SVG}title").text): float(str(mark.get("cy"))) for mark in circles}  # type: ignore[union-attr]
    assert told["conv1 at 25 %: 50.0 % right answers"] == HEAD + PANEL / 2
    across = [float(str(mark.get("cx"))) for mark in circles[:3]]
    assert across == sorted(across)
    # The quarter has no row for one layer, so its line is broken there and nothing else is.
    lines = [line.get("points", "").split() for line in root.iter(f"{SVG}polyline")]
    assert sorted(len(line) for line in lines) == [2, 2, 4, 4, 4, 4]


def test_names_fit_into_the_drawing(record: Sensitivity) -> None:
    """Sixty layers and a long name widen and lengthen the drawing; no two layers share a place."""
    names = [f"stage{number}.a_rather_long_name_of_a_layer.conv" for number in range(60)]
    many = replace(record, rows=tuple(row(name, 0.5, 0.5, 0.2) for name in names), ratios=(0.5,))
    root = ET.fromstring(sensitivity_svg(many))
    width, height = (float(str(root.get(side))) for side in ("width", "height"))
    texts = [text for text in root.iter(f"{SVG}text") if text.get("class") == "name"]
    places = [
        tuple(float(part) for part in re.findall(r"translate\(([\d.]+) ([\d.]+)\)", str(text.get("transform")))[0])
        for text in texts
    ]
    assert [text.text for text in texts] == names
    gaps = [right[0] - left[0] for left, right in pairwise(places)]
    assert min(gaps) >= 15
    assert max(place[0] for place in places) < width
    assert max(place[1] for place in places) + 6 * max(map(len, names)) <= height


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.1)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_lines_and_words_stand_out_in_both_themes(theme: int) -> None:
    """Contrast of at least 4.5 for words and 3 for marks, as WCAG 2.1 AA asks."""
    css = STYLE.split("prefers-color-scheme")[theme]
    ground = re.findall(r"\.ground \{ fill: (#\w{6})", css)[0]
    words = re.findall(r"\.(?:quiet, \.sensitivity \.name|sensitivity text) \{ fill: (#\w{6})", css)
    marks = re.findall(r"\.(?:kind\d|block|level) \{ stroke: (#\w{6})", css)
    assert (len(words), len(marks)) == (2, 6)
    for colours, least in ((words, 4.5), (marks, 3.0)):
        for colour in colours:
            dark, light = sorted((_luminance(colour), _luminance(ground)))
            assert (light + 0.05) / (dark + 0.05) >= least, colour


def test_the_page_holds_drawing_words_and_figures_and_loads_nothing(record: Sensitivity) -> None:
    """One file, no network, and the same figures as the text."""
    page = sensitivity_page(record, checkpoint="resnet8.pth").decode()
    assert page.count("<svg") == page.count("</svg>") == 1
    assert not re.search(r"https?:|url\(|@import|<script|<img|<link", page)
    for part in ("60.0 ######", "Measured without fine-tuning", "--keep conv1", "87.5", "b2" * 32):
        assert part in page


def test_hostile_names_are_shown_and_not_obeyed(record: Sensitivity) -> None:
    """Architectures, layers, data and paths come from outside."""
    rows = tuple(replace(each, group=HOSTILE, layers=(HOSTILE,)) for each in record.rows[:3])
    bad = replace(record, architecture=HOSTILE, data=HOSTILE, criterion=HOSTILE, rows=rows)
    assert "<script" not in sensitivity_page(bad, checkpoint=HOSTILE).decode()
    drawn = ET.fromstring(sensitivity_svg(bad))
    assert drawn.find(f".//{SVG}script") is None
    assert any(HOSTILE in str(text.text) for text in drawn.iter(f"{SVG}text"))


def test_filters_only_and_blocks_only(record: Sensitivity) -> None:
    """A model without blocks, or without filters that can leave, has one table and a drawing all the same."""
    for structure, absent in ((Structure.FILTERS, "blocks  "), (Structure.BLOCKS, "filters  ")):
        part = replace(record, rows=tuple(each for each in record.rows if each.structure is structure))
        assert absent not in sensitivity_text(part)
        root = ET.fromstring(sensitivity_svg(part))
        assert len([text for text in root.iter(f"{SVG}text") if text.get("class") == "name"]) == len(
            {each.group for each in part.rows}
        )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors on many threads wait for each other more than they compute."""
    torch.set_num_threads(1)
