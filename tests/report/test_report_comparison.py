"""Several bundles: who can be compared, who stands on the frontier, and that neither depends on how they were named."""

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
import pytest

from cli import app
from compressor.records import dump
from compressor.report import (
    Comparison,
    Summary,
    compare,
    comparison_markdown,
    comparison_page,
    comparison_text,
    summarise,
)
from compressor.report.text import WIDTH


def bundle(
    accuracy: float = 0.85, robust: float = 0.4, p50_ms: float | None = 0.5, *, timed: dict[str, Any] | None = None,
    **changes: Any,
) -> Summary:  # fmt: skip
    """Return a bundle with these figures."""
    threats = (made_up.threat_result(robust_accuracy=robust, interval=(robust - 0.03, robust + 0.03)),)
    record = made_up.certificate(**{"clean_accuracy": accuracy, "threats": threats, **changes})
    row = made_up.row(p50_ms=p50_ms or 0.0, **(timed or {}))
    latency = None if p50_ms is None else made_up.latency(rows=(row,), against=None)
    return summarise(name="x", created="", certificate=record, latency=latency, parity=made_up.parity())


def places(found: Comparison) -> dict[str, str | None]:
    """Return who beats each bundle that can be compared."""
    return {row.label: row.beaten_by for row in found.rows}


DATA = made_up.result().data


@pytest.mark.parametrize(
    ("figures", "beaten"),
    [
        ({"a": (0.8, 0.4, 0.5), "b": (0.9, 0.5, 0.6)}, {"a": None, "b": None}),
        ({"a": (0.8, 0.4, 0.5), "b": (0.9, 0.5, 0.5)}, {"a": "b", "b": None}),
        ({"a": (0.8, 0.4, 0.5), "b": (0.8, 0.4, 0.5)}, {"a": None, "b": None}),
        ({"a": (0.8, 0.5, 0.5), "b": (0.9, 0.4, 0.4)}, {"a": None, "b": None}),
        ({"a": (0.8, 0.4, 0.6), "b": (0.8, 0.4, 0.5), "c": (0.9, 0.4, 0.4)}, {"a": "c", "b": "c", "c": None}),
    ],
    ids=["each better in something", "better in two, equal in one", "equal", "robust against the rest", "in a row"],
)
def test_the_frontier_is_who_nobody_beats(
    figures: dict[str, tuple[float, float, float]], beaten: dict[str, str | None]
) -> None:
    """At least as good in everything and better in something: accuracy, robust accuracy, latency."""
    assert places(compare((name, bundle(*each)) for name, each in figures.items())) == beaten


def test_the_order_of_the_names_changes_nothing() -> None:
    """The fastest first, then the most accurate, then by name: every permutation gives the same bytes."""
    entries = {
        "d": bundle(0.8, 0.4, 0.5),
        "c": bundle(0.9, 0.4, 0.5),
        "b": bundle(0.9, 0.4, 0.5),
        "a": bundle(0.9, 0.5, 0.9),
        "z": bundle(data=replace(DATA, sha256="77" * 32)),
    }
    first, *others = (compare(each) for each in itertools.permutations(entries.items()))
    assert all(each == first for each in others)
    assert comparison_page(first, ["again"]) == comparison_page(others[-1], ["again"])
    assert [row.label for row in compare(entries.items()).rows] == ["b", "c", "d", "a"]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (
            bundle(data=replace(DATA, sha256="77" * 32, num_images=500)),
            "certified on other images: 500 of cifar10-jpeg",
        ),
        (
            bundle(threats=(made_up.threat_result(battery="quick", battery_sha256="aa" * 32),)),
            "another battery at linf:2/255: quick (aaaaaaaa), not standard (b2b2b2b2)",
        ),
        (summarise(name="x", created="", parity=made_up.parity()), "nothing is certified"),
    ],
    ids=["images", "battery", "uncertified"],
)
def test_what_was_measured_otherwise_is_named_and_not_compared(odd: Summary, reason: str) -> None:
    """However good it looks: it beats nobody, and every format says why."""
    found = compare([("a", bundle()), ("b", bundle()), ("odd", odd)])
    assert list(places(found)) == ["a", "b"]
    assert [(each.label, each.reason[: len(reason)]) for each in found.apart] == [("odd", reason)]
    for text in (comparison_text(found), comparison_page(found).decode()):
        assert f"odd: {reason[:20]}" in text
    assert "- odd: " in comparison_markdown(found)


def test_a_threat_that_not_all_have_is_not_compared() -> None:
    """What only one was asked says nothing about the other."""
    both = (made_up.threat_result("1/255", robust_accuracy=0.6), made_up.threat_result())
    found = compare([("a", bundle(threats=both)), ("b", bundle())])
    assert [str(threat) for threat in found.threats] == ["linf:2/255"]
    assert "linf:1/255 is not compared: it was not measured for b." in found.notes


def test_a_latency_from_elsewhere_is_not_compared() -> None:
    """A GPU's milliseconds beat nobody; without two in one configuration the frontier is about accuracy alone."""
    found = compare(
        [("a", bundle()), ("b", bundle(p50_ms=0.6)), ("gpu", bundle(0.99, 0.9, 0.1, timed={"provider": "cuda"})),
         ("never", bundle(p50_ms=None))]
    )  # fmt: skip
    assert [row.label for row in found.rows if row.is_placed] == ["a", "b"]
    assert {"Timed elsewhere, so not placed: gpu.", "Not timed, so not placed: never."} <= set(found.notes)
    alone = compare([("a", bundle()), ("gpu", bundle(0.99, 0.9, 9.0, timed={"provider": "cuda"}))])
    assert places(alone) == {"gpu": None, "a": "gpu"}
    assert alone.timed is None
    assert 'class="drawing"' not in comparison_page(alone).decode()


def test_the_tables_fit_a_terminal() -> None:
    """With five threats and long names; all threats stand in the table with intervals."""
    threats = tuple(made_up.threat_result(f"{number}/255", robust_accuracy=0.5) for number in range(1, 6))
    found = compare([(f"resnet20-{'x' * 40}-{name}", bundle(threats=threats)) for name in "ab"])
    text = comparison_text(found, ["compress report a b"])
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "The frontier counts 2 more threats" in text
    assert text.count("linf:1/51") == 2


def test_nothing_that_can_be_compared_is_said_so() -> None:
    """Two folders that were only exported."""
    found = compare((name, summarise(name=name, created="", parity=made_up.parity())) for name in "ab")
    assert comparison_text(found) == "Not compared\na: nothing is certified\nb: nothing is certified\n"
    assert b"<h1>2 bundles compared</h1>" in comparison_page(found)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand beside two bundles of one name in two folders, and one of another name."""
    monkeypatch.chdir(tmp_path)
    for place, accuracy in (("mine/net", 0.8), ("yours/net", 0.9), ("other", 0.85)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "certificate.json").write_bytes(dump(made_up.certificate(clean_accuracy=accuracy)))
    return tmp_path


def test_the_command_compares_folders(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named by their folder, or as typed where that is not enough; one folder named twice is one bundle."""
    assert app.run(["report", "mine/net", "yours/net", "other"]) == 0
    shown = capsys.readouterr().out
    assert [f"{number} {name}" in shown for number, name in enumerate(("yours/net", "other", "mine/net"), 1)] == [
        True
    ] * 3
    assert "compress report mine/net yours/net other" in shown
    assert app.run(["report", "other", "yours/../other"]) == 0
    assert "Frontier" not in capsys.readouterr().out
    assert app.run(["report", "mine/net", "other", "--format", "html", "-o", "both.html"]) == 0
    assert "2 bundles compared" in (here / "both.html").read_text()


def test_json_tells_one_bundle_and_several(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exact fractions stay exact."""
    assert app.run(["report", "other", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert (alone["schema"], alone["summary"]["threats"][1]["epsilon"]) == ("compress.report/1", "2/255")
    assert app.run(["report", "mine/net", "other", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "compress.comparison/1"
    assert [(row["bundle"], row["beaten_by"]) for row in found["rows"]] == [("other", None), ("net", "other")]


def test_where_nothing_can_be_drawn_a_page_says_what_to_install(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that only judges; everything that draws nothing goes on."""
    for name in [each for each in sys.modules if each.startswith(("compressor.report.drawings.", "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for paths in (["other"], ["other", "mine/net"]):
        for form in ("text", "markdown"):
            assert app.run(["report", *paths, "--format", form]) == 0
    capsys.readouterr()
    assert app.run(["report", "other", "--format", "html", "-o", "page.html"]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert "pip install 'matplotlib" in said
    assert not (here / "page.html").exists()
