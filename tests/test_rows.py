"""Rows of benchmarks say what was typed, and nothing about the machine's folders."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.rows import write_rows


def test_a_command_keeps_no_place_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an absolute path the last part is left; everything else stays as typed."""
    monkeypatch.setattr(
        sys, "argv", ["benchmarks/finetune.py", "ours", "--cifar", str(tmp_path / "cifar"), "--epochs", "3"]
    )
    write_rows(tmp_path / "rows.json", [{"part": "ours"}])
    assert json.loads((tmp_path / "rows.json").read_bytes())["command"] == (
        "python -m benchmarks.finetune ours --cifar cifar --epochs 3"
    )
