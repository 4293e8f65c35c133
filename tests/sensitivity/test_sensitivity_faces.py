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
    """One mark in each panel for each row, at the height of its share, with its own words."""
    root = ET.fromstring(sensitivity_svg(record))
    assert root.get("role") == "img"
    assert "Most sensitive: conv1" in str(root.get("aria-label"))
    marks = [mark for mark in root.iter(f"{SVG}use") if mark.find(f"{SVG}title") is not None]
    told = {str(mark.findtext(f"{SVG}title")): (_at(mark, "x"), _at(mark, "y")) for mark in marks}
    assert len(told) == len(marks) == 2 * len(record.rows)
    quarter, half, most = (told[f"conv1 at {ratio} %: {share}.0 % right answers"] for ratio, share in FIRST.items())
    assert quarter[0] == half[0] == most[0]
    assert half[1] - quarter[1] == pytest.approx(most[1] - half[1], abs=0.1)
    assert quarter[1] < half[1]
    assert told["conv1 at 25 %: 10.0 % right answers that stay right under FGSM at linf:2/255"][0] == quarter[0]
    assert told["without layer1.0: 60.0 % right answers"][0] > told["layer2.0.conv2 at 50 %: 70.0 % right answers"][0]
    # The quarter has no row for one layer, so its line is broken there and nothing else is.
    kinds = {kind: _drawn(root, f"clean{kind}") for kind in (0, 1, 2)}
    assert [path.count("M") for path in kinds.values()] == [2, 1, 1]


FIRST = {25: 50, 50: 30, 75: 10}
"""What each ratio leaves of the first group, in percent."""


def _at(mark: ET.Element, side: str) -> float:
    return float(str(mark.get(side)))


def _drawn(root: ET.Element, kind: str) -> str:
    """Return the line of a kind."""
    (group,) = (each for each in root.iter(f"{SVG}g") if each.get("class") == kind)
    return str(next(iter(group.findall(f"{SVG}path"))).get("d"))


def _names(root: ET.Element) -> list[tuple[str, float, float]]:
    """Return the names of layers, which stand upright, with their places."""
    texts = [
        (str(text.text), re.match(r"rotate\(-90 ([\d.]+) ([\d.]+)\)", text.get("transform", "")))
        for text in root.iter(f"{SVG}text")
    ]
    return [(text, float(place[1]), float(place[2])) for text, place in texts if place]


def test_names_fit_into_the_drawing(record: Sensitivity) -> None:
    """Sixty layers and a long name widen and lengthen the drawing; no two layers share a place."""
    names = [f"stage{number}.a_rather_long_name_of_a_layer.conv" for number in range(60)]
    many = replace(record, rows=tuple(row(name, 0.5, 0.5, 0.2) for name in names), ratios=(0.5,))
    root = ET.fromstring(sensitivity_svg(many))
    width, height = (float(str(root.get(side))) for side in ("width", "height"))
    found = _names(root)
    assert [text for text, _, _ in found] == names
    gaps = [right[1] - left[1] for left, right in pairwise(found)]
    assert min(gaps) >= 15
    assert max(x for _, x, _ in found) < width
    assert max(y for _, _, y in found) + 6 * max(map(len, names)) <= height


def _luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.1)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_and_words_stand_out_in_both_themes(record: Sensitivity) -> None:
    """Contrast of at least 4.5 for words and 3 for marks, as WCAG 2.1 AA asks; every colour has a dark one."""
    root = ET.fromstring(sensitivity_svg(record))
    rules = dict(re.findall(r'\[fill="(#\w{6})"\]\{fill:(#\w{6})\}', str(root.findtext(f"{SVG}style"))))
    used = {str(each.get(key)) for each in root.iter() for key in ("fill", "stroke")} - {"None", "none"}
    assert used <= set(rules)
    ground, rule = "#ffffff", "#d9dde3"
    for theme in (lambda colour: colour, rules.__getitem__):
        for colour in used - {ground, rule}:
            dark, light = sorted((_luminance(theme(colour)), _luminance(theme(ground))))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


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
        assert len(_names(root)) == len({each.group for each in part.rows})


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors on many threads wait for each other more than they compute."""
    torch.set_num_threads(1)
