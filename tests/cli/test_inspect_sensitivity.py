"""compress inspect --sensitivity from end to end, on a network that reads digits."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from cli.app import run
from compressor.records import parse
from compressor.sensitivity import Sensitivity


def test_measured_shown_and_written(
    digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table, the record and the three files say the same, and the second run measures nothing anew."""
    monkeypatch.chdir(tmp_path)
    line = ["inspect", str(digits_checkpoint), "--sensitivity", "--data", "digits", "--num-images", "40"]
    line += ["--threat", "linf:1/16"]
    assert run([*line, "-o", "drawing.svg"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("cifar:resnet8: each layer pruned alone, nothing fine-tuned. 40 select images")
    assert f"next: compress prune {digits_checkpoint} --ratio 0.5 --keep" in shown.out
    assert "prune each layer alone" in shown.err
    assert ET.parse("drawing.svg").getroot().tag.endswith("svg")
    assert run([*line, "--json", "-o", "record.json"]) == 0
    again = capsys.readouterr()
    record = parse(again.out.encode(), Sensitivity, source="stdout")
    assert json.loads(Path("record.json").read_text()) == json.loads(again.out)
    assert "were measured by an earlier run" in again.err
    assert (record.threat, record.num_images, record.criterion) == ("linf:1/16", 40, "l1")
    assert f"{100 * record.accuracy:.1f} %" in shown.out.replace("\n", " ")
    assert run([*line, "--quiet", "-o", "reports"]) == 0
    assert "<svg" in (Path("reports") / "digits-sensitivity.html").read_text()
    assert capsys.readouterr().err == ""


def test_the_time_limit_ends_undecided_and_the_next_run_goes_on(
    digits_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 4 after the first model was saved; nothing is shown, and the state is used."""
    monkeypatch.chdir(tmp_path)
    line = ["inspect", str(digits_checkpoint), "--sensitivity", "--data", "digits", "--num-images", "20"]
    assert run([*line, "--time-limit", "0.000001s", "-o", "drawing.svg"]) == 4
    assert capsys.readouterr().out == ""
    assert not Path("drawing.svg").exists()
    assert run([*line, "--time-limit", "0.000001s"]) == 4
    assert "1 of the models were measured by an earlier run" in capsys.readouterr().err
