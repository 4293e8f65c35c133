"""`certify --prove` from the command line: what a person reads, and what is written."""

import json
from pathlib import Path

import pytest

from cli.app import run
from compressor.certify.outcomes import read_outcomes


@pytest.mark.slow
def test_proofs_are_said_and_written(
    digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proved from below beside the battery from above, the fall of margins beside a baseline, smoothing under l2."""
    path = tmp_path / "certificate.json"
    line = ["certify", str(digits_checkpoint), "--data", "digits", "--num-images", "2", "--battery", "quick"]
    line += ["--baseline", str(digits_checkpoint), "--threat", "linf:1/500", "--threat", "l2:0.02", "--prove"]
    assert run([*line, "--dry-run", "--quiet"]) == 0
    assert "bounds on 2 images, 2 threats" in capsys.readouterr().out
    assert run([*line, "--work-dir", str(tmp_path / "work"), "-o", str(path), "--quiet"]) == 0
    text = capsys.readouterr().out
    threats = json.loads(path.read_text())["result"]["threats"]
    for each in threats:
        assert 0 < each["proved_accuracy"] <= each["robust_accuracy"]
        assert each["proof"]["margin_fall"]["p90"] >= 0
    assert threats[1]["proof"]["smoothing"]["sigma"] == "1/50"
    assert "  proved  " in text
    assert "logits for half" in text
    assert "another classifier" in text
    assert len(read_outcomes(path.with_name("outcomes.npz")).proofs) == 2
