"""`certify --corruptions` and the policies that ask for it, from the command line to the exit code of the gate."""

import json
from pathlib import Path

import pytest

from cli.app import run

DEMANDED = 'schema = "compress.policy/1"\n[accuracy]\nmin = 0.1\n[corruptions]\nmin = {}\n'


def certify(checkpoint: Path, output: Path, *options: str) -> dict[str, object]:
    """Run certify on digits and return its certificate's result."""
    line = ["certify", str(checkpoint), "--data", "digits", "--num-images", "40"]
    assert run([*line, "--work-dir", str(output.parent / "work"), "-o", str(output), *options, "--quiet"]) == 0
    result: dict[str, object] = json.loads(output.read_text())["result"]
    return result


@pytest.mark.slow
def test_corruptions_are_said_and_written(
    digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flag adds the section, and a person reads every mean, every worst place, and what was skipped."""
    found = certify(digits_checkpoint, tmp_path / "certificate.json", "--corruptions")["corruptions"]
    text = capsys.readouterr().out
    assert isinstance(found, dict)
    assert len(found["rows"]) == 65
    assert [row["name"] for row in found["worst_case"]] == ["occlusion", "translation", "rotation"]
    assert "mean over corruptions" in text
    assert all(f"  {name} " in text for name in ("gaussian_noise", "pixelate"))
    assert "worst of 31 places" in text
    assert "skipped frost" in text
    assert "skipped zoom_blur" in text


@pytest.mark.slow
@pytest.mark.parametrize(("least", "decision"), [("0.1", "passed"), ("0.999", "failed")])
def test_a_policy_to_decide_by_asks_for_its_corruptions(
    digits_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], least: str, decision: str
) -> None:
    """--decide with [corruptions] measures them on the images it looked at, and the gate judges their sequence.

    What the gate passes here stays undecided as a whole: the certificate is about a torch model.
    """
    policy, path = tmp_path / "policy.toml", tmp_path / "certificate.json"
    policy.write_text(DEMANDED.format(least))
    found = certify(digits_checkpoint, path, "--decide", str(policy))["corruptions"]
    assert isinstance(found, dict)
    assert found["interval_method"] == "confidence-sequence"
    assert run(["gate", str(path), "--policy", str(policy)]) == (4 if decision == "passed" else 3)
    assert f"{decision:<11}corruptions.min" in capsys.readouterr().out
